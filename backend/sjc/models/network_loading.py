"""The denoising network of a checked model folder: what runs it, where it lies, and what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from ..errors import SjcError
from ..guidance.views import SIX
from ..lora_text import Lora
from . import distilled, four_views, graphs, networks, onnx_unet, row_attention, tuning
from . import lora as lora_files
from .control import SCALE, ControlFiles
from .families import FLUX, MVDREAM, SD3, SDXL, UNCONDITIONAL
from .joined_views import join_views
from .model_files import ModelFiles
from .mv_adapter import LARGEST_XL
from .networks import LoadedNetwork, Network, PictureFormat, Residuals
from .placement import Placement
from .pretrained import load_control, load_network_module

_EXAMPLE_TOKENS = 24
_CONFIG_KEYS = ("sample_size", "in_channels", "cross_attention_dim", "encoder_hid_dim")
"""What is read of the configuration of a network that ONNX Runtime runs."""


class NetworkLoader:
    """Loads the network of a checked model folder, at most once, and only where something needs it.

    dtype: of its weights.  placement: where it goes.
    runtime: what runs a UNet on a CPU, "torch", "onnx" (ONNX Runtime) or "auto"; torch runs every network with LoRAs.
    loras: checked LoRAs that are fused into the network.
    built_in: the guidance scale of the model's own adapter, which is fused into it as well; None without.
    compiling: whether torch.compile may work on it (tuning.py).
    views_adapter: the checked file of an MV-Adapter, which is put into the network.
    control: the checked folder of a ControlNet. It becomes a module of the network and goes wherever that goes.

    Raises SjcError where the folder has no adapter for that scale.
    """

    def __init__(
        self,
        files: ModelFiles,
        dtype: torch.dtype,
        placement: Placement,
        *,
        runtime: str = "torch",
        loras: Sequence[Lora] = (),
        built_in: float | None = None,
        compiling: bool = False,
        views_adapter: Path | None = None,
        control: ControlFiles | None = None,
    ) -> None:
        self.compiling, self.views_adapter, self.control = compiling, views_adapter, control
        self.residuals: Residuals = networks.no_residuals  # those of the adapter when the module is loaded
        self.files, self.dtype, self.placement = files, dtype, placement
        self.loras, self.built_in = loras, built_in
        self.adapter = None if built_in is None else distilled.adapter(files.folder, built_in)
        changed = bool(loras or views_adapter or control)
        self.onnx_required = runtime == "onnx" and not changed
        self.onnx_allowed = (
            (self.onnx_required or runtime == "auto")
            and not changed
            and files.family not in (FLUX, SD3, UNCONDITIONAL, SDXL)
            and not files.family.ring
            and placement.device.type == "cpu"
            and dtype == torch.float32
        )
        self.cached_graph = onnx_unet.cached(files, self.adapter) if self.onnx_allowed else None

    @cached_property
    def module(self) -> Any:
        """The network as diffusers has it, with its LoRAs, where it is to work."""
        adapters = () if self.adapter is None else (Lora(self.adapter, 1.0),)
        family = self.files.family
        module = load_network_module(self.files, self.dtype)
        lora_files.fuse((*adapters, *self.loras), family, {family.network: module})
        if self.files.sister:
            four_views.load(self.files.sister, module)
        if self.views_adapter:
            size = _unet_size(self.files, module.config, self.views_adapter)
            self.residuals = row_attention.attach(self.views_adapter, module, size, family)
        if self.control:
            module.control = load_control(self.control, self.dtype)
            self.residuals = networks.control_residuals(module.control, SCALE)
        module = self.placement.network(module)
        if self.placement.device.type == "cuda" and not self.placement.in_pieces:
            tuning.fuse_projections(module)
        if family is MVDREAM and family.ring:
            join_views(module, len(family.ring))
        return module

    @cached_property
    def config(self) -> Any:
        """The network's configuration, from its file alone where an ONNX graph of an earlier start runs it."""
        written = self.files.configs[self.files.family.network]
        if self.cached_graph and all(key in written for key in _CONFIG_KEYS):
            return SimpleNamespace(**written)
        return self.module.config

    def load(self, pictures: PictureFormat) -> LoadedNetwork:
        """The network, ready to be called.

        Raises SjcError where ONNX Runtime was asked for and cannot run it, and for anything that cannot be loaded.
        """
        call = self._onnx_network() or graphs.replayed(self._tuned_network(pictures.size), self.placement)
        on_module = not (self.cached_graph or self.placement.in_pieces)
        return LoadedNetwork(
            call,
            lambda: self.module,
            device=torch.device(self.module.device) if on_module else self.placement.device,
            dtype=self.dtype,
            distilled=self.files.family is FLUX and bool(self.config.guidance_embeds),
            built_in=self.built_in,
        )

    def _onnx_network(self) -> Network | None:
        network = self.cached_graph
        if self.onnx_allowed and not network:
            network = onnx_unet.network(self.files, self.module, _EXAMPLE_TOKENS, self.adapter)
        if network is None and self.onnx_required:
            raise SjcError(
                "ONNX Runtime cannot run this model here: it takes a UNet for single views, with one text encoder, "
                "below 512 MiB, on a CPU, and the packages onnx and onnxruntime. Set runtime to auto or torch."
            )
        return network

    def _tuned_network(self, size: int) -> Network:
        network = self._torch_network(size)
        if not self.compiling or self.placement.in_pieces:
            return network
        return tuning.compiled(network, self.module, self.placement.device, self.placement.note)

    def _torch_network(self, size: int) -> Network:
        family = self.files.family
        if family is FLUX:
            return networks.flux_transformer(self.module)
        if family is SD3:
            return networks.sd3_transformer(self.module)
        if family is UNCONDITIONAL:
            return networks.unconditional_unet(self.module)
        if family.ring:
            return networks.multiview_unet(self.module)
        if family is SDXL:
            pixels_per_latent = 2 ** (len(self.files.configs["vae"]["block_out_channels"]) - 1)
            module = self.module
            return networks.sdxl_unet(module, size * pixels_per_latent, self.residuals)
        module = self.module
        return networks.text_unet(module, self.residuals)


def picture_format(
    files: ModelFiles,
    config: Any,
    card: dict[str, Any],
    placement: Placement,
    views_adapter: Path | None = None,
    control: ControlFiles | None = None,
) -> PictureFormat:
    """What the network of a checked folder takes, by its config.  Raises SjcError for a bad size in sjc.json."""
    flux = files.family is FLUX
    size = _flux_size(files, card) if flux else _unet_size(files, config, views_adapter)
    return PictureFormat(
        channels=int(config.in_channels) // (4 if flux else 1),  # FLUX packs 2 x 2 latents into one token
        size=size,
        vae=files.folder / "vae" if files.family.latent else None,
        vae_on_host=placement.plan.decoder_on_host,
        ring=SIX if views_adapter else files.family.ring,
        control_size=size * control.pixels_per_latent if control else None,
    )


def _unet_size(files: ModelFiles, config: Any, views_adapter: Path | None) -> int:
    """Pixels or latents along an edge; with an MV-Adapter those that it was trained with."""
    size = int(config.sample_size)
    return min(size, LARGEST_XL) if views_adapter and files.family is SDXL else size


def _flux_size(files: ModelFiles, card: dict[str, Any]) -> int:
    """FLUX names no size: 128 latents (1024 pixels) as diffusers' pipeline takes, unless sjc.json has a "size"."""
    size = card.get("size", 128)
    if not isinstance(size, int) or size < 2 or size % 2:
        raise SjcError(f"{files.folder}: sjc.json names the size {size}; it must be an even number of latents.")
    return size

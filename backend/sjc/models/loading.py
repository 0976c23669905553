"""Loading diffusers models of every family (families.py) as denoisers.

The libraries are imported when a model is loaded, not before, and as few of their modules as they allow.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from ..errors import SjcError
from ..guidance.schedules import VESchedule
from ..machine.disk_cache import cache_folder
from . import distilled, graphs, model_files, networks, onnx_unet, text_encoders
from . import lora as lora_files
from .families import FLUX, SD3, SDXL, UNCONDITIONAL, tokenizer_of
from .memory_fallback import Descent, Tell, to_stderr
from .memory_plan import HALF_PRECISION_ABOVE, plan_for
from .model_files import ModelFiles, first_line
from .placement import TEXTS_FULL, Placement
from .prompt_encoder import NoText, TextEncoder
from .text_cache import TextCache, fingerprint
from .text_denoiser import TextDenoiser
from .text_encoders import Reader

__all__ = ["TextDenoiser", "load_denoiser"]

LARGE_TEXT = 100 * 2**20
"""Bytes of text encoders above which they load when needed, are let go when they have read, and are read from the
cache.
"""
_EXAMPLE_TOKENS = 24
_BETA_KEYS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr",
)  # fmt: skip


def load_denoiser(
    model: str = "embedded",
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    *,
    download: bool = False,
    revision: str | None = None,
    runtime: str = "torch",
    lora: str = "",
    built_in: float | None = None,
    tell: Tell = to_stderr,
) -> TextDenoiser:
    """Loads "embedded", a folder or a hub id ("name/model") in the ordinary diffusers layout, in evaluation mode.

    dtype None: float32, but float16 on CUDA for more than 1 GiB of weights.  A folder never touches the network; a hub
    id only with download=True.  Only safetensors are read.  runtime: what runs a UNet on a CPU, "torch", "onnx" (ONNX
    Runtime), or "auto", which takes the second where it can be had.  lora: files to lay over it ("PATH[:weight], ...",
    see lora.py); torch runs those.  built_in: the guidance scale that the model's own adapter is to build into the
    network (see distilled.py); the denoiser knows no other then.  tell: is given each line about a part that finds no
    room, now or later; they are in the denoiser's notes, too.  Raises SjcError, one line, for anything unusable.
    """
    loras = lora_files.check(lora)
    files = model_files.check(model_files.locate(model, download=download, revision=revision))
    adapter = _adapter(files, built_in)
    card_path = files.folder / "sjc.json"
    card = model_files.read_json(card_path) if card_path.is_file() else {}
    schedule, prediction_type = _schedule(files)
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise SjcError(f'Unknown device "{device}"; use cpu, cuda, cuda:N or mps.') from error
    dtype = dtype or usual_dtype(files, device)
    place = Placement(device, plan_for(files, device.type, str(dtype).removeprefix("torch.")), tell)

    def finished(component: str, part: Any) -> Any:
        laid = (*adapter, *loras) if component == files.family.network else loras
        lora_files.fuse(laid, files.family, {component: part})
        return place.network(part) if component == files.family.network else place.reader(part)

    @cache
    def unet() -> Any:
        return finished(files.family.network, _load_network(files, dtype))

    onnx = _OnnxUse("torch" if loras else runtime, files, device, dtype, adapter[0].path if adapter else None)
    config = onnx.config() or unet().config
    readers = _load_readers(files, dtype, finished)
    name = "The embedded model" if model == "embedded" else f'The model "{model}"'
    text = _text(files, config, readers, card, name)
    if isinstance(text, TextEncoder):
        text.device = device
        text.descent = Descent(place.cheaper_reading(text), TEXTS_FULL, place.note)
        if sum(files.bytes_of.get(part, 0) for part in readers) > LARGE_TEXT:
            known = fingerprint(files, str(dtype), lora_files.fingerprint(lora))
            text.store = TextCache(cache_folder("text") / known)
        else:
            for reader in readers.values():  # small ones stay, and say at once what is wrong with them
                _ = reader.encoder
    in_cache = files.folder.parent.name == "snapshots"
    flux = files.family is FLUX
    size = _flux_size(files, card) if flux else int(config.sample_size)
    network = onnx.network(unet) or graphs.replayed(_network(files, unet(), size), place)
    return TextDenoiser(
        unet,
        network,
        text,
        schedule,
        prediction_type,
        device=device if onnx.kept or place.in_pieces else torch.device(unet().device),
        dtype=dtype,
        channels=int(config.in_channels) // (4 if flux else 1),
        size=size,
        distilled=flux and bool(config.guidance_embeds),
        vae=files.folder / "vae" if files.family.latent else None,
        vae_on_host=place.plan.decoder_on_host,
        place=place,
        source=model,
        revision=files.folder.name if in_cache else revision,
        loras=lora_files.record(loras),
        built_in=built_in,
    )


def _adapter(files: ModelFiles, built_in: float | None) -> tuple[lora_files.Lora, ...]:
    if built_in is None:
        return ()
    if distilled.scale(files.folder) != built_in:
        raise SjcError(f"{files.folder} has no adapter for guidance {built_in:g}; load it without.")
    return (lora_files.Lora(files.folder / distilled.NAME, 1.0),)


def usual_dtype(files: ModelFiles, device: torch.device) -> torch.dtype:
    """float32, but float16 for large models on CUDA."""
    large = device.type == "cuda" and files.weight_bytes > HALF_PRECISION_ABOVE
    return torch.float16 if large else torch.float32


def _flux_size(files: ModelFiles, card: dict[str, Any]) -> int:
    """FLUX names no size: 128 latents (1024 pixels) as diffusers' pipeline takes, unless sjc.json has a "size"."""
    size = card.get("size", 128)
    if not isinstance(size, int) or size < 2 or size % 2:
        raise SjcError(f"{files.folder}: sjc.json names the size {size}; it must be an even number of latents.")
    return size


class _OnnxUse:
    """Whether ONNX Runtime shall run a model's UNet, and whether it knows it from an earlier start."""

    def __init__(
        self, runtime: str, files: ModelFiles, device: torch.device, dtype: torch.dtype, adapter: Path | None
    ) -> None:
        plain = files.family not in (FLUX, SD3, UNCONDITIONAL, SDXL) and device.type == "cpu"
        self.files, self.adapter, self.asked_for = files, adapter, runtime == "onnx"
        self.tried = runtime != "torch" and plain and dtype == torch.float32
        self.kept = onnx_unet.kept(files, adapter) if self.tried else None

    def config(self) -> Any:
        """The UNet's configuration as its file has it, where the UNet itself is not needed for it; else None."""
        written = self.files.configs[self.files.family.network]
        needed = ("sample_size", "in_channels", "cross_attention_dim", "encoder_hid_dim")
        if not (self.kept and all(key in written for key in needed)):
            return None
        return SimpleNamespace(**written)

    def network(self, unet: Callable[[], Any]) -> networks.Network | None:
        """What runs it, None where torch shall. Raises SjcError where ONNX Runtime was asked for and cannot."""
        found = self.kept
        if self.tried and not found:
            found = onnx_unet.network(self.files, unet(), _EXAMPLE_TOKENS, self.adapter)
        if found is None and self.asked_for:
            raise SjcError(
                "ONNX Runtime cannot run this model here: it takes a UNet with one text encoder, below 512 "
                "MiB, on a CPU, "
                "and the packages onnx and onnxruntime. Set runtime to auto or torch."
            )
        return found


def _network(files: ModelFiles, unet: Any, size: int) -> networks.Network:
    if files.family is FLUX:
        return networks.flux_transformer(unet)
    if files.family is SD3:
        return networks.sd3_transformer(unet)
    if files.family is UNCONDITIONAL:
        return networks.unconditional_unet(unet)
    if files.family is SDXL:
        factor = 2 ** (len(files.configs["vae"]["block_out_channels"]) - 1)
        return networks.sdxl_unet(unet, size * factor)
    return networks.text_unet(unet)


def _text(
    files: ModelFiles, config: Any, readers: dict[str, Reader], card: dict[str, Any], name: str
) -> TextEncoder | NoText:
    if not readers:
        return NoText(name, card)
    first, second = readers["text_encoder"], readers.get("text_encoder_2")
    if second is not None and files.family is SDXL:
        scheme = text_encoders.sdxl(first, second)
    elif second is not None and files.family is SD3:
        scheme = text_encoders.sd3(first, second, readers.get("text_encoder_3"), int(config.joint_attention_dim))
    elif second is not None:
        scheme = text_encoders.flux(first, second)
    else:
        scheme = text_encoders.plain(first)
    text = TextEncoder(
        [*reversed(readers.values())] if files.family is FLUX else [*readers.values()],
        scheme,
        card=card,
        name=name,
        lower=str(files.index.get("_class_name", "")).startswith("IF"),  # its pipelines lower-case every prompt
        zero_empty=files.family is SDXL and bool(files.index.get("force_zeros_for_empty_prompt", True)),
    )
    _check_fit(files, config, readers)
    return text


def _libraries() -> tuple[Any, Any]:
    """(DDPMScheduler, transformers), silenced: what goes wrong is said by SjcError."""
    import transformers
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    return DDPMScheduler, transformers


def _schedule(files: ModelFiles) -> tuple[VESchedule, str]:
    config = files.configs["scheduler"]
    named = str(config.get("_class_name", files.class_of("scheduler")))
    flow = files.family in (SD3, FLUX)
    if named.startswith("EDM") or flow != named.startswith("FlowMatch"):
        wanted = "FlowMatchEulerDiscreteScheduler" if flow else "scheduler with betas (DDPM and its kin)"
        raise SjcError(f"{files.folder}: its scheduler is a {named}; a {files.family.name} model needs a {wanted}.")
    ddpm, _ = _libraries()
    if flow:
        return _flow_schedule(config), "flow"
    try:
        betas = ddpm(**{key: config[key] for key in _BETA_KEYS if config.get(key) is not None})
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SjcError(
            f"{files.folder}: scheduler/scheduler_config.json is not usable: {first_line(error)}."
        ) from error
    predicted = str(config.get("prediction_type", "epsilon"))
    if predicted == "flow":  # our word for the families above
        raise SjcError(
            f'{files.folder}: its scheduler names the prediction type "flow", which no scheduler with betas has.'
        )
    return VESchedule.from_alphas_cumprod(betas.alphas_cumprod), predicted


def _flow_schedule(config: dict[str, Any]) -> VESchedule:
    """The scheduler's own times: evenly spaced, shifted towards noise unless the shift depends on the image's size."""
    from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler

    keys = ("num_train_timesteps", "shift", "use_dynamic_shifting")
    return VESchedule.from_flow(
        FlowMatchEulerDiscreteScheduler(**{key: config[key] for key in keys if key in config}).sigmas
    )


_NETWORK_MODULES = {
    "UNet2DConditionModel": "unets.unet_2d_condition",
    "UNet2DModel": "unets.unet_2d",
    "SD3Transformer2DModel": "transformers.transformer_sd3",
    "FluxTransformer2DModel": "transformers.transformer_flux",
}


def _load_network(files: ModelFiles, dtype: torch.dtype) -> Any:
    named = files.family.network_class
    network_class = getattr(import_module(f"diffusers.models.{_NETWORK_MODULES[named]}"), named)
    return _from_pretrained(files, files.family.network, network_class, torch_dtype=dtype)


def _load_readers(files: ModelFiles, dtype: torch.dtype, finished: Callable[[str, Any], Any]) -> dict[str, Reader]:
    """By component. finished: what is done with a loaded encoder."""
    _, transformers = _libraries()
    readers = {}
    for component in files.family.texts:
        if component not in files.configs:
            continue
        encoder_class = getattr(transformers, files.class_of(component))
        config = _config(files, component, encoder_class)

        def load(component: str = component, encoder_class: Any = encoder_class) -> Any:
            # Wrong shapes are let through to be named by us: the library only points at a table in its log.
            encoder = _from_pretrained(files, component, encoder_class, dtype=dtype, ignore_mismatched_sizes=True)
            return finished(component, encoder)

        tokenizer = _load_tokenizer(files, tokenizer_of(component))
        # T5 is trained with the padding masked; CLIP pipelines leave the mask out unless the config asks for it, those
        # of SD3 and FLUX.1 always.
        masked = files.family not in (SD3, FLUX) and (
            not config.model_type.startswith("clip_text") or bool(getattr(config, "use_attention_mask", False))
        )
        most = _MAX_TOKENS.get((files.family.name, component), 77)
        readers[component] = Reader(
            tokenizer, config, load, most if most > 77 else min(int(tokenizer.model_max_length), most), masked
        )
    return readers


def _config(files: ModelFiles, component: str, encoder_class: Any) -> Any:
    folder = files.folder / component
    try:
        return encoder_class.config_class.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error


_MAX_TOKENS = {(SD3.name, "text_encoder_3"): 256, (FLUX.name, "text_encoder_2"): 512}
"""What diffusers' pipelines encode, whatever the tokenizer could; 77 where nothing is said."""


def _from_pretrained(files: ModelFiles, component: str, model_class: Any, **kwargs: Any) -> Any:
    folder = files.folder / component
    try:
        model, info = model_class.from_pretrained(
            str(folder),
            variant=files.variants[component],
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **kwargs,
        )
    except Exception as error:  # the libraries raise a dozen kinds for a wrong shape or a bad config
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}.") from error
    wrong = sorted(
        str(key[0] if isinstance(key, tuple) else key) for key in (*info["missing_keys"], *info["mismatched_keys"])
    )
    if wrong:  # the libraries would fill these with random numbers and only warn
        raise SjcError(
            f"{folder}: the weights do not fit config.json; {wrong[0]} is missing or has another shape"
            + (f", and {len(wrong) - 1} more." if len(wrong) > 1 else ".")
        )
    return model.eval().requires_grad_(False)


def _load_tokenizer(files: ModelFiles, component: str) -> Any:
    _, transformers = _libraries()
    folder = files.folder / component
    named = getattr(transformers, files.class_of(component), None)
    is_tokenizer = isinstance(named, type) and issubclass(named, transformers.PreTrainedTokenizerBase)
    try:
        loader: Any = named if is_tokenizer else transformers.AutoTokenizer
        tokenizer = loader.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded, a file is missing or damaged: {first_line(error)}.") from error
    if tokenizer.pad_token is None:
        raise SjcError(f"{folder}: the tokenizer has no padding token.")
    return tokenizer


def _check_fit(files: ModelFiles, config: Any, readers: dict[str, Reader]) -> None:
    """Raises SjcError where tokenizers, text encoders and the network are of different models."""
    for reader in readers.values():
        words, known = len(reader.tokenizer), reader.config.vocab_size
        if words > known:
            raise SjcError(f"{files.folder}: its tokenizer has {words} words, its text encoder only {known}.")
    network = files.family.network
    encoders = {name: reader.config for name, reader in readers.items()}
    widths = [encoder.hidden_size for encoder in encoders.values()]
    if files.family is SDXL:
        width, needed = sum(widths), config.cross_attention_dim
        pooled = encoders["text_encoder_2"].projection_dim
        takes = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    elif files.family is SD3:
        needed, takes = config.joint_attention_dim, config.pooled_projection_dim
        width = widths[2] if len(widths) > 2 else needed  # without T5, zeros of the right width stand in
        pooled = sum(encoders[name].projection_dim for name in ("text_encoder", "text_encoder_2"))
    elif files.family is FLUX:
        width, needed = widths[1], config.joint_attention_dim
        pooled, takes = widths[0], config.pooled_projection_dim
    else:
        width, needed = widths[0], config.encoder_hid_dim or config.cross_attention_dim
        pooled = takes = 0
    if width != needed:
        raise SjcError(
            f"{files.folder}: its text encoder gives {width} numbers per token, its {network} takes {needed}."
        )
    if pooled != takes:
        raise SjcError(f"{files.folder}: its text encoders give {pooled} pooled numbers, its {network} takes {takes}.")

"""MVDream's network (arXiv 2308.16512) as diffusers' own UNet: its configuration and the names of its weights.

It is Stable Diffusion 2.1's network with two changes: the self-attentions run over the tokens of all views
(joined_views.py), and an embedding of each view's camera is added to that of the time.  The folders of it on the hub
have the configuration and the names of the code that trained it (latent diffusion, "ldm") in unet/ and the ordinary
layout in everything else.  Standard library only at the top.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import foreign
from ..errors import SjcError
from .layout import WEIGHT_STEMS
from .small_files import header, read_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from .model_files import ModelFiles

CLASS_NAME = "MultiViewUNetModel"
CAMERA_NUMBERS = 16
"""A camera is its matrix to the world, 4 x 4."""
CAMERA_EMBEDDING = "camera_embed."
_PREFIX = "model.diffusion_model."
_NAMES = {"camera_embed.0.": "label_emb.0.0.", "camera_embed.2.": "label_emb.0.2."}
"""The embedding is built as that of a class is; diffusers' converter knows that one."""
_FIXED = {
    "dims": 2, "conv_resample": True, "resblock_updown": False, "use_scale_shift_norm": False, "num_classes": None,
    "adm_in_channels": None, "n_embed": None, "num_attention_blocks": None, "camera_dim": CAMERA_NUMBERS,
}  # fmt: skip


def network_config(path: Path, written: dict[str, Any]) -> dict[str, Any]:
    """The configuration for UNet2DConditionModel of the one that a folder has in unet/config.json.

    path: that file.  Raises SjcError for another network, ImageDream among them, and for one that is built in a way
    that diffusers' UNet has no counterpart for.
    """
    if written.get("_class_name", CLASS_NAME) != CLASS_NAME:
        raise SjcError(
            f"{path} is that of a network for single views ({foreign.shown(written['_class_name'])}), but "
            "model_index.json names MVDream's; take the whole folder from one model."
        )
    if written.get("ip_dim") or written.get("with_ip"):
        raise SjcError(f"{path} is ImageDream's, which needs an image beside the text; take MVDream.")
    for name, needed in _FIXED.items():
        if written.get(name, needed) != needed or (name == "camera_dim" and name not in written):
            raise SjcError(
                f"{path}: {name} is {foreign.shown(written.get(name))} instead of {needed}; such a multi-view network "
                "cannot be used."
            )
    record = foreign.Record(written, path)
    base, heads = record.whole("model_channels", 1, 10_000), record.whole("num_head_channels", -1, 10_000, -1)
    multipliers, attending = (_wholes(record, name) for name in ("channel_mult", "attention_resolutions"))
    widths = [base * factor for factor in multipliers]
    attends = [2**level in attending for level in range(len(widths))]
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": record.whole("image_size", 1, 4096),
        "in_channels": written.get("in_channels"),
        "out_channels": written.get("out_channels"),
        "block_out_channels": widths,
        "layers_per_block": record.whole("num_res_blocks", 1, 100),
        "down_block_types": ["CrossAttnDownBlock2D" if one else "DownBlock2D" for one in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if one else "UpBlock2D" for one in reversed(attends)],
        "transformer_layers_per_block": record.whole("transformer_depth", 1, 100, 1),
        "cross_attention_dim": record.whole("context_dim", 1, 100_000),
        # Diffusers calls the number of heads so.
        "attention_head_dim": (
            [max(1, width // heads) for width in widths] if heads > 0 else record.whole("num_heads", 1, 1000)
        ),
        "use_linear_projection": True,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": CAMERA_NUMBERS,
    }


def _wholes(record: foreign.Record, name: str) -> list[int]:
    values = record.values.get(name)
    if not isinstance(values, list) or not values or not all(isinstance(v, int) and 0 < v < 1000 for v in values):
        raise SjcError(f"{record.at}: {name} is {foreign.shown(values)}; it must be a list of whole numbers.")
    return values


def load_network(files: ModelFiles, dtype: torch.dtype) -> Any:
    """The network of a checked folder, on the CPU, its attentions not joined yet.

    Raises SjcError where its weights do not fit.
    """
    import torch
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    folder, config = files.folder / "unet", files.configs["unet"]
    weights = {
        name: tensor.to(dtype) for name, tensor in converted(_read(folder, files.variants["unet"]), config).items()
    }
    with torch.device("meta"):
        network: Any = UNet2DConditionModel.from_config(config)
    check_weights(folder, {name: tensor.shape for name, tensor in network.state_dict().items()}, weights)
    network.load_state_dict(weights, assign=True)
    return network.eval().requires_grad_(False)


def check_weights(where: Path, needed: Mapping[str, torch.Size], weights: Mapping[str, Tensor]) -> None:
    """Raises SjcError unless the converted weights are those of the network, of which `needed` has the shapes."""
    wrong = sorted(name for name in needed if name not in weights or weights[name].shape != needed[name])
    wrong += sorted(weights.keys() - needed.keys())
    if any(name.startswith("class_embedding.") for name in wrong):
        raise SjcError(
            f"{where} holds weights without MVDream's embedding of cameras; a Stable Diffusion for single views cannot "
            "be used as MVDream."
        )
    if wrong:
        raise SjcError(
            f"{where}: the weights do not fit config.json; {wrong[0]} is missing or has another shape"
            + (f", and {len(wrong) - 1} more." if len(wrong) > 1 else ".")
        )


def converted(tensors: Mapping[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of a network under diffusers' names.  tensors: by the names of ldm, without the checkpoint's prefix.

    Parts that are missing are left out, whatever they are.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    named = {_PREFIX + _renamed(name): tensor for name, tensor in tensors.items()}
    if not any(name.startswith(CAMERA_EMBEDDING) for name in tensors):
        config = config | {"class_embed_type": None}  # the converter would raise a KeyError
    return dict(convert_ldm_unet_checkpoint(named, config))


def _renamed(name: str) -> str:
    for old, new in _NAMES.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name


def _read(folder: Path, variant: str | None) -> dict[str, Tensor]:
    """The tensors of a component in one file or in shards.  Raises SjcError for a damaged file."""
    from safetensors.torch import load_file

    stem, suffix = WEIGHT_STEMS["unet"], f".{variant}" if variant else ""
    paths = [folder / f"{stem}{suffix}.safetensors"]
    if not paths[0].is_file():
        index = read_json(folder / f"{stem}.safetensors.index{suffix}.json")
        paths = [folder / name for name in sorted(set(index["weight_map"].values()))]
    tensors: dict[str, Tensor] = {}
    for path in paths:
        header(path)
        tensors |= load_file(path)
    return tensors

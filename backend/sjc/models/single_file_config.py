"""The configurations of a single-file checkpoint's components, as diffusers and transformers want them.

Such a file holds tensors only.  Sizes are read off their shapes; what no shape shows (activations, scalings, noise
levels) is as in the model folders of Stable Diffusion 1.5, 2.1 and XL on the hub.  Standard library only.
"""

from __future__ import annotations

import re
from typing import Any

from .. import foreign
from ..errors import SjcError
from . import mvdream
from .clip_vocabulary import LENGTH
from .families import MVDREAM, SDXL
from .single_file import AUTOENCODER, NETWORK, SingleFile

_HEAD_WIDTH = 64
"""Numbers of a head of attention in CLIP, and in the networks of Stable Diffusion 2 and XL."""
_HEADS_OF_1 = 8
"""Heads of attention in the network of Stable Diffusion 1, whatever the width."""
_TIME_WIDTH = 256
"""Into how many numbers SDXL's network turns each of six sizes of the image."""


def network_config(file: SingleFile, size: int) -> dict[str, Any]:
    """unet/config.json.  size: latents along an edge.  Raises SjcError for a network that is built in another way."""
    try:
        return _network_config(file, size)
    except (KeyError, IndexError, ValueError) as error:
        raise SjcError(f"{file.path}: its network is built in another way than Stable Diffusion's.") from error


def _network_config(file: SingleFile, size: int) -> dict[str, Any]:
    shapes = {name.removeprefix(NETWORK): shape for name, shape in file.shapes.items() if name.startswith(NETWORK)}
    channels, depths, layers = _levels(shapes)
    linear = len(shapes[_first(shapes, r".*\.1\.proj_in\.weight")]) == 2
    attending = [bool(depth) for depth in depths]
    if file.family is MVDREAM:
        return _mvdream_config(shapes, size)
    config: dict[str, Any] = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": size,
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": layers,
        "down_block_types": ["CrossAttnDownBlock2D" if attends else "DownBlock2D" for attends in attending],
        "up_block_types": ["CrossAttnUpBlock2D" if attends else "UpBlock2D" for attends in reversed(attending)],
        "transformer_layers_per_block": [max(depth, 1) for depth in depths],
        "cross_attention_dim": shapes[_first(shapes, r".*\.attn2\.to_k\.weight")][1],
        "attention_head_dim": [width // _HEAD_WIDTH for width in channels] if linear else _HEADS_OF_1,
        "use_linear_projection": linear,
        "act_fn": "silu",
        "norm_num_groups": 32,
        "norm_eps": 1e-5,
        "center_input_sample": False,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "downsample_padding": 1,
        "mid_block_scale_factor": 1,
        "upcast_attention": file.version == "2",
    }
    if file.family is SDXL:
        config |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": _TIME_WIDTH,
            "projection_class_embeddings_input_dim": shapes["label_emb.0.0.weight"][1],
        }
    return config


def _mvdream_config(shapes: dict[str, tuple[int, ...]], size: int) -> dict[str, Any]:
    """As the folders of MVDream on the hub have it, by the names of the code that trained it (mvdream.py)."""
    channels, depths, layers = _levels(shapes)
    return {
        "_class_name": mvdream.CLASS_NAME,
        "image_size": size,
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "model_channels": channels[0],
        "channel_mult": [width // channels[0] for width in channels],
        "attention_resolutions": [2**level for level, depth in enumerate(depths) if depth],
        "num_res_blocks": layers,
        "num_head_channels": _HEAD_WIDTH,
        "transformer_depth": max(depths),
        "context_dim": shapes[_first(shapes, r".*\.attn2\.to_k\.weight")][1],
        "camera_dim": shapes[f"{mvdream.CAMERA_EMBEDDING}0.weight"][1],
    }


def _first(shapes: dict[str, tuple[int, ...]], pattern: str) -> str:
    return next(iter(sorted(name for name in shapes if re.fullmatch(pattern, name))))


def _levels(shapes: dict[str, tuple[int, ...]]) -> tuple[list[int], list[int], int]:
    """(channels of each level, transformer blocks in each of its attentions, residual blocks of a level)."""
    channels, depths, counts = [0], [0], [0]
    number = 1
    while any(name.startswith(f"input_blocks.{number}.") for name in shapes):
        block = f"input_blocks.{number}"
        if f"{block}.0.op.weight" in shapes:
            channels, depths, counts = [*channels, 0], [*depths, 0], [*counts, 0]
        else:
            channels[-1] = shapes[f"{block}.0.out_layers.3.weight"][0]
            depths[-1] = len(
                {name.split(".")[4] for name in shapes if name.startswith(f"{block}.1.transformer_blocks.")}
            )
            counts[-1] += 1
        number += 1
    if len(set(counts)) != 1 or not counts[0]:
        raise ValueError("levels of several sizes")
    return channels, depths, counts[0]


def autoencoder_config(file: SingleFile, size: int) -> dict[str, Any]:
    """vae/config.json.  Raises SjcError for one that is built in another way."""
    shapes = {n.removeprefix(AUTOENCODER): s for n, s in file.shapes.items() if n.startswith(AUTOENCODER)}
    levels = len({name.split(".")[2] for name in shapes if re.match(r"encoder\.down\.\d+\.", name)})
    try:
        channels = [shapes[f"encoder.down.{level}.block.0.conv1.weight"][0] for level in range(levels)]
        latents = shapes["post_quant_conv.weight"][0]
    except (KeyError, IndexError) as error:
        raise SjcError(f"{file.path}: its autoencoder is built in another way than Stable Diffusion's.") from error
    return {
        "_class_name": "AutoencoderKL",
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": latents,
        "block_out_channels": channels,
        "layers_per_block": len({name.split(".")[4] for name in shapes if name.startswith("encoder.down.0.block.")}),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "act_fn": "silu",
        "norm_num_groups": 32,
        "sample_size": size * 2 ** (levels - 1),
        "scaling_factor": 0.13025 if file.family is SDXL else 0.18215,
        "force_upcast": file.family is SDXL,
    }


def text_config(file: SingleFile, component: str) -> dict[str, Any]:
    """text_encoder/config.json.  Raises SjcError for an encoder that is built in another way."""
    prefix, open_clip = file.texts[component], component in file.open_clip
    block = "transformer.resblocks." if open_clip else "text_model.encoder.layers."
    table = "token_embedding.weight" if open_clip else "text_model.embeddings.token_embedding.weight"
    inner = "0.mlp.c_fc.weight" if open_clip else "0.mlp.fc1.weight"
    named = {text_name(name.removeprefix(prefix)): s for name, s in file.shapes.items() if name.startswith(prefix)}
    layers = len({name.removeprefix(block).split(".")[0] for name in named if name.startswith(block)})
    try:
        words, width = named[table]
        intermediate = named[block + inner][0]
        projected = named["text_projection"][1] if open_clip and file.family is SDXL else width
    except (KeyError, ValueError) as error:
        raise SjcError(f"{file.path}: its text encoder is built in another way than CLIP.") from error
    with_projection = component == "text_encoder_2"
    return {
        "architectures": ["CLIPTextModelWithProjection" if with_projection else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers - 1 if file.version == "2" else layers,  # 2 is trained on the last but one
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "max_position_embeddings": LENGTH,
        "hidden_act": "gelu" if open_clip else "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": projected,
        "bos_token_id": words - 2,
        "eos_token_id": words - 1,
        "pad_token_id": words - 1,
    }


def text_name(name: str) -> str:
    """A CLIP tensor's name with the "text_model." that the oldest files leave out."""
    return f"text_model.{name}" if name.startswith(("embeddings.", "encoder.", "final_layer_norm.")) else name


def scheduler_config(prediction: str, zero_snr: bool) -> dict[str, Any]:
    """scheduler/scheduler_config.json.  prediction: "epsilon" or "v_prediction"."""
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "prediction_type": prediction,
        "rescale_betas_zero_snr": zero_snr,
    }


def stated_prediction(file: SingleFile) -> tuple[str | None, str]:
    """(what the network predicts, how that is known), (None, "") where neither the file nor one beside it says.

    Looked at in this order: the tensor "v_pred" and metadata of trainers, the .yaml of the same name that other
    programs read, the training step of the original Stable Diffusion 2 files.  1 and XL predict the noise unless
    something says otherwise.
    """
    if "v_pred" in file.shapes:
        return "v_prediction", "the file says so"
    words = {
        "v": "v_prediction", "v_prediction": "v_prediction", "eps": "epsilon", "epsilon": "epsilon"
    }  # fmt: skip
    metadata = file.metadata.get("modelspec.prediction_type", "").strip().lower()
    if metadata in words:
        return words[metadata], "its metadata say so"
    if "-768-v" in file.metadata.get("modelspec.architecture", ""):
        return "v_prediction", "its metadata say so"
    beside = file.path.with_suffix(".yaml")
    try:
        with foreign.opened(beside, foreign.RECORD_BYTES) as stream:
            text = stream.read(100_000).decode("utf-8", "replace")
    except (OSError, SjcError):
        text = ""
    match = re.search(r"parameterization:\s*[\"']?(v|eps)\b", text)
    if match:
        return words[match[1]], f"{beside.name} says so"
    if file.family is MVDREAM:
        return "epsilon", "MVDream does"
    if file.version == "2":
        return None, ""
    return "epsilon", f"Stable Diffusion {file.version} does"


def latent_size(file: SingleFile, prediction: str) -> int:
    """Latents along an edge that the network was trained with: metadata, else by version and prediction."""
    match = re.fullmatch(r"\s*(\d{2,4})(?:x\1)?\s*", file.metadata.get("modelspec.resolution", ""))
    if match and int(match[1]) % 8 == 0:
        return int(match[1]) // 8
    if file.family is MVDREAM:
        return 32
    if file.family is SDXL:
        return 128
    return 96 if file.version == "2" and prediction == "v_prediction" else 64

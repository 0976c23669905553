"""The prompt encoder of a checked model folder: its tokenizers and text encoders, and how its family joins them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ..errors import SjcError
from ..lora_text import Lora
from ..machine.folders import cache_folder
from . import lora as lora_files
from . import onnx_text, text_encoders
from .families import FLUX, MVDREAM, SD3, SDXL, STABLE_DIFFUSION, tokenizer_of
from .memory_fallback import MemoryFallback
from .model_files import ModelFiles
from .placement import TEXTS_FULL, Placement
from .pretrained import load_text_config, load_text_encoder, load_tokenizer
from .prompt_encoder import NoPrompt, PromptEncoder
from .text_cache import TextCache, fingerprint
from .text_encoders import Scheme, TextEncoder

LARGE_TEXT = 100 * 2**20
"""Bytes of text encoders above which they are loaded when needed, let go after reading, and cached on disk."""
_MAX_TOKENS = {(SD3.name, "text_encoder_3"): 256, (FLUX.name, "text_encoder_2"): 512}
"""What diffusers' pipelines encode, whatever the tokenizer could; 77 where nothing is listed."""


def load_prompt_encoder(
    files: ModelFiles,
    network_config: Any,
    dtype: torch.dtype,
    placement: Placement,
    loras: Sequence[Lora],
    *,
    card: dict[str, Any],
    name: str,
    onnx: bool = False,
) -> PromptEncoder | NoPrompt:
    """What reads prompts for a model.

    network_config: the configuration of the network, which the encoders must fit.
    dtype: of the encoders' weights.
    placement: where the encoders go.
    loras: checked LoRAs that are fused into the encoders.
    card, name: see `PromptEncoder`.
    onnx: whether ONNX Runtime may run a small encoder.

    Raises SjcError, one line, for encoders that cannot be loaded or do not fit the network.
    """
    large = sum(files.bytes_of.get(component, 0) for component in files.family.texts) > LARGE_TEXT
    encoders = _text_encoders(files, dtype, placement, loras, onnx=onnx and not large)
    if not encoders:
        return NoPrompt(name, card)
    prompts = PromptEncoder(
        [*reversed(encoders.values())] if files.family is FLUX else [*encoders.values()],
        _scheme(files, network_config, encoders),
        device=placement.device,
        card=card,
        name=name,
        lower=str(files.index.get("_class_name", "")).startswith("IF"),  # its pipelines lower-case every prompt
        in_pieces=files.family in (STABLE_DIFFUSION, SDXL, MVDREAM) and all(map(_reads_pieces, encoders.values())),
        zero_empty=files.family is SDXL and bool(files.index.get("force_zeros_for_empty_prompt", True)),
    )
    _check_fit(files, network_config, encoders)
    prompts.fallback = MemoryFallback(placement.cheaper_encoding(prompts), TEXTS_FULL, placement.note)
    if large:
        digest = fingerprint(files, str(dtype), lora_files.fingerprint(loras))
        prompts.cache = TextCache(cache_folder("text") / digest)
    else:
        for encoder in encoders.values():  # small ones stay, and show now what is wrong with them
            _ = encoder.module
    return prompts


def _reads_pieces(encoder: TextEncoder) -> bool:
    """Whether long sentences may go through it in parts: CLIP, as people are used to from other programs."""
    return str(encoder.config.model_type).startswith("clip_text") and not encoder.masked


def _text_encoders(
    files: ModelFiles, dtype: torch.dtype, placement: Placement, loras: Sequence[Lora], onnx: bool
) -> dict[str, TextEncoder]:
    """The text encoders by component, not loaded yet."""
    encoders = {}
    for component in files.family.texts:
        if component not in files.configs:
            continue
        config = load_text_config(files, component)

        tokenizer = load_tokenizer(files, tokenizer_of(component))
        # T5 is trained with the padding masked; CLIP pipelines leave the mask out unless the config asks for it, those
        # of SD3 and FLUX.1 always.
        masked = files.family not in (SD3, FLUX) and (
            not config.model_type.startswith("clip_text") or bool(getattr(config, "use_attention_mask", False))
        )
        tokens = _MAX_TOKENS.get((files.family.name, component), 77)
        if tokens <= 77:
            tokens = min(int(tokenizer.model_max_length), tokens)

        def load(component: str = component, tokens: int = tokens) -> Any:
            def by_torch() -> Any:
                encoder = load_text_encoder(files, component, dtype)
                lora_files.fuse(loras, files.family, {component: encoder})
                return placement.text_encoder(encoder)

            return onnx_text.encoder(files, component, tokens, by_torch) if onnx else by_torch()

        encoders[component] = TextEncoder(tokenizer, config, load, tokens, masked)
    return encoders


def _scheme(files: ModelFiles, network_config: Any, encoders: dict[str, TextEncoder]) -> Scheme:
    first, second = encoders["text_encoder"], encoders.get("text_encoder_2")
    if second is None:
        return text_encoders.plain(first)
    if files.family is SDXL:
        return text_encoders.sdxl(first, second)
    if files.family is SD3:
        third = encoders.get("text_encoder_3")
        return text_encoders.sd3(first, second, third, int(network_config.joint_attention_dim))
    return text_encoders.flux(first, second)


def _check_fit(files: ModelFiles, network_config: Any, encoders: dict[str, TextEncoder]) -> None:
    """Raises SjcError where tokenizers, text encoders and the network are of different models."""
    for encoder in encoders.values():
        words, vocabulary = len(encoder.tokenizer), encoder.config.vocab_size
        if words > vocabulary:
            raise SjcError(f"{files.folder}: its tokenizer has {words} words, its text encoder only {vocabulary}.")
    network = files.family.network
    configs = {component: encoder.config for component, encoder in encoders.items()}
    widths = [config.hidden_size for config in configs.values()]
    if files.family is SDXL:
        width, needed = sum(widths), network_config.cross_attention_dim
        pooled = configs["text_encoder_2"].projection_dim
        takes = network_config.projection_class_embeddings_input_dim - 6 * network_config.addition_time_embed_dim
    elif files.family is SD3:
        needed, takes = network_config.joint_attention_dim, network_config.pooled_projection_dim
        width = widths[2] if len(widths) > 2 else needed  # without T5, zeros of the right width stand in
        pooled = sum(configs[component].projection_dim for component in ("text_encoder", "text_encoder_2"))
    elif files.family is FLUX:
        width, needed = widths[1], network_config.joint_attention_dim
        pooled, takes = widths[0], network_config.pooled_projection_dim
    else:
        width, needed = widths[0], network_config.encoder_hid_dim or network_config.cross_attention_dim
        pooled = takes = 0
    if width != needed:
        raise SjcError(
            f"{files.folder}: its text encoder gives {width} numbers per token, its {network} takes {needed}."
        )
    if pooled != takes:
        raise SjcError(f"{files.folder}: its text encoders give {pooled} pooled numbers, its {network} takes {takes}.")

"""Loading text-conditioned pixel-space diffusers models: the embedded model, DeepFloyd IF and their like.

The libraries are imported when a model is loaded, not before, and as few of their modules as they allow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..errors import SjcError
from . import model_files
from .model_files import ModelFiles, first_line
from .schedules import VESchedule
from .text import TextEncoder
from .text_denoiser import TextDenoiser

__all__ = ["TextDenoiser", "load_denoiser", "preload"]

HALF_PRECISION_ABOVE = 2**30
"""Bytes of weights from which a CUDA device gets float16 unless told otherwise."""
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
) -> TextDenoiser:
    """Loads "embedded", a folder or a hub id ("name/model") in the ordinary diffusers layout, in evaluation mode.

    dtype None: float32, but float16 on CUDA for more than 1 GiB of weights.  A folder never touches the network; a hub
    id only with download=True.  Only safetensors are read.  Raises SjcError, one line, for anything unusable.
    """
    files = model_files.check(model_files.locate(model, download=download, revision=revision))
    card_path = files.folder / "sjc.json"
    card = model_files.read_json(card_path) if card_path.is_file() else {}
    schedule, prediction_type = _schedule(files)
    try:
        device = torch.device(device)
    except RuntimeError as error:
        raise SjcError(f'Unknown device "{device}"; use cpu, cuda, cuda:N or mps.') from error
    if dtype is None:
        dtype = (
            torch.float16
            if device.type == "cuda" and files.weight_bytes > HALF_PRECISION_ABOVE
            else torch.float32
        )

    unet, encoder = _load_unet(files, dtype), _load_text_encoder(files, dtype)
    tokenizer = _load_tokenizer(files)
    _check_fit(files.folder, unet, encoder, tokenizer)
    try:
        unet, encoder = unet.to(device), encoder.to(device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise SjcError(f'The device "{device}" cannot be used: {first_line(error)}') from error
    name = "The embedded model" if model == "embedded" else f'The model "{model}"'
    lower = str(files.index.get("_class_name", "")).startswith("IF")  # IF's pipelines lower-case every prompt
    text = TextEncoder(tokenizer, encoder, card=card, name=name, lower=lower)
    in_cache = files.folder.parent.name == "snapshots"
    return TextDenoiser(
        unet,
        text,
        schedule,
        prediction_type,
        source=model,
        revision=files.folder.name if in_cache else revision,
    )


def preload() -> None:
    """Imports the libraries (some seconds, nearly all of it torch and diffusers), for a thread that starts early."""
    _libraries()


def _libraries() -> tuple[Any, Any, Any]:
    """(UNet2DConditionModel, DDPMScheduler, transformers), silenced: what goes wrong is said by SjcError."""
    import transformers
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    for logging in (diffusers_logging, transformers_logging):
        logging.disable_progress_bar()
        logging.set_verbosity_error()
    return UNet2DConditionModel, DDPMScheduler, transformers


def _schedule(files: ModelFiles) -> tuple[VESchedule, str]:
    config = files.configs["scheduler"]
    named = str(config.get("_class_name", files.class_of("scheduler")))
    if named.startswith(("FlowMatch", "EDM")):
        raise SjcError(
            f"{files.folder}: its scheduler is a {named}; only models with betas (DDPM and its kin) can be used."
        )
    _, ddpm, _ = _libraries()
    try:
        betas = ddpm(**{key: config[key] for key in _BETA_KEYS if config.get(key) is not None})
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        raise SjcError(
            f"{files.folder}: scheduler/scheduler_config.json is not usable: {first_line(error)}."
        ) from error
    return VESchedule.from_alphas_cumprod(betas.alphas_cumprod), str(config.get("prediction_type", "epsilon"))


def _load_unet(files: ModelFiles, dtype: torch.dtype) -> Any:
    unet_class, _, _ = _libraries()
    return _from_pretrained(files, "unet", unet_class, torch_dtype=dtype)


def _load_text_encoder(files: ModelFiles, dtype: torch.dtype) -> Any:
    _, _, transformers = _libraries()
    encoder_class = getattr(transformers, files.class_of("text_encoder"))
    # Wrong shapes are let through to be named by us: the library only points at a table in its log.
    return _from_pretrained(files, "text_encoder", encoder_class, dtype=dtype, ignore_mismatched_sizes=True)


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
        str(key[0] if isinstance(key, tuple) else key)
        for key in (*info["missing_keys"], *info["mismatched_keys"])
    )
    if wrong:  # the libraries would fill these with random numbers and only warn
        raise SjcError(
            f"{folder}: the weights do not fit config.json; {wrong[0]} is missing or has another shape"
            + (f", and {len(wrong) - 1} more." if len(wrong) > 1 else ".")
        )
    return model.eval().requires_grad_(False)


def _load_tokenizer(files: ModelFiles) -> Any:
    _, _, transformers = _libraries()
    folder = files.folder / "tokenizer"
    named = getattr(transformers, files.class_of("tokenizer"), None)
    is_tokenizer = isinstance(named, type) and issubclass(named, transformers.PreTrainedTokenizerBase)
    try:
        loader: Any = named if is_tokenizer else transformers.AutoTokenizer
        tokenizer = loader.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise SjcError(
            f"{folder} cannot be loaded, a file is missing or damaged: {first_line(error)}."
        ) from error
    if tokenizer.pad_token is None:
        raise SjcError(f"{folder}: the tokenizer has no padding token.")
    return tokenizer


def _check_fit(folder: Path, unet: Any, encoder: Any, tokenizer: Any) -> None:
    needed = unet.config.encoder_hid_dim or unet.config.cross_attention_dim
    if encoder.config.hidden_size != needed:
        raise SjcError(
            f"{folder}: its text encoder gives {encoder.config.hidden_size} numbers per token, its unet takes {needed}."
        )
    if len(tokenizer) > encoder.config.vocab_size:
        raise SjcError(
            f"{folder}: its tokenizer has {len(tokenizer)} words, its text encoder only {encoder.config.vocab_size}."
        )

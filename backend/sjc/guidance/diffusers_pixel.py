"""Text-conditioned pixel-space diffusers models as D(x; sigma): the embedded model, DeepFloyd IF and their like.

Every model becomes the same thing at this one edge (the VE view, Karras et al. 2022; released code, adapt.py): x is
scaled by c_in = 1/sqrt(1 + sigma^2) to the model's own x_t, and what the network predicts is turned into the denoised
image.  Inside `sjc` there is only sigma.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import SjcError
from . import model_files
from .model_files import ModelFiles, first_line
from .paas import Denoise
from .schedules import VESchedule
from .text import TextEncoder

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")
HALF_PRECISION_ABOVE = 2**30
"""Bytes of weights from which a CUDA device gets float16 unless told otherwise."""
_BETA_KEYS = (
    "num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr",
)  # fmt: skip


class TextDenoiser:
    """A text-to-image model as a family of denoisers.

    channels, size: its images are [channels, size, size] in [-1,1].  sigmas: its noise levels [T], ascending float64;
    sigma_min, sigma_max: the ends.  card: what sjc.json in the model's folder says (camera, words ...), {} without.
    name: for people; source, revision: for run.json.
    """

    def __init__(
        self,
        unet: Any,
        text: TextEncoder,
        schedule: VESchedule,
        prediction_type: str,
        *,
        source: str = "",
        revision: str | None = None,
    ) -> None:
        if prediction_type not in PREDICTION_TYPES:
            raise SjcError(
                f'The model predicts "{prediction_type}"; only {", ".join(PREDICTION_TYPES)} can be used.'
            )
        self.unet = unet
        self.text = text
        self.schedule = schedule
        self.prediction_type = prediction_type
        self.channels = int(unet.config.in_channels)
        self.size = int(unet.config.sample_size)
        self.source = source
        self.revision = revision

    @property
    def card(self) -> dict[str, Any]:
        """What sjc.json beside the model says, {} without one."""
        return self.text.card

    @property
    def name(self) -> str:
        """How messages call the model."""
        return self.text.name

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return torch.device(self.unet.device)

    @property
    def sigmas(self) -> Tensor:
        """The model's noise levels [T], ascending, float64 on the CPU."""
        return self.schedule.sigmas

    @property
    def sigma_min(self) -> float:
        """The lowest of them."""
        return self.schedule.sigma_min

    @property
    def sigma_max(self) -> float:
        """The highest of them."""
        return self.schedule.sigma_max

    def snap(self, sigma: Tensor) -> Tensor:
        """The model's noise levels nearest to sigma, float32, on sigma's device."""
        sigma = torch.as_tensor(sigma)
        return self.schedule.snap(sigma).to(sigma.device, torch.float32)

    def check_prompt(self, text: object) -> str:
        """The cleaned prompt, or SjcError: see `TextEncoder.check_prompt`."""
        return self.text.check_prompt(text)

    def conditioned(
        self, prompts: list[str], negative_prompt: str = "", guidance: float = 1.0, chunk: int | None = None
    ) -> Denoise:
        """D(x; sigma) under classifier-free guidance, eps_u + guidance * (eps_c - eps_u).

        eps_u is that of the empty sentence, or of the negative prompt in its place.  guidance 1 asks the conditional
        half alone, 0 the other alone.  One prompt per view: image i of a batch gets prompts[i mod len(prompts)], so the batch must be a multiple of
        len(prompts).  sigma [B] may differ in every image; each is snapped to the nearest tick.  `chunk` images (all
        by default) go through the network in one call, both halves together.  x in any floating type and device;
        the result has the same.  Raises SjcError for prompts the model cannot read.
        """
        if not prompts:
            raise SjcError("At least one prompt is needed.")
        conditional = self.text.encode(prompts)
        unconditional = self.text.encode([negative_prompt])

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            batch = x.shape[0]
            if batch % len(prompts):
                raise SjcError(f"{batch} images cannot be shared out among {len(prompts)} prompts.")
            each = conditional.repeat(batch // len(prompts), 1, 1)
            parts = [
                self._denoise(xs, sigmas, states, unconditional, guidance)
                for xs, sigmas, states in zip(
                    x.split(chunk or batch),
                    sigma.split(chunk or batch),
                    each.split(chunk or batch),
                    strict=True,
                )
            ]
            return torch.cat(parts)

        return denoise

    @torch.no_grad()
    def _denoise(self, x: Tensor, sigma: Tensor, cond: Tensor, uncond: Tensor, guidance: float) -> Tensor:
        ticks = self.schedule.tick(sigma)
        s = self.sigmas[ticks].to(self.device, torch.float32).view(-1, 1, 1, 1)
        noised = x.to(self.device, torch.float32)
        scaled, t = noised / (1 + s**2).sqrt(), ticks.to(self.device)
        uncond = uncond.expand(x.shape[0], -1, -1)
        if guidance == 1:
            output = self._network(scaled, t, cond)
        elif guidance == 0:
            output = self._network(scaled, t, uncond)
        else:
            both = self._network(torch.cat([scaled, scaled]), torch.cat([t, t]), torch.cat([uncond, cond]))
            output_u, output_c = both.chunk(2)
            # D is affine in the output with the same factors in both halves, so guiding here is guiding D or eps.
            output = output_u + guidance * (output_c - output_u)
        return self._to_denoised(noised, s, output).to(x.device, x.dtype)

    def _network(self, scaled: Tensor, t: Tensor, states: Tensor) -> Tensor:
        dtype = self.unet.dtype
        output = self.unet(scaled.to(dtype), t, encoder_hidden_states=states.to(dtype), return_dict=False)[0]
        return output[:, : self.channels].float()  # a learned variance is the second half of the channels

    def _to_denoised(self, x: Tensor, s: Tensor, output: Tensor) -> Tensor:
        if self.prediction_type == "epsilon":
            return x - s * output
        if self.prediction_type == "v_prediction":  # v = sqrt(abar) n - sqrt(1-abar) y
            return x / (1 + s**2) - s / (1 + s**2).sqrt() * output
        return output


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
    """(UNet2DConditionModel, DDPMScheduler, transformers), silent: their progress bars would end up in logs."""
    import transformers
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
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
            f"{files.folder}: scheduler/scheduler_config.json is not usable: {first_line(error)}"
        ) from error
    return VESchedule.from_alphas_cumprod(betas.alphas_cumprod), str(config.get("prediction_type", "epsilon"))


def _load_unet(files: ModelFiles, dtype: torch.dtype) -> Any:
    unet_class, _, _ = _libraries()
    return _from_pretrained(files, "unet", unet_class, torch_dtype=dtype)


def _load_text_encoder(files: ModelFiles, dtype: torch.dtype) -> Any:
    _, _, transformers = _libraries()
    return _from_pretrained(
        files, "text_encoder", getattr(transformers, files.class_of("text_encoder")), dtype=dtype
    )


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
    except (
        Exception
    ) as error:  # the libraries raise a dozen kinds for a broken file, a wrong shape, a bad config
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}") from error
    wrong = sorted(map(str, info["missing_keys"])) or sorted(map(str, info["mismatched_keys"]))
    if wrong:  # the libraries would fill these with random numbers and only warn
        raise SjcError(
            f"{folder}: the weights do not fit config.json; {len(wrong)} tensors lack, the first is {wrong[0]}."
        )
    return model.eval().requires_grad_(False)


def _load_tokenizer(files: ModelFiles) -> Any:
    _, _, transformers = _libraries()
    folder = files.folder / "tokenizer"
    named = getattr(transformers, files.class_of("tokenizer"), None)
    is_tokenizer = isinstance(named, type) and issubclass(named, transformers.PreTrainedTokenizerBase)
    try:
        loader = named if is_tokenizer else transformers.AutoTokenizer
        tokenizer = loader.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:
        raise SjcError(f"{folder} cannot be loaded: {first_line(error)}") from error
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

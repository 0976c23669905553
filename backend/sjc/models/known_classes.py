"""What the files of a model may name: classes of the libraries that are listed here, and never a program of their own.

The libraries that read a model would else import what it names.  Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import SjcError
from ..foreign import shown

TOKENIZERS = frozenset(
    {
        "CLIPTokenizer", "CLIPTokenizerFast", "PreTrainedTokenizerFast", "T5Tokenizer", "T5TokenizerFast",
        "TokenizersBackend",
    }
)  # fmt: skip
CONTROL_NET = "ControlNetModel"
AUTOENCODERS = frozenset({"AutoencoderKL"})
BETA_SCHEDULERS = frozenset(
    f"{name}Scheduler"
    for name in (
        "DDIM", "DDIMInverse", "DDIMParallel", "DDPM", "DDPMParallel", "DDPMWuerstchen", "DEISMultistep",
        "DPMSolverMultistep", "DPMSolverMultistepInverse", "DPMSolverSDE", "DPMSolverSinglestep",
        "EulerAncestralDiscrete", "EulerDiscrete", "HeunDiscrete", "IPNDM", "KDPM2AncestralDiscrete", "KDPM2Discrete",
        "LCM", "LMSDiscrete", "PNDM", "SASolver", "TCD", "UniPCMultistep", "VQDiffusion",
    )
)  # fmt: skip
FLOW_SCHEDULERS = frozenset({"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"})
LORA_METADATA = frozenset(
    {
        "alpha_pattern", "bias", "lora_alpha", "lora_bias", "r", "rank_pattern", "target_modules", "use_dora",
        "use_rslora",
    }
)  # fmt: skip
"""What is read of the description that a LoRA file has of itself; peft would import a module that another key names."""

_ATTENTION = (None, "eager", "sdpa")
_OWN_PROGRAMS = ("auto_map", "custom_pipeline", "custom_pipelines", "custom_generate")


def check_class(at: object, name: object, known: Iterable[str]) -> None:
    """Raises SjcError unless a class that is named at `at` is among the known ones."""
    if name not in tuple(known):
        raise SjcError(f"{at} names the class {shown(name)}; only {', '.join(sorted(known))} can be used.")


def check_config(path: Path, config: dict[str, Any]) -> None:
    """Raises SjcError for a configuration that wants a program of its own, or one from the hub, to be run."""
    for key in _OWN_PROGRAMS:
        if config.get(key):
            raise SjcError(
                f"{path} asks to run a program that came with the model ({key}), which is never done; take a model "
                "that needs none."
            )
    for key in ("attn_implementation", "_attn_implementation"):
        if config.get(key) not in _ATTENTION:
            raise SjcError(f"{path} names the attention {shown(config[key])}; only eager and sdpa can be used.")

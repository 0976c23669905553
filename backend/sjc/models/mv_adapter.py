"""MV-Adapter (arXiv 2412.03632): an unchanged Stable Diffusion 2.1 or SDXL that sees six views of an object at once.

A file has two parts.  Beside every self-attention of the UNet there is a second one, whose tokens see those in the same
row of all views (Sec. 3.2); both outputs are added.  And a condition encoder, diffusers' T2IAdapter, makes residuals
for the UNet of the cameras' rays in Pluecker coordinates.  row_attention.py puts both into a UNet.  Standard library
only.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from .. import foreign
from ..errors import SjcError, here
from ..paths import near, user_path
from .families import SDXL, STABLE_DIFFUSION
from .layout import PICKLE_SUFFIXES
from .lora import sha256
from .small_files import header

if TYPE_CHECKING:
    from .model_files import ModelFiles

LARGEST_XL = 96
"""Latents along an edge of the adapter for SDXL, which was trained with 768 pixels."""
ENCODER = "adapter."
"""Begins the names of the condition encoder's tensors."""
_QUERY = ".processor.to_q_mv.weight"
_OF_IMAGES, _OF_SHAPES = ("_ref.",), ("tg2mv", "ig2mv")


def check(text: str) -> Path | None:
    """The file that the setting mv_adapter names, None for "".  Raises SjcError where it is no MV-Adapter for text."""
    if not text:
        return None
    path = user_path(text)
    if not foreign.kind(path):
        if other := near(path):
            raise SjcError(f"There is no adapter file {path}, but there is {other}: write it with the same letters.")
        raise SjcError(f"There is no adapter file {path}; give the path of a .safetensors file.")
    if path.suffix in PICKLE_SUFFIXES:
        raise SjcError(
            f"{path} is refused: a pickled adapter can run any program when it is read; "
            + here(
                f'make safetensors of it with "sjc models convert {path}".',
                "take its .safetensors version. The project's command line can make one of it.",
            )
        )
    names = header(path)
    if any(mark in name for name in names for mark in _OF_IMAGES):
        raise SjcError(f"{path} is an MV-Adapter that needs an image beside the text; take the one for text (t2mv).")
    if any(mark in path.name for mark in _OF_SHAPES):
        raise SjcError(f"{path} is an MV-Adapter that paints a given shape; take the one for text alone (t2mv).")
    if not any(name.endswith(_QUERY) for name in names) or not any(name.startswith(ENCODER) for name in names):
        raise SjcError(f"{path} is no MV-Adapter; a LoRA goes into the setting lora, a model into model.")
    return path


def check_base(path: Path, files: ModelFiles) -> None:
    """Raises SjcError for a base model that no MV-Adapter is for.

    The widths of Stable Diffusion 1 are those of 2; only what is beside them differs.
    """
    family = files.family
    first = family is STABLE_DIFFUSION and not files.configs["unet"].get("use_linear_projection")
    if first or family not in (STABLE_DIFFUSION, SDXL):
        raise SjcError(
            f"{path} is an adapter for Stable Diffusion 2.1 or SDXL, but the model is "
            f"{'Stable Diffusion 1' if first else family.name}; take one of those, or leave mv_adapter empty."
        )


def record(path: Path) -> dict[str, str]:
    """What run.json says of it."""
    return {"file": str(path), "sha256": sha256(path)}


def numbers_of(path: Path) -> int:
    """How many numbers stay in memory: those of the attentions."""
    return sum(math.prod(entry["shape"]) for name, entry in header(path).items() if not name.startswith(ENCODER))

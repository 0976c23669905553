"""An adapter beside a model that builds one guidance scale into its network: one call a view where guidance takes two.

A LoRA made by `training.distil` (Meng et al., arXiv 2210.03142): the file NAME beside model_index.json, and under
"distilled" in sjc.json its scale.  Standard library only.
"""

from __future__ import annotations

from pathlib import Path

from .. import foreign
from ..errors import SjcError
from ..settings import Settings
from . import model_files
from .layout import DISTILLED
from .small_files import header

NAME = DISTILLED


def scale(folder: Path) -> float | None:
    """The guidance scale of a model folder's adapter; None where it has none.

    Raises SjcError for a bad or incomplete adapter.
    """
    value = model_files.read_card(folder).get("distilled")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise SjcError(f'{folder}: sjc.json names the guidance scale "{value}"; it must be a number above 0.')
    if not foreign.kind(folder / NAME):
        raise SjcError(f"{folder / NAME} is missing; the model folder is not complete.")
    header(folder / NAME)
    return float(value)


def adapter(folder: Path, guidance: float) -> Path:
    """The file of a model folder's adapter for this scale.  Raises SjcError where there is none."""
    if scale(folder) != guidance:
        raise SjcError(f"{folder} has no adapter for guidance {guidance:g}; load it without.")
    return folder / NAME


def built_in(settings: Settings) -> float | None:
    """The scale that a run builds into its network; None where its settings need another scale, or both calls.

    Raises SjcError for a model that is not there.
    """
    s = settings
    both_calls = s.negative_prompt or s.perp_neg or s.guidance_rescale or s.guidance_varies
    if not s.distilled or both_calls or s.lora or s.mv_adapter:
        return None
    if model_files.is_single_file(s.model):
        return None
    return s.guidance if scale(model_files.locate(s.model)) == s.guidance else None

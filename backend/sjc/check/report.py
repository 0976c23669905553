"""The two files of a check: check.json for machines and issues, check.png for eyes."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..output.files import write_bytes, write_json
from .colours import Colours
from .cost import Cost
from .noise import BELIEFS, Curve
from .picture import draw
from .place import JSON, PICTURE
from .verdict import Verdict

FORMAT = 1


@dataclass
class Findings:
    """What was measured; filled stage by stage.

    pictures [B,C,h,w]: the model's own.  beliefs: mean errors where the network is told of `noise.BELIEFS` times the
    noise.  readings: curves by other prediction_types.  words: as `noise.words_effect` returns it.  strip: what D makes
    of the first picture, by noise level.  shown: the pictures of `colours.measure`.  calls: seconds of a guided call by
    how many pictures.
    """

    model: dict[str, Any]
    machine: dict[str, Any]
    prompts: list[str]
    guidance: float
    pictures: Tensor = field(default_factory=lambda: torch.zeros(0))
    curve: Curve = field(default_factory=lambda: Curve([], [], 0.0))
    readings: dict[str, Curve] = field(default_factory=dict)
    beliefs: list[float] = field(default_factory=list)
    words: tuple[float, float] | None = None
    strip: dict[float, Tensor] = field(default_factory=dict)
    colours: Colours | None = None
    shown: dict[str, Tensor] = field(default_factory=dict)
    calls: dict[int, float] = field(default_factory=dict)
    costs: list[Cost] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(verdict.ok for verdict in self.verdicts)


def write(findings: Findings, folder: Path) -> dict[str, Any]:
    """Both files, each whole.  Raises SjcError where the folder cannot be written.  Returns what the JSON holds."""
    record = finite({
        "format": FORMAT,
        "ok": findings.ok,
        "checks": [asdict(verdict) for verdict in findings.verdicts],
        "model": findings.model,
        "machine": findings.machine,
        "prompts": findings.prompts,
        "guidance": findings.guidance,
        "noise": _curve(findings.curve),
        "other_predictions": {name: _curve(curve) for name, curve in findings.readings.items()},
        "schedule": {"believed": list(BELIEFS), "error": findings.beliefs},
        "colours": findings.colours and asdict(findings.colours),
        "call_s": {str(views): seconds for views, seconds in findings.calls.items()},
        "jobs": [asdict(cost) for cost in findings.costs],
        "words": findings.words and dict(zip(("other_prompt", "empty_prompt"), findings.words, strict=True)),
    })  # fmt: skip
    title = f"{findings.model['name']}: {'all checks pass' if findings.ok else 'a check fails'}"
    png = draw(findings.curve, findings.beliefs, _rows(findings), findings.verdicts, title)
    write_bytes(folder / PICTURE, png)
    write_json(folder / JSON, record)
    return record


def _rows(findings: Findings) -> list[tuple[str, dict[str, Tensor]]]:
    """Headings, and pictures in [-1,1] by caption: what the model drew, known colours, what D makes of the first."""
    shown = findings.shown
    captions = [findings.prompts[i % len(findings.prompts)] or f"picture {i + 1}" for i in range(len(shown["own"]))]
    drawn = dict(zip(captions, shown["own"], strict=False))
    if "own again" in shown:
        drawn |= {"encoded, decoded": shown["own again"][0], "known colours": shown["known"][0]}
        drawn |= {"encoded, decoded again": shown["known again"][0]}
    strip = {f"σ = {sigma:.2g}": picture for sigma, picture in findings.strip.items()}
    return [("Pictures of the model's own", drawn), ("What D makes of the first picture under noise", strip)]


def _curve(curve: Curve) -> dict[str, Any]:
    return {"sigma": curve.sigma, "error": curve.error, "guess": curve.guess, "variance": curve.variance}


def finite(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON has no words for; floats to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value

"""Whether a reference picture gives its colours: prompts without colour words, with and without an exact picture.

The picture is of the exact world, from the front: an object in other colours than its prompt means, lit as in training.
What is made is scored against that object. Every job is run twice, with the picture and without.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks import quality, report, scoring
from sjc.field.cameras import look_at
from sjc.output.files import replacing
from sjc.settings import Settings, validate
from training import pictures, world
from training.prompts import parse

# The prompt, and the object in the picture.
PAIRS = (
    ("a mushroom", "a blue mushroom with a yellow stem"),
    ("a chair", "a green chair"),
    ("a duck", "a purple duck"),
    ("a mug", "an orange mug"),
    ("a tree", "a pink tree"),
    ("a rocket", "a cyan rocket"),
)
QUICK = PAIRS[:2]
SIZE, SAMPLES = 256, 2  # pixels of the picture, and samples along the edge of one
LIGHT, CONTRAST = (-0.5, -0.7, 0.5), pictures.MAX_CONTRAST / 2  # from the front, above and left, half as hard as any
VIEW = "front"


def exact_picture(prompt: str, size: int = SIZE) -> np.ndarray:
    """The object of a prompt from the front, RGBA u8 [size, size, 4], transparent where nothing is."""
    prior = pictures.PRIOR
    camera = look_at(0.0, 0.0, prior.radius, (prior.fov_min + prior.fov_max) / 2)
    origins, directions = pictures.supersampled_rays(camera, size, SAMPLES)
    described = parse(prompt)
    part, normal = pictures.trace(described.name, origins.reshape(-1, 3), directions.reshape(-1, 3))
    edge = size * SAMPLES
    part, normal = part.view(1, edge, edge), normal.view(1, edge, edge, 3)
    palette = torch.tensor([[world.COLORS[name] for name in described.palette()]])
    light = torch.nn.functional.normalize(torch.tensor([LIGHT]), dim=-1)
    black = torch.zeros(1, 3)
    shown = pictures.shade(part, normal, palette, black, light, torch.tensor([CONTRAST]), SAMPLES)[0] / 2 + 0.5
    there = (part != pictures.EMPTY).float()[:, None]
    alpha = torch.nn.functional.avg_pool2d(there, SAMPLES)[0]
    rgba = torch.cat([(shown / alpha.clamp(min=1e-3)).clamp(0, 1) * (alpha > 0), alpha])
    return np.asarray((rgba.permute(1, 2, 0) * 255).round().to(torch.uint8))


def write_picture(prompt: str, path: Path) -> Path:
    """`exact_picture` as a PNG file."""
    with replacing(path) as temporary:
        Image.fromarray(exact_picture(prompt), "RGBA").save(temporary)
    return path


def benchmark(settings: Settings, pairs: tuple[tuple[str, str], ...], cache: Path) -> dict[str, Any]:
    """Make what is missing, score all: {"identity", "summary", "rows"}."""
    known = quality.identity(settings)
    parent = quality.cache_folder(cache, known)
    rows = []
    for prompt, shown in pairs:
        row: dict[str, Any] = {"prompt": prompt, "picture": shown}
        for name in ("without", "with"):
            chosen = replace(settings, prompt=prompt)
            if name == "with":
                file = write_picture(shown, parent / "pictures" / f"{world_name(shown)}.png")
                chosen = replace(chosen, picture=f"{file}@{VIEW}")
            folder, measured = quality.obtain(validate(chosen), parent / name)
            if measured["code"]:
                raise RuntimeError(f"{prompt}: {measured.get('error')}")
            score = scoring.score(folder / "mesh.glb", shown)
            row[name] = {"color": score.color, "solid": score.solid, "wall_s": measured["wall_s"]}
        rows.append(row)
        print(f"[{len(rows)}/{len(pairs)}] {row}", file=sys.stderr)
    return {"identity": known, "summary": summarise(rows), "rows": rows}


def world_name(prompt: str) -> str:
    """A prompt as a file's name."""
    return prompt.replace(" ", "-")


def summarise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Means, the worst colour error with a picture, and the error with it as a share of that without."""
    means = {
        f"{key}_{name}": round(mean(row[name][key] for row in rows), 3)
        for key in ("color", "solid")
        for name in ("without", "with")
    }
    shares = [row["with"]["color"] / max(row["without"]["color"], 0.01) for row in rows]
    return {
        **means,
        "worst_with": round(max(row["with"]["color"] for row in rows), 3),
        "share": round(mean(shares), 3),
        "worst_share": round(max(shares), 3),
    }


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["prompt", "front picture of", "colour error without", "with", "solid IoU without", "with"]]
    for row in record["rows"]:
        sides = (row["without"], row["with"])
        cells = [*(f"{side['color']:.1f}" for side in sides), *(f"{side['solid']:.3f}" for side in sides)]
        lines.append([row["prompt"], row["picture"], *cells])
    s = record["summary"]
    lines.append(["mean", "", f"{s['color_without']:.1f}", f"{s['color_with']:.1f}", f"{s['solid_without']:.3f}",
                  f"{s['solid_with']:.3f}"])  # fmt: skip
    return f"{report.table(lines)}\nworst with a picture: {s['worst_with']:.1f}"

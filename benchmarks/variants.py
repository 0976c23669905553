"""Whether a variant's shape, when it stops early, tells which one will be best at full length; and what variants cost.

Every prompt is made several times to full length: with a seed each and all else alike, and as `sjc variants` does it,
with small differences of settings as well. Each run is scored twice, at the step where a variant stops and at its end,
by the IoU of its mesh with the exact solid. A variant is its whole run up to there, so both numbers come from one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import quality, report, scoring
from sjc.errors import SjcError
from sjc.job.folder import slug
from sjc.output.files import write_json
from sjc.settings import Settings, from_json, to_json, validate
from sjc.variants import plan

if TYPE_CHECKING:
    from sjc.guidance.denoiser import Denoiser

COUNT = 4
LATTICE = 64
WAYS = ("seeds", "variants")
Row = dict[str, Any]


def wanted(settings: Settings, way: str, count: int) -> list[Settings]:
    """The settings of the runs of one prompt.  way: seeds alone, or variants as they are made."""
    if way == "variants":
        return plan.variants_of(settings, count)
    return [validate(replace(settings, seed=settings.seed + index)) for index in range(count)]


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    """The correlation of ranks, equal values sharing the mean of theirs; 0 where all of one side are equal."""

    def ranks(values: Sequence[float]) -> Any:
        ordered = np.asarray(values, float)
        return np.array([(ordered < x).sum() + ((ordered == x).sum() - 1) / 2 for x in ordered])

    x, y = (r - r.mean() for r in (ranks(a), ranks(b)))
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / spread if spread else 0.0


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Of each way: the mean of the prompts' rank correlations, that of all runs, and what the choice is worth."""
    summary: dict[str, Any] = {}
    for way in WAYS:
        own = [row for row in rows if way in row["ways"]]
        groups = [[row for row in own if row["prompt"] == p] for p in dict.fromkeys(row["prompt"] for row in own)]
        each = [spearman([r["short"] for r in g], [r["full"] for r in g]) for g in groups]
        chosen = [max(g, key=lambda r: r["short"])["full"] for g in groups]
        summary[way] = {
            "spearman": round(mean(each), 3),
            "spearman_of_prompts": {g[0]["prompt"]: round(r, 2) for g, r in zip(groups, each, strict=True)},
            "spearman_pooled": round(spearman([r["short"] for r in own], [r["full"] for r in own]), 3),
            "spread_of_full": round(mean(max(r["full"] for r in g) - min(r["full"] for r in g) for g in groups), 4),
            "mean_full": round(mean(r["full"] for r in own), 4),
            "chosen_full": round(mean(chosen), 4),
            "best_full": round(mean(max(r["full"] for r in g) for g in groups), 4),
        }
    return summary


def benchmark(settings: Settings, which: Sequence[str], count: int, cache: Path, at_once: int = 1) -> dict[str, Any]:
    """{"device", "steps", "cost", "summary", "rows"}.  at_once: prompts that are made side by side."""
    parent = quality.cache_folder(cache, quality.identity(settings))
    with ThreadPoolExecutor(at_once) as pool:
        made = [pool.submit(_of_prompt, replace(settings, prompt=prompt), count, parent) for prompt in which]
        rows: list[Row] = []
        for prompt, future in zip(which, made, strict=True):
            rows += future.result()
            print(f"[{len(rows)}] {prompt}", file=sys.stderr)
    cost = _child(replace(settings, prompt=which[0]), count, parent / "cost.json", "cost")
    steps = {"variant": plan.short_steps(settings), "full": settings.steps}
    return {"device": cost.pop("device"), "steps": steps, "cost": cost, "summary": summarise(rows), "rows": rows}


def _of_prompt(settings: Settings, count: int, parent: Path) -> list[Row]:
    """All runs of a prompt, by a process of its own, unless they were made before."""
    rows: list[Row] = _child(settings, count, parent / f"{slug(settings.prompt)}-{count}.json", "rows")["rows"]
    return rows


def _child(settings: Settings, count: int, target: Path, what: str) -> dict[str, Any]:
    if not target.is_file():
        source = target.with_suffix(".settings")
        source.write_text(to_json(validate(settings)), "utf-8")
        words = [sys.executable, "-m", "benchmarks.variants", str(source), str(count), str(target), what]
        if subprocess.run(words, cwd=report.ROOT, check=False).returncode:
            raise SjcError(f"the runs of {settings.prompt} failed")
    measured: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return measured


def text(record: report.Record) -> str:
    """A line for each way, then the cost."""
    head = [
        "way",
        "Spearman, mean of prompts",
        "pooled",
        "IoU of all",
        "of the best short one",
        "of the best",
        "spread",
    ]
    lines = [head]
    names = ("spearman", "spearman_pooled", "mean_full", "chosen_full", "best_full", "spread_of_full")
    for way, figures in record["summary"].items():
        lines.append([way, *(f"{figures[name]:.3f}" for name in names)])
    cost = record["cost"]
    return (
        f"{report.table(lines)}\nvariants stop at step {record['steps']['variant']} of {record['steps']['full']}; "
        f"{cost['count']} of them take {cost['pictures']:.2f} of a whole job's pictures and {cost['seconds']:.2f} of "
        "its seconds"
    )


# ---------------------------------------------------------------------------------------------------- in the process


def _model(settings: Settings) -> Denoiser:
    from sjc.models import distilled
    from sjc.models.loading import load_denoiser

    built_in = distilled.built_in(settings)
    return load_denoiser(settings.model, device="cpu", runtime=settings.runtime, built_in=built_in)


def runs(settings: Settings, count: int) -> list[Row]:
    """Every run of a prompt to its end, those that both ways have once."""
    model = _model(settings)
    ways: dict[Settings, list[str]] = {}
    for way in WAYS:
        for chosen in wanted(settings, way, count):
            ways.setdefault(chosen, []).append(way)
    return [{"ways": of, **run(model, chosen, settings)} for chosen, of in ways.items()]


def run(model: Denoiser, settings: Settings, first: Settings) -> Row:
    """One run, scored at a variant's last step and at its own."""
    import torch

    from sjc.appearance.appearance import Appearance
    from sjc.optimize import Optimization

    job, appearance = Optimization(settings, model, torch.device("cpu")), Appearance(model, settings)
    short = 0.0
    while not job.done:
        job.advance()
        if job.step == plan.short_steps(settings):
            short = _iou(job.field, appearance.paint, settings)
    full = _iou(job.field, appearance.paint, settings)
    differences = plan.difference(settings, first)
    return {"prompt": settings.prompt, "seed": settings.seed, "differences": differences, "short": short, "full": full}


def _iou(field: Any, paint: Any, settings: Settings) -> float:
    from sjc.appearance.views import arrays
    from sjc.output.mesh import extract_mesh
    from sjc.output.voxelize import inside_lattice

    try:
        mesh = extract_mesh(*arrays(field, paint), settings.mesh_threshold, settings.mesh_faces)
    except SjcError:
        return 0.0
    return round(scoring.iou(inside_lattice(mesh, LATTICE), scoring.truth_lattice(settings.prompt, LATTICE)), 4)


def cost(settings: Settings, count: int) -> dict[str, Any]:
    """Pictures through the network and seconds of the variants' steps, as shares of one whole job's.

    Everything but the loading of the model, which both have once; the whole job without its export.
    """
    import tempfile

    from sjc.job import folder as job_folder
    from sjc.job.progress import silent
    from sjc.job.run import JobRun
    from sjc.variants import making

    seconds: list[float] = []
    pictures: list[int] = []
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        parent = Path(name)
        chosen = validate(replace(settings, turntable=False))
        whole = JobRun(parent / "whole", chosen, silent)
        whole.load()
        counted = Counted(whole.denoiser)
        job_folder.prepare_folder(parent / "whole", chosen)
        whole = JobRun(parent / "whole", chosen, silent, denoiser=counted)
        for made in (
            lambda: making.make(plan.variants_of(chosen, count), parent / "short", silent, denoiser=counted),
            whole.run,
        ):
            counted.pictures, began = 0, time.perf_counter()
            made()
            seconds.append(time.perf_counter() - began)
            pictures.append(counted.pictures)
        device = str(whole.device)
    return {
        "device": device,
        "count": count,
        "pictures": round(pictures[0] / pictures[1], 3),
        "seconds": round(seconds[0] / seconds[1], 3),
        "variants_s": round(seconds[0], 1),
        "whole_s": round(seconds[1], 1),
    }


class Counted:
    """A model that counts the pictures that it is asked about."""

    def __init__(self, model: Any) -> None:
        self.model, self.pictures = model, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def conditioned(self, *given: Any, **named: Any) -> Any:
        """As the model's own."""
        denoise = self.model.conditioned(*given, **named)

        def counted(x: Any, sigma: Any) -> Any:
            self.pictures += len(x)
            return denoise(x, sigma)

        return counted


def main(source: str, count: str, target: str, what: str) -> None:
    """What `benchmark` has a process of its own do."""
    settings = from_json(Path(source).read_text("utf-8"))
    measured = {"rows": runs(settings, int(count))} if what == "rows" else cost(settings, int(count))
    write_json(Path(target), measured)


if __name__ == "__main__":
    main(*sys.argv[1:])

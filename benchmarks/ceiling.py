"""What the engine itself loses: whole jobs with a perfect denoiser (perfect.py), scored as `quality` scores a model."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import perfect, quality, report
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.settings import Settings, resolve, validate

PERFECT = Path(perfect.__file__)
TRUTH = report.ROOT / "backend" / "training"
TRUTH_FILES = ("pictures.py", "prompts.py", "solids.py", "truth.py", "world.py")
SIZE = 32  # pixels: the pictures of the model that ships
SIZES = range(8, 513)
SCORES = ("solid", "silhouette", "color")


def generate(size: int, settings: Settings, folder: Path, measured: Path) -> quality.Measured:
    """One job with the perfect denoiser, its pictures `size` pixels wide, as a fresh process."""
    job_folder.prepare_folder(folder, settings)
    return quality.measure(["-m", "benchmarks.perfect", str(folder), str(size)], folder, measured)


def identity(settings: Settings, size: int) -> dict[str, Any]:
    """All that a ceiling depends on beside prompt and seed."""
    files = [PERFECT, *(TRUTH / name for name in TRUTH_FILES)]
    return {**quality.identity(settings), "picture_size": size, "truth_sha256": quality.digest(files, report.ROOT)}


def model_scores(settings: Settings, folder: Path = report.RESULTS) -> dict[str, dict[str, float]]:
    """Each prompt's mean scores in the result of `bench quality`; {} without one of the same settings."""
    record = report.load("quality", folder)
    if record is None:
        return {}
    ours, theirs = asdict(replace(settings, prompt="", seed=0)), record["identity"]["settings"]
    # Colours come out of JSON as lists; no turntable is scored.
    if resolve(None, {**theirs, "turntable": ours["turntable"]}) != resolve(None, ours):
        return {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for r in record["rows"]:
        rows.setdefault(r["prompt"], []).append(r)
    return {prompt: {key: mean(r[key] for r in some) for key in SCORES} for prompt, some in rows.items()}


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """By picture size: what `quality.summarise` says, and the model's means over the prompts that it has."""
    summary = {}
    for size in dict.fromkeys(r["size"] for r in rows):
        some = [r for r in rows if r["size"] == size]
        models = [r["model"] for r in some if r["model"]]
        whole = len(models) == len(some)
        means = {key: round(mean(m[key] for m in models), 4) for key in SCORES} if whole else None
        summary[str(size)] = {**quality.summarise(some), "model": means}
    return summary


def benchmark(
    settings: Settings, which: Sequence[str], seeds: int, cache: Path, sizes: Sequence[int] = (SIZE,), at_once: int = 1
) -> dict[str, Any]:
    """Make what is missing, score everything: {"settings", "device", "identity", "summary", "rows"}, a row per job.

    sizes: picture sizes in pixels. at_once: as for quality. Raises SjcError for settings that have no ceiling.
    """
    bad = [size for size in sizes if size not in SIZES]
    if bad:
        raise SjcError(f"--size {bad[0]}: a picture has {SIZES[0]} to {SIZES[-1]} pixels along an edge.")
    settings = replace(settings, turntable=False)  # it is not scored
    for prompt in which:
        perfect.check(replace(settings, prompt=prompt))
    models = model_scores(settings)
    known = {size: identity(settings, size) for size in dict.fromkeys(sizes)}
    wanted = [
        (size, validate(replace(settings, prompt=prompt, seed=seed)))
        for size in known
        for prompt in which
        for seed in range(seeds)
    ]
    parents = {size: quality.cache_folder(cache, identity) for size, identity in known.items()}
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(at_once) as pool:
        made = [pool.submit(quality.obtain, one, parents[size], partial(generate, size)) for size, one in wanted]
        try:
            for (size, one), future in zip(wanted, made, strict=True):
                rows.append({"size": size, **quality.row(one, *future.result()), "model": models.get(one.prompt)})
                r = rows[-1]
                print(
                    f"[{len(rows)}/{len(wanted)}] {one.prompt} (seed {one.seed}, {size} pixels): "
                    f"solid {r['solid']:.3f}, silhouette {r['silhouette']:.3f}, "
                    f"colour {r['color']:.1f}, {r['wall_s']:.0f} s {r['error']}",
                    file=sys.stderr,
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {
        "settings": asdict(settings),
        "device": ", ".join(sorted({r["device"] for r in rows if r["device"]})),
        "identity": list(known.values()),
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "at_once": at_once,
        "summary": summarise(rows),
        "rows": rows,
    }


def text(record: report.Record) -> str:
    """The result as a table: a line a job, a mean a size, and beside them the model's own scores where known."""
    lines = [["pixels", "prompt", "seed", "solid IoU", "second lattice", "silhouette IoU", "colour error",
              "model's solid IoU", "model's colour error", "seconds", "note"]]  # fmt: skip

    def cells(scores: dict[str, Any], model: dict[str, float] | None) -> list[str]:
        known = [f"{model['solid']:.3f}", f"{model['color']:.1f}"] if model else ["-", "-"]
        own = [*(f"{scores[key]:.3f}" for key in ("solid", "second", "silhouette")), f"{scores['color']:.1f}"]
        return [*own, *known, f"{scores['wall_s']:.1f}"]

    for size, summary in record["summary"].items():
        for r in record["rows"]:
            if str(r["size"]) == size:
                lines.append([size, r["prompt"], str(r["seed"]), *cells(r, r["model"]), r["error"]])
        lines.append([size, "mean", "", *cells(summary["all"], summary["model"]), ""])
    return report.table(lines)

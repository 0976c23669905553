"""How much truer Sharpen Colours makes a latent model's colours: finished short jobs, before and after."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks import prompts, quality, report
from benchmarks.reader import read_mesh
from benchmarks.scoring import color_error
from benchmarks.texture import colour_error
from sjc.job import sharpen
from sjc.job.folder import prepare_folder
from sjc.job.texture_run import TextureRun
from sjc.models.loading import load_denoiser
from sjc.settings import Settings, validate


def benchmark(settings: Settings, which: tuple[str, ...], cache: Path, at_once: int = 1) -> dict[str, Any]:
    """Make the jobs that are missing and sharpen all: {"identity", "summary", "rows"}.

    before, after: mean CIEDE2000 on the job's own surface; network calls are levels times views.
    """
    known = quality.identity(settings)
    parent = quality.cache_folder(cache, known)
    wanted = [validate(replace(settings, prompt=prompt)) for prompt in which]
    denoiser, rows = load_denoiser(settings.model), []
    with ThreadPoolExecutor(at_once) as pool, tempfile.TemporaryDirectory() as scratch:
        made = [pool.submit(quality.obtain, one, parent) for one in wanted]
        for number, (one, future) in enumerate(zip(wanted, made, strict=True)):
            old, measured = future.result()
            if measured["code"]:
                raise RuntimeError(f"{one.prompt}: {measured.get('error')}")
            folder = Path(scratch) / str(number)
            chosen = sharpen.settings_of(old, {"turntable": False})
            prepare_folder(folder, chosen)
            job = TextureRun(folder, chosen, denoiser=denoiser)
            job.run()
            row = {
                "prompt": one.prompt,
                "held_out": prompts.held_out(one.prompt),
                "before": color_error(read_mesh(old / "mesh.glb"), one.prompt),
                "after": colour_error(job.textured, one.prompt),
                "calls": job.views.steps * len(job.views.noised),
            }
            rows.append(row)
            print(f"[{len(rows)}/{len(wanted)}] {row}", file=sys.stderr, flush=True)
    before, after = (mean(row[key] for row in rows) for key in ("before", "after"))
    summary = {"before": round(before, 2), "after": round(after, 2), "share": round(after / before, 3)}
    summary["worse"] = sum(row["after"] > row["before"] for row in rows)
    return {"identity": known, "summary": summary, "rows": rows}


def text(record: report.Record) -> str:
    """The result as a table."""
    lines = [["prompt", "before", "after", "network calls"]]
    lines += [[r["prompt"], f"{r['before']:.2f}", f"{r['after']:.2f}", str(r["calls"])] for r in record["rows"]]
    summary = record["summary"]
    lines.append(["mean", f"{summary['before']:.2f}", f"{summary['after']:.2f}", ""])
    return report.table(lines) + f"\nafter / before: {summary['share']:.2f}; worse: {summary['worse']}"

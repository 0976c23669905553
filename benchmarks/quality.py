"""How near the results are to the truth: every prompt and seed made by `sjc generate` and scored from its folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean
from typing import Any

import sjc
from benchmarks import prompts, report, scoring
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.job import inputs
from sjc.models import distilled, model_files
from sjc.output.files import write_json
from sjc.settings import Settings, to_arguments, validate

Measured = dict[str, Any]
Generate = Callable[[Settings, Path, Path], Measured]

CHILD = Path(__file__).with_name("child.py")
ENGINE = Path(sjc.__file__).parent
NO_INFLUENCE = {"__main__.py", "cli.py", "commands.py", "doctor.py", "progress.py"}  # on what a run makes


def generate(settings: Settings, folder: Path, measured: Path, cores: int = 0) -> Measured:
    """`sjc generate` as a fresh process; returns what child.py measured, kept in `measured`."""
    words = ["-m", "sjc", "generate", settings.prompt, "--out", str(folder), "--json"]
    return measure([*words, *to_arguments(settings)], folder, measured, cores)


def measure(words: list[str], folder: Path, measured: Path, cores: int = 0) -> Measured:
    """Python with these words as a fresh process that makes the job folder; its messages go to FOLDER.log beside it."""
    command = [sys.executable, *words]
    log = folder.with_name(folder.name + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as stream:
        subprocess.run(
            [sys.executable, "-I", str(CHILD), str(measured), str(cores), *command],
            cwd=report.ROOT,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if not measured.is_file():
        raise KeyboardInterrupt  # the measuring process itself was stopped
    record: Measured = json.loads(measured.read_text("utf-8"))
    if record["code"] == 130:
        raise KeyboardInterrupt
    if record["code"]:
        record["error"] = log.read_text("utf-8", "replace").strip().rpartition("\n")[2]
    return record


def digest(paths: Sequence[Path], root: Path) -> str:
    """SHA-256 over names and contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def identity(settings: Settings) -> dict[str, Any]:
    """All that a result depends on beside prompt and seed. Raises SjcError for a model that cannot be used."""
    checked = model_files.check(model_files.locate(settings.model))
    weights = [path for path in checked.folder.rglob("*") if path.is_file()]
    of_the_sister = {"sister_sha256": digest([checked.sister], checked.sister.parent)} if checked.sister else {}
    sources = [path for path in ENGINE.rglob("*.py") if path.name not in NO_INFLUENCE]
    return {
        "settings": asdict(replace(settings, prompt="", seed=0)),
        "model_sha256": digest(weights, checked.folder),
        **of_the_sister,
        "engine_sha256": digest(sources, ENGINE),
    }


def cache_folder(cache: Path, known: dict[str, Any]) -> Path:
    """The cache folder of one identity."""
    name = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "identity.json", known)
    return folder


def obtain(settings: Settings, parent: Path, make: Generate = generate) -> tuple[Path, Measured]:
    """The finished job folder of these settings and what its run took, made anew unless it is there whole."""
    folder = parent / f"{job_folder.slug(settings.prompt)}-{settings.seed}"
    measured = parent / f"{folder.name}.measured.json"
    if measured.is_file() and (folder / "run.json").is_file():
        record: Measured = json.loads(measured.read_text("utf-8"))
        if record["code"] == 0 and _same_job(folder, settings):
            return folder, record
    shutil.rmtree(folder, ignore_errors=True)
    measured.unlink(missing_ok=True)
    return folder, make(settings, folder, measured)


def _same_job(folder: Path, settings: Settings) -> bool:
    try:
        return job_folder.read_settings(folder) == inputs.named(settings)
    except SjcError:
        return False


def row(settings: Settings, folder: Path, measured: Measured) -> dict[str, Any]:
    """One line of the result. A run without a mesh counts as nothing made: IoU 0, colour error 100."""
    run: dict[str, Any] = {}
    error = measured.get("error", "" if measured["code"] == 0 else f"exit code {measured['code']}")
    score = scoring.NOTHING
    if not error:
        run = json.loads((folder / "run.json").read_text("utf-8"))
        score = scoring.score(folder / "mesh.glb", settings.prompt)
    return {
        "prompt": settings.prompt,
        "seed": settings.seed,
        "held_out": prompts.held_out(settings.prompt),
        **asdict(score),
        "threshold": run.get("mesh", {}).get("threshold"),
        "wall_s": measured["wall_s"],
        "peak_mb": measured["peak_mb"],
        "seconds": run.get("seconds", {}),
        "device": run.get("device", ""),
        "warnings": run.get("warnings", []),
        "error": error,
    }


def network_calls(settings: Settings) -> int:
    """How many pictures a job gives to its network.

    Guidance that is not built into the network asks twice for each noised view.
    """
    once = settings.guidance == 1 or distilled.built_in(settings) is not None
    return settings.steps * settings.views_per_step * settings.noises_per_view * (1 if once else 2)


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over all rows and over the held-out pairs alone, the worst row of each score, and the worst prompt."""

    def means(some: list[dict[str, Any]]) -> dict[str, float] | None:
        keys = ("solid", "second", "silhouette", "color", "wall_s")
        return {key: round(mean(r[key] for r in some), 4) for key in keys} if some else None

    def worst(key: str, sign: int) -> dict[str, Any]:
        row = max(rows, key=lambda r: sign * r[key])
        return {"prompt": row["prompt"], "seed": row["seed"], key: round(row[key], 4)}

    by_prompt: dict[str, list[float]] = {}
    for r in rows:
        by_prompt.setdefault(r["prompt"], []).append(r["solid"])
    weakest = min(by_prompt, key=lambda prompt: mean(by_prompt[prompt]))
    return {
        "runs": len(rows),
        "failed": sum(bool(r["error"]) for r in rows),
        "all": means(rows),
        "held_out": means([r for r in rows if r["held_out"]]),
        "worst": [worst("solid", -1), worst("silhouette", -1), worst("color", 1)],
        "worst_prompt": {"prompt": weakest, "solid": round(mean(by_prompt[weakest]), 4)},
    }


def text(record: report.Record) -> str:
    """The result as a table, one line a prompt and seed."""
    lines = [["prompt", "seed", "solid IoU", "second lattice", "silhouette IoU", "colour error", "seconds", "peak MB",
              "note"]]  # fmt: skip

    def cells(r: dict[str, Any]) -> list[str]:
        shapes = [f"{r[key]:.3f}" for key in ("solid", "second", "silhouette")]
        return [*shapes, f"{r['color']:.1f}", f"{r['wall_s']:.1f}"]

    for r in record["rows"]:
        note = ", ".join(filter(None, ["held out" if r["held_out"] else "", r["error"]]))
        peak = "" if r["peak_mb"] is None else f"{r['peak_mb']:.0f}"
        lines.append([r["prompt"], str(r["seed"]), *cells(r), peak, note])
    for name, key in (("mean", "all"), ("mean of the held-out pairs", "held_out")):
        if record["summary"][key]:
            lines.append([name, "", *cells(record["summary"][key]), "", ""])
    worst = "; ".join(
        f"{key} {value:g}, {w['prompt']} (seed {w['seed']})"
        for w in record["summary"]["worst"]
        for key, value in w.items()
        if key not in ("prompt", "seed")
    )
    calls = record["summary"].get("calls")  # the perfect denoiser calls no network
    return report.table(lines) + f"\nworst: {worst}" + (f"\nnetwork calls: {calls:,}" if calls else "")


def benchmark(
    settings: Settings, which: Sequence[str], seeds: int, cache: Path, make: Generate = generate, at_once: int = 1
) -> dict[str, Any]:
    """Make what is missing, score everything: {"device", "identity", "summary", "rows"}.

    at_once: runs side by side. Share the cores out with OMP_NUM_THREADS then; wall times tell of the machine's load.
    """
    known = identity(settings)
    parent = cache_folder(cache, known)
    wanted = [validate(replace(settings, prompt=prompt, seed=seed)) for prompt in which for seed in range(seeds)]
    rows = []
    with ThreadPoolExecutor(at_once) as pool:
        made = [pool.submit(obtain, one, parent, make) for one in wanted]
        try:
            for one, future in zip(wanted, made, strict=True):
                rows.append(row(one, *future.result()))
                r = rows[-1]
                print(
                    f"[{len(rows)}/{len(wanted)}] {one.prompt} (seed {one.seed}): solid {r['solid']:.3f}, "
                    f"silhouette {r['silhouette']:.3f}, colour {r['color']:.1f} {r['error']}",
                    file=sys.stderr,
                )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {
        "device": ", ".join(sorted({r["device"] for r in rows if r["device"]})),
        "identity": known,
        "threads": os.environ.get("OMP_NUM_THREADS", "as torch chooses"),
        "at_once": at_once,
        "summary": {**summarise(rows), "calls": network_calls(settings)},
        "rows": rows,
    }

"""What every benchmark's JSON begins with, and the tables of the README."""

from __future__ import annotations

import json
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from sjc.machine.devices import versions
from sjc.output.files import write_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"

Record = dict[str, Any]

Target = tuple[str, str, tuple[str, ...], int, str, float, float, bool]
"""What a row must reach and aims for: (name, result, path in its summary, digits, unit, must, aim, more is better)."""

QUALITY: tuple[Target, ...] = (
    ("solid IoU, mean", "quality", ("all", "solid"), 3, "", 0.925, 0.95, True),
    ("the same on a second lattice, of 199^3 points", "quality", ("all", "second"), 3, "", 0.925, 0.95, True),
    ("solid IoU, held-out pairs", "quality", ("held_out", "solid"), 3, "", 0.89, 0.93, True),
    ("solid IoU, the worst prompt, mean of its seeds", "quality", ("worst_prompt", "solid"), 3, "", 0.86, 0.90, True),
    ("silhouette IoU, 16 unseen views", "quality", ("all", "silhouette"), 3, "", 0.968, 0.98, True),
    ("colour error on the surface, CIEDE2000", "quality", ("all", "color"), 1, "", 4.3, 3.5, False),
    ("solid IoU with a perfect denoiser, pictures of 32 pixels", "ceiling", ("32", "all", "solid"), 3, "", 0.95, 0.97,
     True),
    ("preset fast: solid IoU, mean", "quality-fast", ("all", "solid"), 3, "", 0.86, 0.88, True),
    ("preset fast: calls of the network", "quality-fast", ("calls",), 0, "", 900, 400, False),
    ("preset fast: its steps", "job-fast", ("seconds", "optimise"), 1, " s", 5, 3, False),
    ('preset fast: "a red mushroom", prompt to files', "job-fast", ("wall_s",), 1, " s", 22, 15, False),
    ('"a red mushroom", prompt to files', "job", ("wall_s",), 1, " s", 40, 20, False),
    ("the small latent model: solid IoU", "colour", ("solid",), 2, "", 0.84, 0.88, True),
    ("the small latent model: colour error, CIEDE2000", "colour", ("decoded",), 1, "", 6, 5, False),
    ("short latent jobs: colour error after Sharpen Colours, over before", "sharpen", ("share",), 2, "x", 0.75, 0.5,
     False),
    ("a texture's colour error on an exact mesh, CIEDE2000", "texture", ("color",), 1, "", 4.5, 3, False),
    ("the same with the small latent model", "texture-latent-model", ("color",), 1, "", 6, 4, False),
    ("a texture's seams over other edges, on flat ground", "texture", ("seams",), 2, "x", 1.5, 1.1, False),
    ("share of a step outside the denoiser", "job", ("share_outside_denoiser",), 2, "", 0.5, 0.2, False),
    ("peak memory of that run", "job", ("peak_gb",), 2, " GB", 2, 1, False),
)  # fmt: skip
SPEED: tuple[Target, ...] = (
    ("renderer against the torch reference, no skipping: uniform fog", "render", ("fog",), 1, "x", 15, 40, True),
    ("the same, formed object", "render", ("object",), 1, "x", 60, 200, True),
    ("renderer against the reference with its colour threshold: uniform fog",
     "render", ("fog_thresholded",), 1, "x", 15, 40, True),
    ("the same, formed object", "render", ("object_thresholded",), 1, "x", 60, 200, True),
    ("256 x 256 in 256^3 over 64 x 64 in 100^3: time over visited samples",
     "scale", ("time_over_visited",), 2, "x", 1, 1, False),
    ("a step over its network alone", "step", ("step_over_network",), 2, "x", 1.6, 1.15, False),
    ("the same with both calls of guidance", "step-two-calls", ("step_over_network",), 2, "x", 1.6, 1.15, False),
    ('"a red mushroom", prompt to files', "job", ("wall_s",), 1, " s", 40, 20, False),
    ("Generate to the first volume, warm worker", "worker", ("first_volume_warm_s",), 1, " s", 2, 1, False),
    ("Generate to the first volume, cold start", "worker", ("first_volume_cold_s",), 1, " s", 15, 8, False),
    ("a snapshot on Blender's main thread, 100^3", "bridge", ("snapshot_ms", "100"), 1, " ms", 15, 5, False),
    ("a snapshot on Blender's main thread, 200^3", "bridge", ("snapshot_ms", "200"), 1, " ms", 40, 15, False),
    ("an idle tick", "bridge", ("tick_ms",), 2, " ms", 1, 1, False),
    ("worker's time lost to a snapshot a second", "worker", ("loss_to_snapshots",), 3, "", 0.03, 0.01, False),
    ("peak memory, 100^3", "job-100", ("peak_gb",), 2, " GB", 1.2, 0.8, False),
    ("mesh, texture and files, 100^3", "export", ("100",), 1, " s", 10, 4, False),
    ("mesh, texture and files, 200^3", "export", ("200",), 1, " s", 40, 15, False),
    ("share that a cluster adds to a job's time", "cluster", ("overhead",), 3, "", 0.05, 0.02, False),
    ("jobs on a cluster of two slots, on two cores, over one", "cluster", ("scaling",), 2, "x", 1.8, 2, True),
)  # fmt: skip
CARD: tuple[Target, ...] = (
    ("renderer against the torch reference on the card: uniform fog", "render-cuda", ("fog",), 1, "x", 8, 20, True),
    ("the same, formed object", "render-cuda", ("object",), 1, "x", 12, 50, True),
    ("renderer forward and backward, captured: uniform fog",
     "render-cuda", ("fog_captured_ms",), 2, " ms", 0.49, 0.20, False),
    ("the same, formed object", "render-cuda", ("object_captured_ms",), 2, " ms", 0.41, 0.10, False),
    ("a step over the plain captured UNet, Stable Diffusion 1.5's size, preset paper",
     "gpu", ("step_over_plain_unet",), 2, "x", 1.15, 0.95, False),
    ("10,000 such steps", "gpu", ("minutes_for_10000_steps",), 1, " minutes", 2.0, 1.2, False),
    ("peak memory of such a step", "gpu", ("peak_gb",), 1, " GB", 2.5, 2.0, False),
    ("a step of the embedded model", "gpu", ("embedded_step_ms",), 1, " ms", 6, 3, False),
    ("waits for the card in that step", "gpu", ("embedded_synchronisations",), 1, "", 0, 0, False),
    ("launches outside the graph in that step", "gpu", ("embedded_launches",), 0, "", 10, 3, False),
    ('"a red mushroom", prompt to files, embedded model, warm disk', "job-cuda", ("wall_s",), 1, " s", 12, 6, False),
    ("a texture by a model of Stable Diffusion 1.5's size, once it is loaded",
     "texture-sd15-cuda", ("seconds",), 1, " s", 10, 10, False),
)  # fmt: skip
COMMANDS = {
    # need a CUDA device
    "render-cuda": "bench render", "gpu": "bench gpu", "job-cuda": "bench job",
    "texture-latent-model": "bench texture --model tests/data/latent_model", "sharpen": "bench sharpen --preset fast",
    "cluster": "bench cluster --preset fast",
    "texture-sd15-cuda": "bench texture --model stable-diffusion-v1-5/stable-diffusion-v1-5 --out "
    "benchmarks/results/texture-sd15-cuda.json",
}  # fmt: skip
"""Of results that are not called after their benchmark, or are not measured with its defaults."""


def envelope(name: str, command: list[str], settings: dict[str, Any]) -> Record:
    """Where and with what a result was made; the benchmark adds "summary" and every single measurement."""
    return {
        "benchmark": name,
        "command": "python3 build.py bench " + shlex.join(command),
        "commit": commit(),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no", ":!benchmarks/results")),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "versions": versions(),
        "settings": settings,
    }


def commit() -> str:
    """The commit that is checked out, "" outside git."""
    return _git("rev-parse", "HEAD")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.processor()


def write(record: Record, path: Path) -> None:
    """Write a result whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)
    print(f"wrote {path}", file=sys.stderr)


def table(rows: list[list[str]]) -> str:
    """Rows of cells (the first is the heading) as a Markdown table that is also easy to read as text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def load(name: str, folder: Path = RESULTS) -> Record | None:
    """The newest whole result of that name, else the quick one, else None."""
    for stem in (name, f"{name}-quick"):
        path = folder / f"{stem}.json"
        if path.is_file():
            record: Record = json.loads(path.read_text("utf-8"))
            return record
    return None


def summary_table(targets: tuple[Target, ...], folder: Path = RESULTS) -> str:
    """What each row came to, and the commands that measured it."""
    rows = [["what", "reached", "must", "aim", "command"]]
    sources = {}
    for name, source, path, digits, unit, must, aim, more in targets:
        record = load(source, folder)
        value: Any = record["summary"] if record else None
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if record is None or value is None:
            command = COMMANDS.get(source, f"bench {source}")
            rows.append([name, "not yet measured", f"{must:g}{unit}", f"{aim:g}{unit}", f"`{command}`"])
            continue
        sources[source] = record
        met = (value >= must) if more else (value <= must)
        there = (value >= aim) if more else (value <= aim)
        reached = f"{value:.{digits}f}{unit}" + ("" if there else " (aim missed)" if met else " (missed)")
        command = record["command"].removeprefix("python3 build.py ")
        rows.append([name, reached, f"{must:g}{unit}", f"{aim:g}{unit}", f"`{command}`"])
    notes = [
        f"{name}: {r['machine']}; {r.get('device', 'device not told')}; commit {r['commit'][:12]}"
        + (" with uncommitted changes" if r["uncommitted_changes"] else "")
        for name, r in sources.items()
    ]
    return "\n".join([table(rows), "", *notes])

"""`python3 build.py bench [NAME ...]`; without a name: quality --quick, render and job.

Names: quality, ceiling, colour, start, change, pictures, render, scale, step, job, export, worker, bridge, cluster,
gpu, variants, texture, sharpen, handover, table, freeze, compare A B.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import (
    bridge,
    ceiling,
    change,
    cluster,
    colour,
    compare,
    export,
    from_pictures,
    handover,
    job,
    prompts,
    quality,
    report,
    sharpen,
    start,
    step,
    texture,
    variants,
    worker,
)
from sjc.errors import SjcError
from sjc.machine import streams
from sjc.machine.memory import large_pages
from sjc.settings import PRESETS, Settings, resolve

SEEDS = 3
JOB_REPEATS = 3


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python3 build.py bench", description=__doc__)
    made.add_argument("name", nargs="?", choices=(*BENCHMARKS, "table", "freeze", "compare"))
    made.add_argument("files", nargs="*", type=Path, metavar="FILE", help="compare: two results' JSON")
    made.add_argument(
        "--quick",
        action="store_true",
        help="quality, ceiling: 4 prompts, 1 seed, ceiling with the preset fast; job: 1 run; "
        "the others: smaller or fewer",
    )
    made.add_argument(
        "--seeds", type=int, metavar="N", help=f"quality, ceiling: seeds 0 .. N-1 [{SEEDS}; ceiling and quick 1]"
    )
    made.add_argument("--size", type=int, nargs="+", metavar="N", help=f"ceiling: pixels of a picture [{ceiling.SIZE}]")
    made.add_argument(
        "--prompts", choices=("scored", "tuning"), default="scored", help="quality, ceiling: which prompts"
    )
    made.add_argument(
        "--at-once",
        type=int,
        default=1,
        metavar="N",
        help="quality, ceiling, colour, sharpen, variants: runs side by side, for many cores [1]",
    )
    made.add_argument("--preset", choices=tuple(PRESETS), help="settings to start from [the default's]")
    made.add_argument("--model", metavar="PATH", help="the diffusion model [embedded]")
    made.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; may come often")
    made.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes [benchmarks/results/]")
    made.add_argument("--cache", type=Path, default=report.ROOT / ".bench-cache", help="where finished jobs are kept")
    return made


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings that every run of a benchmark has. Raises SjcError with one line per bad value."""
    given: dict[str, object] = {}
    for word in arguments.set:
        name, equals, value = word.partition("=")
        if not equals or name in ("prompt", "seed", "overwrite"):
            raise SjcError(f'--set takes NAME=VALUE, of other settings than prompt, seed and overwrite, not "{word}".')
        given[name.replace("-", "_")] = value
    if arguments.model:
        given["model"] = _portable(arguments.model)
    return resolve(arguments.preset, given)


def _portable(model: str) -> str:
    """A model folder in the repository by its path there, so that results name no one's machine."""
    path = Path(model).expanduser().resolve()
    if not path.exists():
        return model
    return path.relative_to(report.ROOT).as_posix() if path.is_relative_to(report.ROOT) else str(path)


def run_quality(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score the prompts."""
    which, seeds = _which(arguments, 1 if arguments.quick else SEEDS)
    return quality.benchmark(settings, which, seeds, arguments.cache / "quality", at_once=arguments.at_once)


def run_ceiling(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score the prompts with a perfect denoiser in place of the model."""
    which, seeds = _which(arguments, 1)
    if arguments.quick and not arguments.preset:
        settings = settings_of(argparse.Namespace(**{**vars(arguments), "preset": "fast"}))
    sizes = arguments.size or [ceiling.SIZE]
    return ceiling.benchmark(settings, which, seeds, arguments.cache / "ceiling", sizes, arguments.at_once)


def _which(arguments: argparse.Namespace, seeds: int) -> tuple[tuple[str, ...], int]:
    """Prompts, and how many seeds of each (`seeds` unless told otherwise). Raises SjcError for a number below one."""
    tuning = arguments.prompts == "tuning"
    which = prompts.TUNING if tuning else prompts.QUICK if arguments.quick else prompts.SCORED
    for name, number in (("--seeds", arguments.seeds), ("--at-once", arguments.at_once)):
        if number is not None and number < 1:
            raise SjcError(f"{name} {number}: at least one is needed.")
    return which, arguments.seeds or seeds


def run_colour(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score the colours of a latent model."""
    if not arguments.model:
        settings = replace(settings, model=_portable(str(colour.MODEL)))
    which = prompts.QUICK if arguments.quick else prompts.SCORED
    return colour.benchmark(settings, which, arguments.cache / "quality", arguments.at_once)


def run_start(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score what block-outs become: eight prompts, one seed."""
    which = (prompts.TUNING if arguments.prompts == "tuning" else prompts.SCORED)[: 2 if arguments.quick else 8]
    return start.benchmark(settings, which, arguments.cache / "start")


def run_change(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score a result under other words, and a refined one."""
    return change.benchmark(settings, arguments.cache / "change")


def run_pictures(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score prompts without colour words, with and without a reference picture."""
    pairs = from_pictures.QUICK if arguments.quick else from_pictures.PAIRS
    return from_pictures.benchmark(settings, pairs, arguments.cache / "pictures")


def run_texture(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score the textures of exact meshes."""
    which, _ = _which(arguments, 1)
    return texture.benchmark(settings, which)


def run_sharpen(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Score the colours of short jobs of a latent model before and after Sharpen Colours."""
    if not arguments.model:
        settings = replace(settings, model=_portable(str(colour.MODEL)))
    which = prompts.QUICK if arguments.quick else prompts.SCORED[:8]
    return sharpen.benchmark(settings, which, arguments.cache / "quality", arguments.at_once)


def run_job(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Time the main job."""
    return job.benchmark(settings, 1 if arguments.quick else JOB_REPEATS)


def run_render(arguments: argparse.Namespace, _settings: Settings) -> dict[str, Any]:
    """Time the renderers."""
    from benchmarks.render import sjc_bench_render

    record = sjc_bench_render(arguments.quick)
    record["render_settings"] = record.pop("settings")
    del record["versions"]  # the envelope has them
    scenes = record["scenes"].items()
    ratios = {name: s.get("times_faster_than_reference") for name, s in scenes}
    thresholded = {f"{name}_thresholded": s.get("times_faster_than_reference_thresholded") for name, s in scenes}
    captured = {f"{name}_captured_ms": s["captured_ms"].get("warp") for name, s in scenes if "captured_ms" in s}
    return {**record, "summary": {**ratios, **thresholded, **captured}}


def run_scale(arguments: argparse.Namespace, _settings: Settings) -> dict[str, Any]:
    """Time the renderer at growing sizes."""
    from benchmarks import scale

    return scale.benchmark(arguments.quick)


def scale_text(record: report.Record) -> str:
    """The growth as a table."""
    from benchmarks import scale

    return scale.text(record)


def run_gpu(arguments: argparse.Namespace, _settings: Settings) -> dict[str, Any]:
    """Time a step behind a large UNet on a CUDA device."""
    from benchmarks import gpu

    return gpu.benchmark(gpu.QUICK if arguments.quick else gpu.WHOLE)


def gpu_text(record: report.Record) -> str:
    """Its table."""
    from benchmarks import gpu

    return gpu.text(record)


def run_step(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Time the parts of a step."""
    return step.benchmark(settings, arguments.quick)


def run_cluster(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Time jobs on a cluster of this computer beside the plain loop."""
    return cluster.benchmark(settings, arguments.quick)


def run_export(arguments: argparse.Namespace, _settings: Settings) -> dict[str, Any]:
    """Time the way from a field to its files."""
    return export.benchmark(arguments.quick)


def run_handover(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """What four results become for other programs."""
    return handover.benchmark(settings, arguments.cache / "handover", arguments.quick)


def run_worker(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Time what Blender waits for."""
    return worker.benchmark(settings, arguments.quick)


def run_variants(arguments: argparse.Namespace, settings: Settings) -> dict[str, Any]:
    """Whether short variants tell which whole one will be best, and what they cost."""
    which = prompts.TUNING[:2] if arguments.quick else prompts.TUNING
    count = arguments.seeds or variants.COUNT
    return variants.benchmark(settings, which, count, arguments.cache / "variants", arguments.at_once)


def run_bridge(arguments: argparse.Namespace, _settings: Settings) -> dict[str, Any]:
    """Time the add-on inside Blender."""
    return bridge.benchmark(arguments.quick)


def render_text(record: report.Record) -> str:
    """The renderers' result as a table."""
    slow = ("reference", "reference_thresholded", "grid_sample")
    names = ("warp", "warp_exact", *slow)
    graphs = ("warp", "warp_exact", "grid_sample") if any("captured_ms" in s for s in record["scenes"].values()) else ()
    head = ["scene", "samples", *(f"{n} ms" for n in names), *(f"{n} captured ms" for n in graphs)]
    head += [*(f"x {n}" for n in slow), "floor ms"]
    rows = [head]
    for scene, scene_record in record["scenes"].items():
        times = scene_record["forward_backward_ms"]
        ratios = [scene_record.get(f"times_faster_than_{n}", "-") for n in slow]
        cells = [
            scene,
            scene_record["samples"],
            *(times.get(n, "-") for n in names),
            *(scene_record["captured_ms"].get(n, "-") for n in graphs),
            *ratios,
            scene_record["floor"]["ms"],
        ]
        rows.append([str(c) for c in cells])
    reasons = [
        f"{scene}: {name} could not be captured as a graph: {reason}"
        for scene, scene_record in record["scenes"].items()
        for name, reason in scene_record.get("not_captured", {}).items()
    ]
    return "\n".join([report.table(rows), *reasons])


Run = Callable[[argparse.Namespace, Settings], dict[str, Any]]
BENCHMARKS: dict[str, tuple[Run, Callable[[report.Record], str]]] = {
    "quality": (run_quality, quality.text),
    "ceiling": (run_ceiling, ceiling.text),
    "colour": (run_colour, colour.text),
    "start": (run_start, start.text),
    "change": (run_change, change.text),
    "pictures": (run_pictures, from_pictures.text),
    "render": (run_render, render_text),
    "scale": (run_scale, scale_text),
    "step": (run_step, step.text),
    "job": (run_job, job.text),
    "export": (run_export, export.text),
    "handover": (run_handover, handover.text),
    "worker": (run_worker, worker.text),
    "bridge": (run_bridge, bridge.text),
    "cluster": (run_cluster, cluster.text),
    "gpu": (run_gpu, gpu_text),
    "variants": (run_variants, variants.text),
    "texture": (run_texture, texture.text),
    "sharpen": (run_sharpen, sharpen.text),
}
BARE = ("quality", "render", "job")  # without a name; the others need more than the environment


def result_path(name: str, arguments: argparse.Namespace, record: report.Record) -> Path:
    """Where a result goes unless told otherwise.

    A quick or tuning one never takes the place of the whole one, nor that of a preset the default's, nor a graphics
    card's that of the processor: they are called after preset and kind of card, such as quality-fast.json and
    render-cuda.json.
    """
    if name in ("quality", "job", "ceiling") and arguments.preset:
        name += f"-{arguments.preset}"
    if name in ("quality", "ceiling", "texture", "start") and arguments.prompts == "tuning":
        name += "-tuning"
    if name == "texture" and arguments.model:
        name += f"-{Path(arguments.model).name.replace('_', '-')}"
    card = re.match(r"cuda|mps|xpu", str(record.get("device", "")))
    if card and name != "gpu":  # that one has no other
        name += f"-{card[0]}"
    return report.RESULTS / f"{name}{'-quick' if arguments.quick else ''}.json"


def run(name: str, words: list[str]) -> None:
    """Run one benchmark, write its JSON and print its table."""
    arguments = parser().parse_args(words)
    large_pages()
    settings = settings_of(arguments)
    function, text = BENCHMARKS[name]
    record = {**report.envelope(name, words, asdict(settings)), **function(arguments, settings)}
    path = arguments.out or result_path(name, arguments, record)
    report.write(record, path)
    if name == "scale":
        from benchmarks import scale

        scale.draw(record, path.with_suffix(".png"))
    print(text(record))


def main(words: list[str]) -> int:
    """Run what the words say; 2 for bad input."""
    streams.never_fail()
    arguments = parser().parse_args(words)
    if arguments.out and not arguments.name:
        parser().error("--out takes one benchmark's JSON: name the benchmark")
    if arguments.files and arguments.name != "compare":
        parser().error(f"only compare takes files, not {arguments.name}")
    try:
        if arguments.name == "table":
            tables = (report.summary_table(targets) for targets in (report.QUALITY, report.SPEED, report.CARD))
            print(*tables, sep="\n\n")
        elif arguments.name == "compare":
            if len(arguments.files) != 2:
                parser().error("compare takes two results: bench compare A.json B.json")
            print(compare.text(*arguments.files))
        elif arguments.name == "freeze":
            print(job.freeze(settings_of(arguments).model))
        elif arguments.name:
            run(arguments.name, words)
        else:
            for name in BARE:
                quick = ["--quick"] if name == "quality" and not arguments.quick else []
                run(name, [name, *quick, *words])
    except SjcError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench: stopped; quality and ceiling go on where they were when started again", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

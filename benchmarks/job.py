"""What "a red mushroom" costs, from the prompt to the files: time, memory, and how much of it is not the denoiser."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import quality, report
from sjc.errors import SjcError
from sjc.models import model_files
from sjc.settings import Settings, from_json, to_json, validate

if TYPE_CHECKING:
    import torch

PROMPT = "a red mushroom"
CORES = 2
FROZEN = Path(__file__).with_name("frozen_denoiser.json")
CALLS, WARM_UP = 50, 5


def benchmark(settings: Settings, repeats: int) -> dict[str, Any]:
    """{"device", "summary", "runs", "steps"}: `repeats` fresh processes on two cores, then one looked into."""
    settings = validate(replace(settings, prompt=PROMPT))
    model_files.check(model_files.locate(settings.model))
    runs = []
    with tempfile.TemporaryDirectory(prefix="sjc-bench-") as name:
        parent = Path(name)
        for index in range(repeats):
            folder = parent / f"run-{index}"
            measured = quality.generate(settings, folder, parent / f"run-{index}.json", CORES)
            if measured["code"]:
                raise SjcError(f"the job failed: {measured.get('error', measured['code'])}")
            run = json.loads((folder / "run.json").read_text("utf-8"))
            runs.append({**measured, "seconds": run["seconds"], "device": run["device"]})
        steps = _looked_into(settings, parent)
    peaks = [r["peak_mb"] for r in runs if r["peak_mb"] is not None]
    return {
        "device": runs[0]["device"],
        "cores": runs[0]["cores"],
        "summary": {
            "wall_s": statistics.median(r["wall_s"] for r in runs),
            "seconds": {k: statistics.median(r["seconds"][k] for r in runs) for k in runs[0]["seconds"]},
            "peak_gb": round(max(peaks) / 1000, 3) if peaks else None,
            "share_outside_denoiser": steps["share_outside_denoiser"],
            "share_outside_frozen_denoiser": steps["share_outside_frozen_denoiser"],
        },
        "runs": runs,
        "steps": steps,
    }


def _looked_into(settings: Settings, parent: Path) -> dict[str, Any]:
    """`inside` in a fresh process on two cores."""
    source, target = parent / "settings.json", parent / "steps.json"
    source.write_text(to_json(settings), "utf-8")
    words = [sys.executable, "-m", "benchmarks.job", str(source), str(target)]
    command = [sys.executable, "-I", str(quality.CHILD), str(parent / "m.json"), str(CORES), *words]
    done = subprocess.run(command, cwd=report.ROOT, check=False)
    if done.returncode:
        raise SjcError(f"looking into the steps failed with exit code {done.returncode}")
    steps: dict[str, Any] = json.loads(target.read_text("utf-8"))
    return steps


class Stopwatch:
    """Wraps a function and sums the seconds spent in it."""

    def __init__(self, function: Callable[..., Any], wait: Callable[[], None]) -> None:
        self.function, self.wait, self.seconds, self.calls = function, wait, 0.0, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; a device that works ahead is waited for on both sides."""
        self.wait()
        began = time.perf_counter()
        result = self.function(*args, **kwargs)
        self.wait()
        self.seconds += time.perf_counter() - began
        self.calls += 1
        return result


def inside(settings: Settings) -> dict[str, Any]:
    """Run the whole optimisation in this process with a stopwatch around the network and one around the step."""
    import torch

    from sjc.machine.devices import choose_device
    from sjc.models import distilled
    from sjc.models.loading import load_denoiser
    from sjc.optimize import Optimization

    device = choose_device(settings.device)
    denoiser = load_denoiser(
        settings.model, device=device, runtime=settings.runtime, built_in=distilled.built_in(settings)
    )

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    today = call_ms(denoiser.unet, _shapes(denoiser, settings), wait)
    frozen, note = _frozen(denoiser, settings, wait)
    network = Stopwatch(denoiser.network, wait)
    denoiser.network = network
    run = Optimization(settings, denoiser, device)
    step = Stopwatch(run.advance, wait)
    while not run.done:
        step()
    outside_ms = 1e3 * (step.seconds - network.seconds) / step.calls
    return {
        "steps": step.calls,
        "step_ms": round(1e3 * step.seconds / step.calls, 3),
        "denoiser_ms_per_step": round(1e3 * network.seconds / step.calls, 3),
        "outside_ms_per_step": round(outside_ms, 3),
        "share_outside_denoiser": round(1 - network.seconds / step.seconds, 4),
        "share_outside_frozen_denoiser": None if frozen is None else round(outside_ms / (outside_ms + frozen), 4),
        "network_call_ms": round(today, 3),
        "frozen_network_call_ms": None if frozen is None else round(frozen, 3),
        "frozen": note,
        "model_sha256": weights_sha256(settings.model),
        "torch_threads": torch.get_num_threads(),
    }


def _shapes(denoiser: Any, settings: Settings) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of what one step hands to the network: images [V, C, S, S] and text [V, L, W].

    With both halves of guidance there are 2V of each.
    """
    halves = 1 if settings.guidance in (0, 1) or denoiser.built_in is not None else 2
    batch = settings.views_per_step * settings.noises_per_view * halves
    text = denoiser.prompt_encoder.encode([PROMPT])
    return (batch, denoiser.channels, denoiser.size, denoiser.size), (batch, *text.shape[1:])


def call_ms(unet: torch.nn.Module, shapes: tuple[tuple[int, ...], tuple[int, ...]], wait: Callable[[], None]) -> float:
    """Median milliseconds of one call of a network alone."""
    import torch

    parameter = next(unet.parameters())
    x, text = (torch.randn(shape, device=parameter.device, dtype=parameter.dtype) for shape in shapes)
    times = []
    with torch.no_grad():
        for _ in range(WARM_UP + CALLS):
            watch = Stopwatch(lambda: unet(x, 500, encoder_hidden_states=text, return_dict=False), wait)
            watch()
            times.append(1e3 * watch.seconds)
    return statistics.median(times[WARM_UP:])


def _frozen(denoiser: Any, settings: Settings, wait: Callable[[], None]) -> tuple[float | None, str]:
    """(milliseconds of one step's call, which it is). Time depends on the architecture, not on the weights."""
    if not FROZEN.is_file():
        return None, "no denoiser is frozen yet: python -m benchmarks freeze"
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    frozen = json.loads(FROZEN.read_text("utf-8"))
    unet = UNet2DConditionModel.from_config(frozen["unet"]).to(denoiser.device).eval()
    (batch, *_), _ = _shapes(denoiser, settings)
    size, channels = frozen["unet"]["sample_size"], frozen["unet"]["in_channels"]
    shapes = ((batch, channels, size, size), (batch, frozen["tokens"], frozen["unet"]["cross_attention_dim"]))
    return call_ms(unet, shapes, wait), f"{frozen['sha256']}, frozen at {frozen['commit'][:12]}"


def weights_sha256(model: str) -> str:
    """SHA-256 of a model's network: config and weights."""
    folder = model_files.locate(model) / "unet"
    return quality.digest([p for p in folder.rglob("*") if p.is_file()], folder)


def freeze(model: str) -> Path:
    """Keep the architecture of today's denoiser, so that later ones are timed beside it."""
    from sjc.models.loading import load_denoiser
    from sjc.output.files import write_json

    denoiser = load_denoiser(model)
    record = {
        "what": "The denoiser that shares of time are given against, as architecture; "
        "its weights do not change its time.",
        "sha256": weights_sha256(model),
        "commit": report.commit(),
        "tokens": int(denoiser.prompt_encoder.encode([PROMPT]).shape[1]),
        "unet": {k: v for k, v in denoiser.unet.config.items() if not k.startswith("_")},
    }
    write_json(FROZEN, record)
    return FROZEN


def text(record: report.Record) -> str:
    """The result as a table."""
    summary, steps = record["summary"], record["steps"]
    frozen = summary["share_outside_frozen_denoiser"]
    peak = summary["peak_gb"]
    rows = [
        ["what", "value"],
        [f"prompt to files, median of {len(record['runs'])}", f"{summary['wall_s']:.1f} s"],
        *([f"  {stage}", f"{seconds:.1f} s"] for stage, seconds in summary["seconds"].items()),
        ["peak memory", "not told" if peak is None else f"{peak:.2f} GB"],
        ["one step", f"{steps['step_ms']:.1f} ms"],
        ["  of it in the denoiser", f"{steps['denoiser_ms_per_step']:.1f} ms"],
        ["share outside the denoiser", f"{100 * summary['share_outside_denoiser']:.0f} %"],
        ["  with the frozen one", "none frozen" if frozen is None else f"{100 * frozen:.0f} %"],
        ["one call of the network alone", f"{steps['network_call_ms']:.1f} ms"],
    ]
    return report.table(rows)


if __name__ == "__main__":
    given = from_json(Path(sys.argv[1]).read_text("utf-8"))
    Path(sys.argv[2]).write_text(json.dumps(inside(given)), "utf-8")

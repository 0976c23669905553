"""Where a step's time goes: the network in every runtime, alone and inside the loop, and what the loop adds to it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks import job, report
from sjc.settings import Settings, validate

if TYPE_CHECKING:
    from sjc.models.text_denoiser import TextDenoiser

RUNTIMES = ("torch", "onnx")
CALLS, QUICK_STEPS = 30, 60


def benchmark(settings: Settings, quick: bool) -> dict[str, Any]:
    """{"device", "summary", "runtimes"}: one run for every runtime, whole or its first QUICK_STEPS steps."""
    import torch

    from sjc.machine.devices import choose_device, device_name
    from sjc.models import distilled
    from sjc.models.loading import load_denoiser

    settings = validate(replace(settings, prompt=job.PROMPT))
    device = choose_device(settings.device)
    wait = (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else (lambda: None)
    steps = min(QUICK_STEPS, settings.steps) if quick else settings.steps
    names = RUNTIMES if device.type == "cpu" else ("torch",)
    once = distilled.built_in(settings)
    denoisers = {name: load_denoiser(settings.model, device=device, runtime=name, built_in=once) for name in names}
    alone = network_alone(denoisers, settings, wait)
    runs = {
        name: {"network_alone_ms": alone[name], **inside(denoiser, replace(settings, runtime=name), steps, wait)}
        for name, denoiser in denoisers.items()
    }
    best = min(runs, key=lambda name: runs[name]["step_ms"])
    fastest = min(alone.values())
    return {
        "device": device_name(device),
        "torch_threads": torch.get_num_threads(),
        "summary": {
            "best_runtime": best,
            "step_ms": runs[best]["step_ms"],
            "network_alone_ms": fastest,
            "step_over_network": round(runs[best]["step_ms"] / fastest, 3),
            "network_gain_over_torch": round(alone["torch"] / alone[best], 2),
            "step_gain_over_torch": round(runs["torch"]["step_ms"] / runs[best]["step_ms"], 2),
        },
        "runtimes": runs,
    }


def network_alone(denoisers: dict[str, TextDenoiser], settings: Settings, wait: Callable[[], None]) -> dict[str, float]:
    """Median milliseconds of what a step asks of the network, the runtimes taking turns."""
    import torch

    calls = {}
    for name, denoiser in denoisers.items():
        views = settings.views_per_step * settings.noises_per_view
        denoise = denoiser.conditioned([job.PROMPT], settings.negative_prompt, settings.guidance)
        x = torch.randn(views, denoiser.channels, denoiser.size, denoiser.size, device=denoiser.device)
        calls[name] = (denoise, x, torch.ones(views))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(CALLS + job.WARM_UP):
        for name, (denoise, x, sigma) in calls.items():
            began = time.perf_counter()
            denoise(x, sigma)
            wait()
            times[name].append(1e3 * (time.perf_counter() - began))
    return {name: round(statistics.median(samples[job.WARM_UP :]), 3) for name, samples in times.items()}


def inside(denoiser: TextDenoiser, settings: Settings, steps: int, wait: Callable[[], None]) -> dict[str, Any]:
    """Mean milliseconds of the parts of the first `steps` steps of a run."""
    from sjc.optimize import Optimization

    network, original = job.Stopwatch(denoiser.network, wait), denoiser.network
    denoiser.network = network
    run = Optimization(settings, denoiser, denoiser.device)
    render = job.Stopwatch(run.render, wait)
    run.render = render
    step = job.Stopwatch(run.advance, wait)
    try:
        while run.step < steps:
            step()
    finally:
        denoiser.network = original
    parts = {"step": step.seconds, "network": network.seconds, "render_forward": render.seconds}
    mean = {f"{name}_ms": round(1e3 * seconds / step.calls, 3) for name, seconds in parts.items()}
    rest = mean["step_ms"] - mean["network_ms"] - mean["render_forward_ms"]
    return {"steps": step.calls, **mean, "backward_and_rest_ms": round(rest, 3)}


def text(record: report.Record) -> str:
    """The result as a table."""
    columns = ("network_alone_ms", "step_ms", "network_ms", "render_forward_ms", "backward_and_rest_ms")
    rows = [["runtime", *(c.removesuffix("_ms").replace("_", " ") + " ms" for c in columns)]]
    rows += [[name, *(str(figures[c]) for c in columns)] for name, figures in record["runtimes"].items()]
    summary = record["summary"]
    sentence = (
        f"A step takes {summary['step_over_network']} times its network alone ({summary['best_runtime']}), "
        f"and is {summary['step_gain_over_torch']} times as fast as with torch."
    )
    return report.table(rows) + "\n\n" + sentence

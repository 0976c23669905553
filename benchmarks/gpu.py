"""One step behind a UNet of Stable Diffusion 1.5's size, against that UNet alone and against a plain loop, in one run.

The weights are random: neither time nor memory depends on their values. The loop is the engine's, its network placed
and captured as `load_denoiser` does it. The plain loop is what one would write first: the torch reference renderer, the
network in eager half precision. The point of reference is the *plain UNet*: diffusers' module as it comes, captured as
one CUDA graph, whatever the engine makes of its own. Beside the times, `activity` says what the device and the host do
in a step, of this loop and of the embedded model's.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import activity, report
from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon
from sjc.guidance.schedules import VESchedule
from sjc.machine import capture
from sjc.machine.devices import device_name
from sjc.models import distilled, graphs, networks, tuning
from sjc.models.loading import load_denoiser
from sjc.models.memory_plan import free_bytes, plan
from sjc.models.placement import Placement
from sjc.models.text_denoiser import TextDenoiser
from sjc.models.text_encoders import Condition
from sjc.optimize import Optimization
from sjc.settings import resolve

PROMPT = "a red mushroom"
STEPS_OF_THE_PAPER = 10_000
# Stable Diffusion 1.5's unet/config.json, where it differs from the library's defaults.
UNET = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
TOKENS = 77
PLAIN_UNET = "plain unet"
COUNTED = ("device_busy_ms", "launches", "synchronisations")  # of a profile, for the summary


@dataclass(frozen=True)
class Size:
    """How much is measured.

    unet: its config; grid: voxels along an edge; blocks of steps, each timed as one; profiled: steps in a profile;
    small: the preset for the embedded model's step.
    """

    unet: dict[str, Any]
    grid: int = 100
    blocks: int = 10
    steps: int = 20
    warm_up: int = 20
    profiled: int = 20
    small: str = "embedded"


WHOLE, QUICK = Size(UNET), Size(UNET, blocks=3, steps=10, warm_up=5, profiled=5)


class RandomPrompts:
    """Stands for a prompt encoder: one random state for all sentences."""

    name, card = "a UNet with random weights", {}

    def __init__(self, width: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self.states = torch.randn(1, TOKENS, width, generator=generator).to(device)

    def conditions(self, texts: list[str]) -> Condition:
        """The same for every sentence."""
        return Condition(self.states.expand(len(texts), -1, -1))

    def unconditional(self, _negative: str) -> Condition:
        """And for the other half."""
        return Condition(-self.states)

    def check_prompt(self, text: object) -> str:
        """Reads everything."""
        return str(text)


def random_unet(config: dict[str, Any], device: torch.device, dtype: torch.dtype) -> Any:
    """A Stable Diffusion UNet with random weights, as diffusers makes it."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    with torch.device(device):
        unet = UNet2DConditionModel(**config)
    return unet.to(dtype).eval().requires_grad_(False)


def random_denoiser(config: dict[str, Any], device: torch.device, dtype: torch.dtype) -> TextDenoiser:
    """A Stable Diffusion UNet with random weights as a denoiser; no autoencoder."""
    unet = random_unet(config, device, dtype)
    numbers = {"unet": sum(parameter.numel() for parameter in unet.parameters())}
    name = str(dtype).removeprefix("torch.")
    placement = Placement(device, plan(numbers, device.type, name, free_bytes(device.type)))
    unet = placement.network(unet)
    if device.type == "cuda":
        tuning.fuse_projections(unet)  # as the loader does it
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    prompts: Any = RandomPrompts(int(unet.config.cross_attention_dim), device)
    call = graphs.replayed(networks.text_unet(unet), placement)
    return TextDenoiser(
        networks.LoadedNetwork(call, lambda: unet, device, dtype),
        networks.PictureFormat(int(unet.config.in_channels), int(unet.config.sample_size)),
        prompts,
        VESchedule.from_alphas_cumprod(torch.cumprod(1 - betas, 0)),
        Epsilon(),
        placement=placement,
    )


def blocks_ms(step: Callable[[], object], size: Size, device: torch.device) -> list[float]:
    """Milliseconds a step, one number for each block of steps; the device is waited for only at a block's ends."""
    for _ in range(size.warm_up):
        step()
    rows = []
    for _ in range(size.blocks):
        activity.wait(device)
        began = time.perf_counter()
        for _ in range(size.steps):
            step()
        activity.wait(device)
        rows.append(round(1e3 * (time.perf_counter() - began) / size.steps, 3))
    return rows


def guided_call(unet: Any, device: torch.device) -> Callable[[], Tensor]:
    """A guided call of a UNet: both halves in one batch of two, with inputs of its own."""
    batch, edge = 2, int(unet.config.sample_size)
    x = torch.randn(batch, int(unet.config.in_channels), edge, edge, device=device, dtype=unet.dtype)
    t = torch.full((batch,), 500, device=device)
    states = torch.randn(batch, TOKENS, int(unet.config.cross_attention_dim), device=device, dtype=unet.dtype)

    @torch.no_grad()
    def call() -> Tensor:
        output: Tensor = unet(x, t, encoder_hidden_states=states, return_dict=False)[0]
        return output

    return call


def network_calls(call: Callable[[], Tensor], name: str, device: torch.device) -> dict[str, Callable[[], object]]:
    """A network's call as it is and, on CUDA, as one captured graph."""
    calls: dict[str, Callable[[], object]] = {name: call}
    if device.type == "cuda":
        calls[f"{name}, CUDA graph"] = capture.capture(call).replay
    return calls


def benchmark(size: Size, device: torch.device | None = None) -> dict[str, Any]:
    """{"device", "summary", "blocks_ms"}. Raises SjcError without CUDA; device: another one, for tests."""
    if device is None:
        if not torch.cuda.is_available():
            raise SjcError("bench gpu needs a CUDA device and torch's CUDA build; there is none here.")
        device = torch.device("cuda")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    settings = resolve(
        "paper", {"prompt": PROMPT, "grid": size.grid, "steps": STEPS_OF_THE_PAPER, "device": device.type}
    )
    times: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    profiles: dict[str, Any] = {}

    def measure(name: str, step: Callable[[], object]) -> None:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        times[name] = blocks_ms(step, size, device)
        if device.type == "cuda":
            peaks[name] = round(torch.cuda.max_memory_allocated(device) / 1e9, 3)

    def look_into(name: str, step: Callable[[], object]) -> None:
        profiles[name] = {
            "activity": activity.of_steps(step, device, size.profiled),
            "host_ms": activity.host_functions(step, device, size.profiled),
        }

    plain_calls = network_calls(guided_call(random_unet(size.unet, device, dtype), device), PLAIN_UNET, device)
    for name, call in plain_calls.items():
        measure(name, call)
    del plain_calls, call
    _free(device)  # it must not count in the loop's memory

    denoiser = random_denoiser(size.unet, device, dtype)
    loop = Optimization(settings, denoiser, device)
    measure("loop", loop.advance)
    look_into("loop", loop.advance)
    for name, call in network_calls(guided_call(denoiser.unet, device), "unet", device).items():
        measure(name, call)
    denoiser.network = graphs.plain(denoiser.network)  # eager from here on
    if device.type == "cuda":
        measure("loop, eager", Optimization(settings, denoiser, device).advance)
    plain = replace(settings, renderer="reference")
    measure("plain loop", Optimization(plain, denoiser, device).advance)
    notes, parameters = denoiser.notes, sum(p.numel() for p in denoiser.unet.parameters())
    del denoiser, loop, call
    _free(device)

    small = embedded_loop(size.small, device)
    measure("embedded model", small.advance)
    look_into("embedded model", small.advance)

    median = {name: statistics.median(samples) for name, samples in times.items()}
    reference = min(ms for name, ms in median.items() if name.startswith(PLAIN_UNET))
    own = min(ms for name, ms in median.items() if name.startswith("unet"))
    of_loop, of_small = profiles["loop"]["activity"], profiles["embedded model"]["activity"]
    return {
        "device": device_name(device),
        "driver": _driver(device),
        "cuda": torch.version.cuda,
        "notes": notes,
        "dtype": str(dtype).removeprefix("torch."),
        "unet_parameters": parameters,
        "grid": size.grid,
        "summary": {
            "step_ms": median["loop"],
            "plain_unet_ms": reference,
            "unet_alone_ms": own,
            "step_over_plain_unet": round(median["loop"] / reference, 3),
            "step_over_unet": round(median["loop"] / own, 3),
            "plain_over_ours": round(median["plain loop"] / median["loop"], 2),
            "minutes_for_10000_steps": round(median["loop"] * STEPS_OF_THE_PAPER / 6e4, 2),
            "peak_gb": peaks.get("loop"),
            "embedded_step_ms": median["embedded model"],
            **{f"loop_{name}": of_loop[name] for name in COUNTED},
            **{f"embedded_{name}": of_small[name] for name in COUNTED},
        },
        "median_ms": median,
        "peak_gb": peaks,
        "blocks_ms": times,
        "profiles": profiles,
    }


def embedded_loop(preset: str, device: torch.device) -> Optimization:
    """The loop with the embedded model and a preset, ready for its first step."""
    settings = resolve(preset, {"prompt": PROMPT, "device": device.type})
    once = distilled.built_in(settings)
    model = load_denoiser(settings.model, device=device, runtime=settings.runtime, built_in=once)
    return Optimization(settings, model, device)


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _driver(device: torch.device) -> str | None:
    """The NVIDIA driver's version, where there is one."""
    if device.type != "cuda":
        return None
    version = Path("/proc/driver/nvidia/version")
    return version.read_text("utf-8").splitlines()[0] if version.is_file() else "unknown"


MUST = (
    ("step_over_plain_unet", 1.15),
    ("minutes_for_10000_steps", 2.0),
    ("embedded_step_ms", 6.0),
    ("peak_gb", 2.5),
    ("embedded_synchronisations", 0),
    ("embedded_launches", 10),
)


def text(record: report.Record) -> str:
    """The result as a table, what a step makes device and host do, and what it must reach."""
    lines = [["what", "ms a step", "peak GB"]]
    for name, ms in record["median_ms"].items():
        lines.append([name, f"{ms:.2f}", str(record["peak_gb"].get(name, "-"))])
    s = record["summary"]
    summary = (
        f"A step takes {s['step_over_plain_unet']} times the plain UNet and {s['step_over_unet']} times its own; "
        f"a plain loop {s['plain_over_ours']} times as long; 10,000 steps {s['minutes_for_10000_steps']} minutes."
    )
    reached = [
        f"{name} {s[name]}: {'reached' if s[name] <= limit else 'missed'}, at most {limit:g}"
        for name, limit in MUST
        if s[name] is not None
    ]
    parts = [report.table(lines), "", summary]
    for name, profile in record["profiles"].items():
        parts += ["", activity.lines(name, profile["activity"]), _functions(profile["host_ms"])]
    return "\n".join([*parts, "", *reached, *record["notes"]])


def _functions(rows: dict[str, list[dict[str, Any]]]) -> str:
    """The host's functions, the slowest first, by their own time and with what they call."""
    heads = {"own": "function, its own time", "with_calls": "function of the engine, with its calls"}
    return "\n\n".join(
        report.table([[heads[kind], "ms a step"], *([row["function"], f"{row['ms']:.3f}"] for row in rows[kind])])
        for kind in heads
        if rows[kind]
    )

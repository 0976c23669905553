"""One step behind a UNet of Stable Diffusion 1.5's size, against that UNet alone and against a plain loop, in one run.

The weights are random: neither time nor memory depends on their values. The loop is the engine's, its network placed
and captured as `load_denoiser` does it. The plain loop is what one would write first: the torch reference renderer, the
network in eager half precision.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import report
from benchmarks.render import device_name
from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon
from sjc.guidance.schedules import VESchedule
from sjc.models import graphs, networks
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


@dataclass(frozen=True)
class Size:
    """How much is measured: unet, its config; grid, voxels along an edge; blocks of steps, each timed as one."""

    unet: dict[str, Any]
    grid: int = 100
    blocks: int = 10
    steps: int = 20
    warm_up: int = 20


WHOLE, QUICK = Size(UNET), Size(UNET, blocks=3, steps=10, warm_up=5)


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


def random_denoiser(config: dict[str, Any], device: torch.device, dtype: torch.dtype) -> TextDenoiser:
    """A Stable Diffusion UNet with random weights as a denoiser; no autoencoder."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    torch.manual_seed(0)
    with torch.device(device):
        unet = UNet2DConditionModel(**config)
    unet = unet.to(dtype).eval().requires_grad_(False)
    numbers = {"unet": sum(parameter.numel() for parameter in unet.parameters())}
    name = str(dtype).removeprefix("torch.")
    placement = Placement(device, plan(numbers, device.type, name, free_bytes(device.type)))
    unet = placement.network(unet)
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

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    for _ in range(size.warm_up):
        step()
    rows = []
    for _ in range(size.blocks):
        wait()
        began = time.perf_counter()
        for _ in range(size.steps):
            step()
        wait()
        rows.append(round(1e3 * (time.perf_counter() - began) / size.steps, 3))
    return rows


def network_calls(denoiser: TextDenoiser, device: torch.device) -> dict[str, Callable[[], object]]:
    """A guided call of the network alone: as the loop makes it, and on CUDA as one captured graph."""
    batch, edge = 2, denoiser.size
    x = torch.randn(batch, denoiser.channels, edge, edge, device=device, dtype=denoiser.dtype)
    t = torch.full((batch,), 500, device=device)
    states = denoiser.prompt_encoder.conditions([PROMPT] * batch).states.to(denoiser.dtype)

    @torch.no_grad()
    def call() -> Tensor:
        output: Tensor = denoiser.unet(x, t, encoder_hidden_states=states, return_dict=False)[0]
        return output

    calls: dict[str, Callable[[], object]] = {"unet": call}
    if device.type == "cuda":
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream(device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        calls["unet, CUDA graph"] = graph.replay
    return calls


def benchmark(size: Size, device: torch.device | None = None) -> dict[str, Any]:
    """{"device", "summary", "blocks_ms"}. Raises SjcError without CUDA; device: another one, for tests."""
    if device is None:
        if not torch.cuda.is_available():
            raise SjcError("bench gpu needs a CUDA device and torch's CUDA build; there is none here.")
        device = torch.device("cuda")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    denoiser = random_denoiser(size.unet, device, dtype)
    settings = resolve(
        "paper", {"prompt": PROMPT, "grid": size.grid, "steps": STEPS_OF_THE_PAPER, "device": device.type}
    )
    times: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}

    def measure(name: str, step: Callable[[], object]) -> None:
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        times[name] = blocks_ms(step, size, device)
        if device.type == "cuda":
            peaks[name] = round(torch.cuda.max_memory_allocated(device) / 1e9, 3)

    measure("loop", Optimization(settings, denoiser, device).advance)
    for name, call in network_calls(denoiser, device).items():
        measure(name, call)
    denoiser.network = graphs.plain(denoiser.network)  # eager from here on
    if device.type == "cuda":
        measure("loop, eager", Optimization(settings, denoiser, device).advance)
    plain = replace(settings, renderer="reference")
    measure("plain loop", Optimization(plain, denoiser, device).advance)
    median = {name: statistics.median(samples) for name, samples in times.items()}
    alone = min(ms for name, ms in median.items() if name.startswith("unet"))
    return {
        "device": device_name(device.type),
        "driver": _driver(device),
        "cuda": torch.version.cuda,
        "notes": denoiser.notes,
        "dtype": str(dtype).removeprefix("torch."),
        "unet_parameters": sum(p.numel() for p in denoiser.unet.parameters()),
        "grid": size.grid,
        "summary": {
            "step_ms": median["loop"],
            "unet_alone_ms": alone,
            "step_over_unet": round(median["loop"] / alone, 3),
            "plain_over_ours": round(median["plain loop"] / median["loop"], 2),
            "minutes_for_10000_steps": round(median["loop"] * STEPS_OF_THE_PAPER / 6e4, 2),
            "peak_gb": peaks.get("loop"),
        },
        "median_ms": median,
        "peak_gb": peaks,
        "blocks_ms": times,
    }


def _driver(device: torch.device) -> str | None:
    """The NVIDIA driver's version, where there is one."""
    if device.type != "cuda":
        return None
    version = Path("/proc/driver/nvidia/version")
    return version.read_text("utf-8").splitlines()[0] if version.is_file() else "unknown"


MUST = (("step_over_unet", 1.15), ("minutes_for_10000_steps", 2.0), ("peak_gb", 4.0))


def text(record: report.Record) -> str:
    """The result as a table, and what it must reach."""
    lines = [["what", "ms a step", "peak GB"]]
    for name, ms in record["median_ms"].items():
        lines.append([name, f"{ms:.2f}", str(record["peak_gb"].get(name, "-"))])
    s = record["summary"]
    summary = (
        f"A step takes {s['step_over_unet']} times the UNet alone; a plain loop {s['plain_over_ours']} times as long; "
        f"10,000 steps {s['minutes_for_10000_steps']} minutes."
    )
    reached = [
        f"{name} {s[name]}: {'reached' if s[name] <= limit else 'missed'}, at most {limit:g}"
        for name, limit in MUST
        if s[name] is not None
    ]
    return "\n".join([report.table(lines), "", summary, *reached, *record["notes"]])

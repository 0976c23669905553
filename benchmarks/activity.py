"""What a step makes the device and the host do: busy time, launches, waits, copies, and the host's time by function.

`of_steps` reads torch's profiler, `host_functions` reads cProfile. A profiler slows the host down, so neither gives the
time of a step: they say what there is of everything, and where the host's time goes.
"""

from __future__ import annotations

import cProfile
import pstats
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

MARK = "sjc step"  # the name that every profiled step has among the profiler's events
LAUNCH = re.compile(r"^(cuda|cu|hip)(Ext)?(Module)?Launch(Cooperative)?Kernel")
GRAPH = re.compile(r"^(cuda|cu|hip)GraphLaunch")
WAIT = re.compile(r"^(cuda|cu|hip)((Stream|Device|Event|Ctx)Synchronize|Memcpy(?!\w*Async))")
COPY = re.compile(r"^Memcpy (\w+)")
DIRECTIONS = {"HtoD": "host to device", "DtoH": "device to host", "DtoD": "device to device"}
FUNCTIONS = 12  # of the host get a line of their own


@dataclass(frozen=True)
class Event:
    """One entry of a profile.

    device: whether it ran on the device rather than on the host; start, end: microseconds; parent: the name of the
    event on the host that it lies in, "" for none.
    """

    name: str
    device: bool
    start: float
    end: float
    parent: str = ""


def events_of(entries: Iterable[Any]) -> list[Event]:
    """The events that torch's profiler recorded (`torch.profiler.profile.events`)."""
    return [
        Event(
            entry.name,
            entry.device_type != torch.autograd.DeviceType.CPU,
            entry.time_range.start,
            entry.time_range.end,
            entry.cpu_parent.name if entry.cpu_parent is not None else "",
        )
        for entry in entries
    ]


def summary(events: Sequence[Event]) -> dict[str, Any]:
    """What happened in the marked steps, as numbers a step.

    {"steps", "operators", "launches", "graph_launches", "synchronisations", "device_busy_ms", "kernels", "copies"}.
    `operators`: torch's, those inside others not counted; `launches`: of single kernels, outside captured graphs;
    `kernels`: that ran, inside graphs, too; `copies`: {direction: number}. The last three are None where the profile
    has nothing of a device. Raises ValueError without a marked step.
    """
    marks = sorted((event.start, event.end) for event in events if event.name == MARK and not event.device)
    if not marks:
        raise ValueError(f'no event of the profile is named "{MARK}"')
    steps = len(marks)
    host = [e for e in events if not e.device and e.name != MARK and any(a <= e.start <= b for a, b in marks)]
    device = [e for e in events if e.device and e.name != MARK and e.end > e.start]

    def number(matching: Iterable[Any]) -> float:
        return round(sum(1 for _ in matching) / steps, 2)

    copies = Counter(
        DIRECTIONS.get(match[1], match[1]) for event in device if (match := COPY.match(event.name)) is not None
    )
    return {
        "steps": steps,
        "operators": number(e for e in host if e.name.startswith("aten::") and not e.parent.startswith("aten::")),
        "launches": number(_outermost([e for e in host if LAUNCH.match(e.name)])),
        "graph_launches": number(_outermost([e for e in host if GRAPH.match(e.name)])),
        "synchronisations": number(_outermost([e for e in host if WAIT.match(e.name)])),
        "device_busy_ms": round(_covered(device) / 1e3 / steps, 3) if device else None,
        "kernels": number(e for e in device if not e.name.startswith("Mem")) if device else None,
        "copies": {name: round(n / steps, 2) for name, n in copies.items()} if device else None,
    }


def _outermost(events: list[Event]) -> list[Event]:
    """Without those inside others: CUDA's runtime calls the driver, and both are in a profile."""
    outer: list[Event] = []
    for event in sorted(events, key=lambda e: (e.start, -e.end)):
        if not any(event.end <= other.end and event.start >= other.start for other in outer[-4:]):
            outer.append(event)
    return outer


def _covered(events: list[Event]) -> float:
    """Microseconds in which at least one of the events ran."""
    covered, until = 0.0, float("-inf")
    for event in sorted(events, key=lambda e: e.start):
        covered += max(0.0, event.end - max(event.start, until))
        until = max(until, event.end)
    return covered


def of_steps(step: Callable[[], object], device: torch.device, steps: int) -> dict[str, Any]:
    """The `summary` of that many calls of `step`, by torch's profiler; the device is waited for at both ends."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    wait(device)
    with profile(activities=activities, acc_events=True) as recorded:
        for _ in range(steps):
            with record_function(MARK):
                step()
        wait(device)
    return summary(events_of(recorded.events() or ()))


def host_functions(step: Callable[[], object], device: torch.device, steps: int) -> dict[str, list[dict[str, Any]]]:
    """The host's milliseconds a step by function, by cProfile: {"own": rows, "with_calls": rows}, most first.

    `own` counts a function's own lines and has every function; `with_calls` counts what it calls, too, and has the
    engine's functions only. A row: {"function", "ms", "calls"}.
    """
    wait(device)
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(steps):
        step()
    wait(device)
    profiler.disable()
    rows = [
        {"function": _name(*place), "own": 1e3 * own / steps, "with_calls": 1e3 * whole / steps, "calls": calls / steps}
        for place, (_, calls, own, whole, _callers) in pstats.Stats(profiler).stats.items()  # type: ignore[attr-defined]
    ]

    def slowest(key: str, chosen: list[dict[str, Any]]) -> list[dict[str, Any]]:
        chosen = sorted(chosen, key=lambda row: -row[key])[:FUNCTIONS]
        return [
            {"function": row["function"], "ms": round(row[key], 3), "calls": round(row["calls"], 2)} for row in chosen
        ]

    return {
        "own": slowest("own", rows),
        "with_calls": slowest("with_calls", [r for r in rows if r["function"][:4] == "sjc/"]),
    }


def _name(path: str, line: int, function: str) -> str:
    """Such as "sjc/optimize.py:210 advance"; for a built-in function its name alone."""
    if path == "~":
        return function
    parts = Path(path).parts
    packages = [i for i, part in enumerate(parts) if part in ("sjc", "torch", "diffusers", "warp")]
    inside = parts[packages[-1] if packages else -1 :]
    return f"{'/'.join(inside)}:{line} {function}"


def wait(device: torch.device) -> None:
    """Until the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def lines(name: str, figures: dict[str, Any]) -> str:
    """A `summary` as one sentence."""
    busy = figures["device_busy_ms"]
    if busy is None:
        return f"{name}: {figures['operators']:g} operators of torch a step; the profile has nothing of a device."
    copies = ", ".join(f"{number:g} {direction}" for direction, number in figures["copies"].items()) or "none"
    return (
        f"{name}: the device is busy for {busy:g} ms of a step, with {figures['kernels']:g} kernels; the host makes "
        f"{figures['launches']:g} launches outside graphs and {figures['graph_launches']:g} of graphs, and waits "
        f"{figures['synchronisations']:g} times; copies: {copies}."
    )

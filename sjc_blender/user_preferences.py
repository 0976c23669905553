"""What the add-on's preferences mean for jobs, worker and history. `ui/preferences.py` draws and registers them."""

from __future__ import annotations

from typing import Any

from . import places
from .backend.sjc.remote.ssh import Other
from .install import environment
from .worker.process import Times

ADD_ON = __package__  # the name under which Blender knows the add-on, e.g. bl_ext.user_default.sjc_blender


def defaults() -> dict[str, Any]:
    """Settings of a new job that come from the preferences, where the scene does not say otherwise."""
    device = getattr(places.preferences(), "device", "auto").strip()
    return {} if device in ("", "auto") else {"device": device}


def cluster_address() -> str:
    """Where *Batch on Cluster* makes its jobs, as `api.batch` takes it."""
    return str(getattr(places.preferences(), "cluster_address", "")).strip() or "local"


def other_is_used() -> bool:
    """Whether another computer does the jobs."""
    return bool(getattr(places.preferences(), "other_use", False))


def other_computer() -> Other:
    """The other computer of the preferences.  Raises SjcError where something is missing."""
    chosen = places.preferences()
    names = ("other_host", "other_python", "other_folder")
    return Other(*(str(getattr(chosen, name, "")).strip() for name in names))


def worker_command() -> list[str]:
    """How to start the worker, here or for another computer. Raises SjcError as `places.worker_command`."""
    return environment.other_command(other_computer()) if other_is_used() else places.worker_command()


def worker_environment() -> dict[str, str]:
    """Further variables of the worker's process."""
    threads = getattr(places.preferences(), "threads", 0)
    return {"OMP_NUM_THREADS": str(threads)} if threads else {}


def worker_times() -> Times:
    """How long to wait for the worker."""
    chosen, usual = places.preferences(), Times()
    hello = float(getattr(chosen, "start_seconds", usual.hello))
    return Times(hello=hello, silence=float(getattr(chosen, "silence_seconds", usual.silence)))


def history_limits() -> tuple[int, int]:
    """(snapshots, bytes) that a job keeps for the timeline, as `scene.history.thin` takes them."""
    chosen = places.preferences()
    return getattr(chosen, "history_count", 100), getattr(chosen, "history_mb", 1000) * 1_000_000

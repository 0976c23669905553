"""What the add-on's preferences mean for jobs, worker and history. `ui/preferences.py` draws and registers them."""

from __future__ import annotations

from typing import Any

from . import places
from .worker.process import Times

ADD_ON = __package__  # the name under which Blender knows the add-on, e.g. bl_ext.user_default.sjc_blender


def defaults() -> dict[str, Any]:
    """Settings of a new job that come from the preferences, where the scene does not say otherwise."""
    device = getattr(places.preferences(), "device", "auto").strip()
    return {} if device in ("", "auto") else {"device": device}


def cluster_address() -> str:
    """Where *Batch on Cluster* makes its jobs, as `api.batch` takes it."""
    return str(getattr(places.preferences(), "cluster_address", "")).strip() or "local"


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

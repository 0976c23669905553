"""What a finished job says of itself: run.json."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..machine.devices import device_name, versions
from . import start_files

if TYPE_CHECKING:
    from ..output.mesh import Mesh
    from .run import JobRun


def record_of(run: JobRun, mesh: Mesh) -> dict[str, Any]:
    """What the run.json of a finished run holds."""
    report = asdict(mesh.report) if mesh.report else {}
    return {
        "version": __version__,
        "settings": asdict(run.settings),
        "parent": start_files.parent(run.folder, run.settings),
        "model": {
            "source": run.denoiser.origin.source,
            "revision": run.denoiser.origin.revision,
            "loras": list(run.denoiser.origin.loras),
            "mv_adapter": run.denoiser.origin.views_adapter,
            "control": run.denoiser.origin.control,
            "guidance_built_in": run.denoiser.built_in,
        },
        "device": device_name(run.device),
        "versions": versions(),
        "seconds": {k: round(v, 2) for k, v in run.seconds.items()},
        "final": {k: v[-1] for k, v in run.history.items()},
        "mesh": {**report, "warnings": list(report.get("warnings", ()))},
        **({"start": run.start.record} if run.start else {}),
        "warnings": run.warnings,
    }

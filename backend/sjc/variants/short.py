"""One variant: a job that stops early, and shows its mesh and a picture of what it is then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..appearance.views import arrays
from ..errors import SjcError
from ..job import export
from ..job.run import JobRun, Stopped
from ..output.glb import write_glb
from ..output.mesh import extract_mesh
from . import plan

if TYPE_CHECKING:
    from pathlib import Path

    from ..guidance.denoiser import Denoiser
    from ..job.progress import Event, Report
    from ..settings import Settings


class ShortRun(JobRun):
    """Runs a job folder to the step at which a variant stops.  Arguments as of `JobRun`."""

    def __init__(
        self, folder: Path, settings: Settings, report: Report, stop: Callable[[], bool], denoiser: Denoiser
    ) -> None:
        super().__init__(folder, settings, self._tell, self._at_end, denoiser=denoiser)
        self.preview = True
        self.last_step = plan.short_steps(settings)
        self._report_on, self._asked = report, stop

    def run(self) -> dict[str, Any]:
        """Do the short part, write mesh and picture; returns {}. Raises SjcError, and Stopped if it was asked to."""
        self.load()
        try:
            self._optimise()
        except Stopped:
            if self.optimization.step < self.last_step:
                raise
        self._report_status("export", "writing mesh and picture")
        self._show()
        return {}

    def _tell(self, event: Event) -> None:
        """A variant's progress counts to the step at which it stops."""
        if event["type"] == "progress":
            left = max(0, self.last_step - event["step"])
            event = {**event, "total": self.last_step, "eta_s": round(left / max(event["it_s"], 1e-9), 1)}
        self._report_on(event)

    def _at_end(self) -> bool:
        return self._asked() or self.optimization.step >= self.last_step

    def _show(self) -> None:
        """variant.glb and variant.png; a field in which nothing stands yet has the picture alone."""
        field, settings = self.optimization.field, self.settings
        export.write_picture(self.folder / plan.PICTURE, self.appearance.true(field), settings)
        density, color = arrays(field, self.appearance.paint)
        try:
            mesh = extract_mesh(density, color, settings.mesh_threshold, settings.mesh_faces)
        except SjcError:
            return
        write_glb(self.folder / plan.MESH, mesh, settings.prompt, export.mesh_extras(settings))

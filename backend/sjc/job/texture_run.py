"""A job that textures a mesh instead of making a shape. Its folder, its events and how it goes on are every job's."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import SjcError
from ..output.colour import painted
from ..output.glb import read_glb, write_glb
from ..output.mesh import Mesh
from ..texturing import consensus, depth, painted_mesh, surface, viewpoints
from ..texturing.correction import Correction
from ..texturing.shared_views import POWERS, Present, SharedViews
from . import export, inputs
from . import folder as job_folder
from .background import BackgroundWriter
from .run import JobRun

if TYPE_CHECKING:
    from ..optimize import Optimization

TEXTURE_SIZE = 1024  # where the settings name none
MOST_SHOWN = 200_000  # triangles of a mesh that is shown while the job works
UNSEEN = 0.05  # share of the texels that no view sees, from which on a person is told


class TextureRun(JobRun):
    """Runs one job folder whose settings name a surface."""

    mesh: Mesh
    textured: Mesh
    draft: painted_mesh.Draft | None = None

    def load(self) -> None:
        """As `JobRun.load`; reads the mesh, too, so that a bad one costs no folder. Raises SjcError."""
        if not self.loaded:
            self.mesh = read(inputs.path(self.folder, self.settings.surface))
        # What it costs to ask twice is little here, and the lowest levels go without guidance.
        self.settings = replace(self.settings, distilled=False)
        super().load()
        self.settings = replace(self.settings, texture_size=self.settings.texture_size or TEXTURE_SIZE)

    def _begun(self) -> Optimization:
        self._report_status("unwrap", "laying out the texture")
        self.mesh = painted_mesh.laid_out(self.mesh, self.settings.texture_size)
        self.surface = surface.Surface(self.mesh, self.device)
        cameras = viewpoints.choose(self.surface, self.settings)
        shadow = consensus.cast(self.surface, cameras, self.denoiser.size)
        self._report_status("texture", f"painting from {len(cameras)} sides")
        strength, present = self.settings.surface_strength, None
        if strength < 1:  # a latent model's start is encoded from pictures as large as those that it decodes
            autoencoder = self.denoiser.autoencoder
            size = self.denoiser.size * (autoencoder.factor if autoencoder else 1)
            fine_shadow = consensus.cast(self.surface, cameras, size) if autoencoder else shadow
            present = Present(fine_shadow, self._present(fine_shadow))
        edge = self.denoiser.control_size
        depths = depth.pictures(self.surface, cameras, edge) if edge else None
        guided = not self.settings.sharpen_colors
        views = SharedViews(self.settings, self.denoiser, shadow, present, strength, depths, guided=guided)
        return cast("Optimization", views)

    @property
    def views(self) -> SharedViews:
        """The state of the views."""
        return cast("SharedViews", self.optimization)

    def _present(self, shadow: consensus.Shadow) -> torch.Tensor:
        """The mesh's present colours at every pixel's place, sRGB-encoded."""
        return torch.from_numpy(
            painted_mesh.present(self.mesh, shadow.face.cpu().numpy(), shadow.weights.cpu().numpy())
        )

    def _step(self, _writer: BackgroundWriter) -> None:
        self.views.advance()
        self._report_new_notes()
        self._report_progress(self.views.step, self.views.steps, {}, self._rate.tick())
        if self.preview and len(self.mesh.faces) <= MOST_SHOWN and not self.views.done:
            with contextlib.suppress(Exception):  # the next level can be seen again
                self._show()
        if self._checkpoint_due():
            self._save_checkpoint()

    def _show(self) -> None:
        """The mesh as it looks now, for whoever watches: quickly, a latent model's colours by the affine map."""
        self.draft = self.draft or painted_mesh.Draft(self.mesh, self.surface, self.views.shadow)
        values = self.views.surface_values(self.views.pictures).float().cpu().numpy()
        shown = self.draft(painted(values, self.appearance.paint).astype(np.float32))
        write_glb(self.folder / job_folder.PAINTED, shown, self.settings.prompt, {})
        self.report({"type": "painted", "step": self.views.step})

    def _made(self) -> dict[str, Any]:
        """Nothing: pictures need no more words."""
        return {}

    def _report_early_end(self) -> None:
        """Every level is made."""

    def _report_step(self, _step: int, _losses: dict[str, float], _steps_per_second: float) -> None:
        """Levels measure nothing."""

    def _export(self) -> Mesh:
        shadow, colors = self._pictures()
        size = self.settings.texture_size
        if self.settings.sharpen_colors:
            correction = Correction(shadow, self._present(shadow), torch.from_numpy(colors))
            mesh, unseen = painted_mesh.corrected(self.mesh, self.surface, correction, size), 0.0
        else:
            mesh, unseen = painted_mesh.painted(self.mesh, self.surface, shadow, colors, size, POWERS[1])
        self.textured = mesh
        if unseen > UNSEEN:
            self._warn(f"No camera sees {100 * unseen:.0f} % of the texture; it has the colors of its neighbors.")
        self._check_stop()
        write_glb(self.folder / job_folder.MESH, mesh, self.settings.prompt, export.mesh_extras(self.settings))
        (self.folder / job_folder.PAINTED).unlink(missing_ok=True)
        look = painted_mesh.look(mesh, self.surface)
        export.write_pictures(self.folder, look, self.settings, self._warn, self._check_stop)
        return mesh

    def _pictures(self) -> tuple[consensus.Shadow, NDArray[np.float32]]:
        """What the cameras see of the shape in the finished pictures, and the surface's colours there, sRGB."""
        views, autoencoder = self.views, self.denoiser.autoencoder
        shadow, shade = views.shadow, float(self.denoiser.card.get("mean_shade", 1.0))
        values = views.surface_values(views.pictures)
        if autoencoder is not None:
            from ..appearance.latent import restored

            with torch.no_grad():
                parts = [restored(autoencoder, one) for one in views.pictures.split(1)]
            rgb = torch.cat(parts)
            shadow = consensus.cast(self.surface, shadow.cameras, rgb.shape[-1])
            values = rgb.permute(0, 2, 3, 1).reshape(-1, 3)
        return shadow, ((values + 1) / (2 * shade)).clamp(0, 1).float().cpu().numpy()


def read(path: Any) -> Mesh:
    """The mesh of a .glb file. Raises SjcError, one line, for what cannot be textured."""
    try:
        mesh = read_glb(path, keep_uv=True)
    except (KeyError, IndexError, TypeError, ValueError, struct.error) as error:
        raise SjcError(f"{path} is damaged: it does not hold what a glTF file must; export it again.") from error
    surface.check(mesh)
    return mesh

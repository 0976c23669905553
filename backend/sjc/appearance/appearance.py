"""How a model's field looks: pixels as they are; latents by an affine map while they grow, decoded at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..field.grid import VoxelField
    from ..guidance.denoiser import Denoiser
    from ..output.bake import View
    from ..output.mesh import Mesh
    from ..settings import Settings
    from .reference import Reference
    from .views import Look, Paint


class Appearance:
    """What fields made with this denoiser look like. Raises SjcError if its autoencoder does not fit it.

    references: pictures whose colours a field of pixels takes.
    """

    def __init__(self, denoiser: Denoiser, settings: Settings, references: Sequence[Reference] = ()) -> None:
        self.references = references if settings.picture_recolor else ()
        self.autoencoder, self.size, self.settings = denoiser.autoencoder, denoiser.size, settings
        self.mean_shade = float(denoiser.card.get("mean_shade", 1.0))
        if self.autoencoder is not None:
            self.autoencoder.check_channels(denoiser.channels)

    @cached_property
    def paint(self) -> Paint:
        """From the model's values to colour: exact for pixels, the nearest affine map for latents."""
        if self.autoencoder is not None:
            from .latent import latent_paint

            return latent_paint(self.autoencoder, self.mean_shade)
        from ..output.colour import pixel_paint

        return pixel_paint(self.mean_shade)

    def paint_of(self, field: VoxelField) -> Paint:
        """The paint of one field: with reference pictures what makes it look most like them."""
        if not self.references or self.autoencoder is not None:
            return self.paint
        from .reference import fitted_map

        return repainted(self.paint, fitted_map(field, self.references, self.settings.renderer))

    def latent(self, field: VoxelField) -> NDArray[np.float32] | None:
        """[N,N,N,C] what a latent model's field holds, None for pixels."""
        from .views import channels

        return None if self.autoencoder is None else channels(field)

    def painted(self, field: VoxelField) -> Look:
        """Pictures by the paint: quick."""
        from .views import views

        return partial(views, field, paint=self.paint_of(field), render_name=self.settings.renderer)

    def true(self, field: VoxelField) -> Look:
        """Pictures in the colours that the model means: latents are decoded."""
        if self.autoencoder is None:
            return self.painted(field)
        from .latent import views

        return partial(
            views,
            field,
            autoencoder=self.autoencoder,
            latent_size=self.size,
            render_name=self.settings.renderer,
            mean_shade=self.mean_shade,
        )

    def around(self, field: VoxelField) -> list[View]:
        """Decoded views from all sides for a latent model, none for pixels."""
        if self.autoencoder is None:
            return []
        from .latent import around

        return around(field, self.autoencoder, self.size, self.settings, self.mean_shade)

    def recolor(
        self, decoded: list[View], density: NDArray[np.float32], color: NDArray[np.float32]
    ) -> Callable[[Mesh], Mesh]:
        """A function that gives a mesh of the volume its true colours.

        decoded: the views of `around`. density [N,N,N], color [N,N,N,3] as `volume` returns it: where the volume's
        colours are true, the mesh takes a share of them.
        """
        if not decoded:
            return lambda mesh: mesh
        from ..output.surface_color import surface_sampler
        from .latent import true_colors

        def recolored(mesh: Mesh) -> Mesh:
            volume = None
            if self.settings.rgb_grid and mesh.report:
                volume = surface_sampler(density, color, mesh.report.threshold)
            return true_colors(mesh, decoded, 2 / len(density), self.settings.texture_size, volume)

        return recolored

    def volume(
        self, field: VoxelField, color: NDArray[np.float32], decoded: list[View]
    ) -> tuple[NDArray[np.float32], str]:
        """The volume's colours [N,N,N,3], scene-linear, and how true they are: "final" or "preview"."""
        if not decoded:
            return color, "final"
        if not self.settings.rgb_grid:
            return color, "preview"
        from ..output.colour import linear_to_srgb, srgb_to_linear
        from .latent import BACKDROP
        from .rgb_grid import fitted

        start, backdrop = linear_to_srgb(color), min(BACKDROP / self.mean_shade, 1.0)
        colors = fitted(field, decoded, start, backdrop, self.settings.renderer)
        return srgb_to_linear(colors), "final"


def repainted(paint: Paint, affine: NDArray[np.float64]) -> Paint:
    """The paint [C+1,3] of values that the affine map [C+1,C] changes first."""
    import numpy as np

    changed = affine @ paint[:-1]
    changed[-1] += paint[-1]
    return np.asarray(changed)

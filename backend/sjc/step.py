"""One step in two parts: what the host draws and decides, and what the device computes from it.

The device's part (`gradients`) reads nothing on the host: the numbers of a step, random or falling over the run, come
as tensors by name.  So the device need not be waited for, and all of a step can be captured as one graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import SjcError
from .field.cameras import CameraPrior, Cameras, pixel_rays, sample_cameras, sample_rings
from .field.grid import VoxelField
from .field.lamp import Lamps, lamps_of, shaded
from .field.picture_terms import color_map, identity_map, photometric, seen_from, silhouette
from .field.regularizers import (
    carving,
    center_depth_loss,
    emptiness_loss,
    emptiness_weight,
    opacity_entropy,
    total_variation,
)
from .field.render_reference import Rendered, composite, full_depth
from .field.start import Start, is_block_out, leniency, occupancy_prior, prior_weight
from .field.surface_noise import cell_edge, surface_noise
from .guidance.denoiser import TwoPart
from .guidance.inversion import Inversion, ladder
from .guidance.paas import Denoise, host_noise, paas
from .guidance.perp_neg import negatives
from .guidance.prompts import view_prompt
from .guidance.scales import guidance_scales
from .guidance.schedules import level_at, sigma_law
from .settings import Settings

if TYPE_CHECKING:
    from .appearance.reference import Reference
    from .guidance.denoiser import Denoiser

OnViews = Callable[[Cameras, Tensor], None]
"""Called in every step before the denoiser is asked: cameras of V views, the background [V*R,C] of R rays each."""

Given = Mapping[str, Tensor]
"""What the host gives a step, by name: eye [V,3], rotation [V,3,3], fov_deg [V], sigma [V], noise [n,V or 1,C,S,S],
rates [2] of learning, weights [4] (emptiness, carving, clip, prior), background [V,C] unless it is learned, in steps
that look at a reference picture its picture_eye [1,3], picture_rotation [1,3,3], picture_fov_deg [1] and picture
[C+1,S,S], and what the host's part of the denoiser gives."""

MEASURED = ("sigma", "score", "opacity", "emptiness", "gradient", "total")
"""What a step measures: mean noise level, RMS of the score's pull, mean opacity, emptiness loss, norm of the voxels'
gradient, and a sum that is finite if loss and gradient are."""


def score_clip(settings: Settings, step: int) -> float:
    """The bound on the score at this step, 0 for none: from score_clip towards score_clip_end in equal steps.

    Dynamic score clipping (D-SDS, arXiv 2303.15413, Sec. 4.1): low while the shape forms, high for its details.
    """
    start, end = settings.score_clip, settings.score_clip_end or settings.score_clip
    return start + (end - start) * step / settings.steps


ANNEALED_ALREADY = 0.8  # of the noise's way down, by a start that is to be kept


def noise_progress(settings: Settings, step: int) -> float:
    """How far the noise level is on its way down at this step, 0 to 1.

    From a block-out the run begins lower, as SDEdit does (Meng et al. 2022, arXiv 2108.01073): noise above the level at
    which a shape is still seen would only erase it.
    """
    begun = ANNEALED_ALREADY * settings.start_strength if is_block_out(settings.start) else 0.0
    return 1 - settings.start_noise * (1 - begun) * (1 - step / settings.steps)


def learning_rates(settings: Settings, step: int) -> tuple[float, float]:
    """Of the field and of its learned background, falling in a line to learning_rate_end of what they were."""
    fall = 1 + (settings.learning_rate_end - 1) * (step / settings.steps)
    return settings.learning_rate * fall, settings.background_learning_rate * fall


@dataclass(frozen=True)
class Drawn:
    """What the host drew and decided for one step.

    cameras: of the views.  denoise: the model under the words of these views.  tensors: as `Given`, on the host.
    inversion: what finds the renders' own noise, None where it is drawn.  lamps: None where no view is lit.
    """

    cameras: Cameras
    denoise: Denoise
    tensors: dict[str, Tensor]
    inversion: Inversion | None = None
    lamps: Lamps | None = None

    @property
    def obstacle(self) -> str:
        """Why the device's part cannot be captured; "" if the denoiser has nothing against it."""
        if "picture" in self.tensors:
            return "colors are fitted to a reference picture"
        return self.denoise.obstacle if isinstance(self.denoise, TwoPart) else "the model works on the host as well"


class Draw:
    """The host's part of a step.

    generator: whatever a step draws comes from it, always in the same order, so that a seed means the same on every
        device.
    references: pictures of the object, of which a step looks at one, in turn.
    """

    def __init__(
        self, settings: Settings, denoiser: Denoiser, generator: torch.Generator, references: Sequence[Reference] = ()
    ) -> None:
        self.references = references
        self.settings, self.denoiser, self.generator = settings, denoiser, generator
        s = settings
        self.backdrop: Callable[[Tensor], Tensor] | None = None
        if denoiser.autoencoder is not None and s.background != "learned":
            from .appearance.latent import Backdrop

            self.backdrop = Backdrop(denoiser.autoencoder)
        highest = s.sigma_max
        if s.sigma_schedule == "uniform" and s.start_noise < 1:  # what does not fall over the run has no later part
            highest = level_at(denoiser.schedule, s.sigma_max, s.sigma_min, s.start_noise)
        self.law = sigma_law(
            s.sigma_schedule, denoiser.schedule, sigma_max=highest, sigma_min=s.sigma_min, jitter=s.sigma_jitter
        )
        self.prior = CameraPrior(s.radius, s.fov_min, s.fov_max, s.elevation_min, s.elevation_max, s.framing)
        check_views(settings, denoiser)
        self.lamps = lamps_of(denoiser.card, denoiser.name) if s.lamp else None
        ring = denoiser.ring
        self.in_ring = len(ring) if ring else 1  # views with one elevation, field of view, noise level and background
        if ring and ring.elevation is not None:
            self.prior = replace(self.prior, elevation_min=ring.elevation, elevation_max=ring.elevation)

    def __call__(self, step: int) -> Drawn:
        """What step number `step`, counted from 0, begins with."""
        s, views, model = self.settings, self.settings.views_per_step, self.denoiser
        cameras = self._cameras(views)
        background = self._background(views)
        progress = noise_progress(s, step)
        sigma = self.law(progress, views // self.in_ring, self.generator).repeat_interleave(self.in_ring)
        noise = host_noise(
            s.noises_per_view, (views, model.channels, model.size, model.size), self.generator, s.shared_noise
        )
        limits = (s.guidance_end, s.guidance_sigma_min, s.guidance_sigma_max)
        words, lamp = self.lamps.draw(s.lamp, cameras, self.generator) if self.lamps else ([""] * views, None)
        denoise = self._conditioned(cameras, guidance_scales(step / s.steps, sigma, s.guidance, *limits), words)
        tensors = {
            "eye": cameras.eye,
            "rotation": cameras.rotation,
            "fov_deg": cameras.fov_deg,
            "sigma": sigma,
            "noise": noise,
            "rates": torch.tensor(learning_rates(s, step)),
            "weights": torch.tensor(self._weights(step)),
        }
        if background is not None:
            tensors["background"] = background
        if lamp is not None:
            tensors["lamp"] = lamp
        if isinstance(denoise, TwoPart):
            tensors |= denoise.given(sigma.repeat(s.noises_per_view))
        if self.references and step % s.picture_every == 0:
            tensors |= self.references[step // s.picture_every % len(self.references)].tensors()
        inversion = self._inversion(cameras, denoise, sigma, words) if s.noise_source == "inverted" else None
        if inversion:
            tensors |= inversion.given()
        return Drawn(cameras, denoise, tensors, inversion, self.lamps)

    def _inversion(self, cameras: Cameras, denoise: Denoise, sigma: Tensor, words: list[str]) -> Inversion:
        """The way up needs no guidance, where the model can be asked without."""
        s, model = self.settings, self.denoiser
        fixed = model.distilled or model.built_in is not None
        up = denoise if fixed else self._conditioned(cameras, 1.0, words, steered=False)
        return Inversion(up, denoise if s.whole_flow else None, ladder(model.schedule, sigma, s.inversion_rungs))

    def _cameras(self, views: int) -> Cameras:
        ring = self.denoiser.ring
        if ring is None:
            return sample_cameras(self.prior, views, self.generator)
        return sample_rings(self.prior, ring.azimuths, views // len(ring), self.generator, turns=ring.turns)

    def _weights(self, step: int) -> tuple[float, float, float, float]:
        s = self.settings
        prior = prior_weight(step / s.steps, s.start_strength) if is_block_out(s.start) else 0.0
        emptiness = emptiness_weight(step, s.steps, s.emptiness_weight, s.emptiness_multiplier, s.emptiness_switch)
        # Carving falls to nothing over the run: a field that is carved to the end stays soft.
        return (
            emptiness,
            s.carving_weight * (1 - step / s.steps) / s.views_per_step,
            score_clip(s, step) or torch.inf,
            prior,
        )

    def _background(self, views: int) -> Tensor | None:
        """One colour behind each view, [V,C], the same in a ring; None where the field has learned what is there."""
        s = self.settings
        if s.background == "learned":
            return None
        if s.background == "random":
            count = 3 if self.backdrop else self.denoiser.channels
            color = torch.rand(views // self.in_ring, count, generator=self.generator)
            color = color.repeat_interleave(self.in_ring, 0)
        else:
            color = torch.tensor(s.background_color).expand(views, 3)
        return self.backdrop(color) if self.backdrop else color * 2 - 1

    def _conditioned(
        self, cameras: Cameras, guidance: float | Tensor, words: list[str], *, steered: bool = True
    ) -> Denoise:
        """The model under the words of these views, and those behind each; not steered: no Perp-Neg and no rescale."""
        s = self.settings
        angles = zip(cameras.azimuth_deg.tolist(), cameras.elevation_deg.tolist(), strict=True)
        view_texts = [(s.view_words, azimuth, elevation, s.prompt) for azimuth, elevation in angles]
        return self.denoiser.conditioned(
            [view_prompt(*view) + more for view, more in zip(view_texts, words, strict=True)],
            s.negative_prompt,
            guidance,
            rescale=s.guidance_rescale if steered else 0.0,
            away=[negatives(*view, s.perp_neg if steered else 0.0) for view in view_texts],
            poses=cameras.poses if self.denoiser.ring else None,
        )


def check_views(settings: Settings, denoiser: Denoiser) -> None:
    """Raises SjcError where a model cannot be asked about such views, or so many, as the settings have."""
    ring, views = denoiser.ring, settings.views_per_step
    if ring and views % len(ring):
        raise SjcError(
            f"views_per_step: {denoiser.name} sees {len(ring)} views at once, and {views} cannot be divided so; use "
            f"{len(ring)} or a multiple of it."
        )
    if settings.lamp and denoiser.autoencoder is not None:
        raise SjcError(f"lamp: {denoiser.name} paints latents, which a lamp cannot shade; set lamp to 0.")
    if ring is None and settings.preset == "mvdream":
        raise SjcError(
            f"preset: mvdream is for a model that sees several views at once, and {denoiser.name} sees one; take "
            "MVDream, or another preset such as paper."
        )


@dataclass(frozen=True)
class DevicePart:
    """The device's part of a step, up to the gradients.

    field, render: what is seen and how.  size: pixels along an edge of the model's pictures.
    on_views: see `OnViews`; it may read what it likes, so a step that has it is not captured.
    start: what the run has started from; its prior pulls, and what must not change has no gradient.
    """

    settings: Settings
    field: VoxelField
    render: Callable[..., Rendered]
    size: int
    on_views: OnViews | None = None
    start: Start | None = None

    def gradients(self, drawn: Drawn, given: Given, *, captured: bool = False) -> Tensor:
        """Leaves the gradients of one step at the field's parameters; returns what it measured, [6] as `MEASURED`.

        drawn: the step, of whose tensors `given` is what lies on the device.
        captured: whether this is being captured as a graph, or will be.
        """
        s, views = self.settings, self.settings.views_per_step
        size, count = s.render_size or self.size, s.rays_per_pixel
        cameras = replace(drawn.cameras, **{name: given[name] for name in ("eye", "rotation", "fov_deg")})
        origins, directions = (r.reshape(-1, 3) for r in pixel_rays(cameras, size, size, count))
        rendered = self.render(
            self.field, origins, directions, step=s.ray_step * self.field.voxel, beta=s.emptiness_beta
        )
        background = self._background(given, directions)
        if self.on_views:
            self.on_views(drawn.cameras, background)
        shown = rendered
        if drawn.lamps:
            color = shaded(rendered, origins, directions, self.field, drawn.lamps, given["lamp"])
            shown = replace(rendered, color=color)
        y = pictures(composite(shown, background), size, count)
        if size != self.size:
            y = F.interpolate(y, (self.size,) * 2, mode="bilinear", align_corners=False)
        emptiness_factor, carving_factor, clip, prior_factor = given["weights"].unbind()
        g = paas(
            self._denoise(drawn, given, captured),
            y,
            given["sigma"],
            s.noises_per_view,
            var_red=s.var_red,
            weight=s.score_weight,
            noise=self._noise(drawn, given, cameras, y.detach(), captured),
            clip=clip if s.score_clip or s.score_clip_end else 0.0,
        )

        # The chain rule: the upstream gradient on the render is -g, summed over pixels, averaged over views.
        loss = -(y * g).sum() / views
        emptiness = emptiness_loss(rendered)
        loss = loss + emptiness * emptiness_factor
        if s.center_depth_weight:
            depth = pictures(full_depth(rendered)[:, None], size, count)
            loss = loss + s.center_depth_weight * center_depth_loss(depth[:, 0], s.center_depth_ratio)
        if s.carving_weight:
            loss = loss + carving_factor * carving(shown, per_ray(g, size, count), background)
        if s.opacity_entropy_weight:
            loss = loss + s.opacity_entropy_weight * opacity_entropy(rendered)
        if s.tv_weight:
            loss = loss + s.tv_weight * total_variation(self.field)
        if "picture" in given:
            loss = loss + self._picture_loss(given)
        start = self.start
        if start and start.occupancy is not None and start.distance is not None:
            density, lenient = self.field.activated_density(), leniency(s.start_strength)
            loss = loss + prior_factor * occupancy_prior(density, start.occupancy, start.distance, lenient)
        for parameter in self.field.parameters():
            parameter.grad = None
        loss.backward()
        if start:
            start.hold(self.field)
        gradient = self.field.grid.grad
        norm = torch.zeros_like(loss) if gradient is None else torch.linalg.vector_norm(gradient)
        score = g.square().mean().sqrt()
        measured = (given["sigma"].mean(), score, rendered.opacity.mean(), emptiness, norm, loss + norm)
        return torch.stack([x.detach().float() for x in measured])

    def _picture_loss(self, given: Given) -> Tensor:
        """The weighted terms of this step's reference picture."""
        s = self.settings
        color, opacity, target = seen_from(self.render, self.field, given, s.ray_step, s.rays_per_pixel)
        fitted = s.picture_recolor and self.field.color_activation != "identity"  # what decodes latents takes no map
        affine = color_map(color, opacity, target) if fitted else identity_map(color.shape[1], color)
        return s.picture_weight * photometric(color, opacity, target, affine) + (
            s.picture_mask_weight * silhouette(opacity, target)
        )

    def _background(self, given: Given, directions: Tensor) -> Tensor:
        """What stands behind the field, [R,C] for the rays of all views."""
        if "background" not in given:
            return self.field.background_color(directions)
        values = given["background"]
        return values.repeat_interleave(len(directions) // len(values), dim=0)

    def _noise(self, drawn: Drawn, given: Given, cameras: Cameras, y: Tensor, captured: bool) -> Tensor:
        """What is added to the renders y [V,C,S,S]: [n,V or 1,C,S,S]."""
        s, drawn_noise = self.settings, given["noise"]
        if drawn.inversion:
            return drawn.inversion.noise(y, given, captured=captured)[None]
        if s.noise_source != "surface":
            return drawn_noise
        prior = CameraPrior(s.radius, s.fov_min, s.fov_max, s.elevation_min, s.elevation_max)
        noise = surface_noise(
            self.render,
            self.field,
            cameras,
            drawn_noise[0].expand_as(y),
            edge=cell_edge(prior, self.size),
            step=s.ray_step * self.field.voxel,
            seed=s.seed,
        )
        return noise[None]

    @staticmethod
    def _denoise(drawn: Drawn, given: Given, captured: bool) -> Denoise:
        denoise, inversion = drawn.denoise, drawn.inversion
        if inversion and inversion.down:
            return lambda z, _sigma: inversion.denoised(z, given, captured=captured)
        if not isinstance(denoise, TwoPart):
            return denoise
        return lambda x, _sigma: denoise.denoised(x, given, captured=captured)


def pictures(values: Tensor, size: int, count: int) -> Tensor:
    """[V*S*S*n,C] of the n rays of each pixel -> their means, pictures [V,C,S,S] of S = size pixels."""
    return values.view(-1, size, size, count, values.shape[-1]).mean(3).permute(0, 3, 1, 2)


def per_ray(images: Tensor, size: int, count: int) -> Tensor:
    """Pictures [V,C,S,S] -> [R,C] for the rays of pictures of size x size, `count` a pixel.

    S may be smaller; a pixel's value is shared out among its rays.
    """
    shared = F.interpolate(images, (size, size), mode="nearest") * ((images.shape[-1] / size) ** 2 / count)
    each = shared.permute(0, 2, 3, 1)[..., None, :].expand(-1, -1, -1, count, -1)
    return each.reshape(-1, images.shape[1])

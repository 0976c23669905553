"""Score Jacobian Chaining: the loop (paper, Fig. 3; facts 1.5-1.7).

    camera -> render y -> PAAS score g of y -> vector-Jacobian product -> regularisers -> step

A run is a state (field, optimiser, random generator, step) and `advance`, which makes one step of it. Whatever a step
draws comes from the one generator, and the checkpoint holds all of the state, so that a stopped and resumed run equals
an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .errors import SjcError
from .field.cameras import CameraPrior, Cameras, rays, sample_cameras
from .field.grid import VoxelField
from .field.regularizers import (
    carving,
    center_depth_loss,
    emptiness_loss,
    emptiness_weight,
    opacity_entropy,
    total_variation,
)
from .field.render import around_kernels, renderer
from .field.render_reference import composite, full_depth
from .guidance.paas import paas
from .guidance.perp_neg import negatives
from .guidance.prompts import view_prompt
from .guidance.schedules import sigma_law
from .machine import threads
from .settings import Settings

if TYPE_CHECKING:
    from .guidance.denoiser import Denoiser

LARGE_GRID = 2**22  # numbers from which the optimiser's step is worth waking threads for
UNCHECKED = 16  # steps that a GPU may be ahead of the look for numbers that are not finite
OnViews = Callable[[Cameras, Tensor], None]
"""Called in every step before the denoiser is asked: the cameras of V views, the background [V*S*S,C] of their rays."""

COARSE_SHARE = 0.5  # the full grid is reached after this fraction of the run


class Losses:
    """What one step measured.

    By name: sigma, RMS of the score's pull, mean opacity, emptiness loss, norm of the voxels' gradient.  They are
    copied from a GPU when their step is done, so that `read` waits for that step and not for later ones.
    """

    NAMES = ("sigma", "score", "opacity", "emptiness", "gradient")

    def __init__(self, *measured: Tensor) -> None:
        numbers = torch.stack([x.detach().float() for x in measured])
        self._measured = numbers.to("cpu", non_blocking=numbers.is_cuda)
        self._there = torch.cuda.current_stream(numbers.device).record_event() if numbers.is_cuda else None

    def read(self) -> dict[str, float]:
        """All of them by name; waits until their step is done."""
        if self._there:
            self._there.synchronize()
        return dict(zip(self.NAMES, self._measured.tolist(), strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Losses) and self.read() == other.read()

    __hash__ = None  # type: ignore[assignment]

    @property
    def sigma(self) -> float:
        """Mean noise level of the views."""
        return self.read()["sigma"]

    @property
    def score(self) -> float:
        """Root mean square of the pull on a pixel's channel."""
        return self.read()["score"]


def grid_size(settings: Settings, step: int) -> int:
    """Voxels along an edge at this step: N / 2^k, doubled k times at even distances over the first half of the run."""
    k = settings.coarse_to_fine
    progress = step / settings.steps
    done = k if k == 0 else min(k, int(progress / COARSE_SHARE * k))
    return max(2, settings.grid >> (k - done))


def score_clip(settings: Settings, step: int) -> float:
    """The bound on the score at this step, 0 for none: from score_clip towards score_clip_end in equal steps.

    Dynamic score clipping (D-SDS, arXiv 2303.15413, Sec. 4.1): low while the shape forms, high for its details.
    """
    start, end = settings.score_clip, settings.score_clip_end or settings.score_clip
    return start + (end - start) * step / settings.steps


class Optimization:
    """The state of a run, and its step.

    denoiser: the model that scores renders.  The caller has checked that it can read the prompt.
    device: where the field lives.
    on_views: called with every step's cameras and background, for a denoiser that knows what they should show.
    """

    def __init__(
        self, settings: Settings, denoiser: Denoiser, device: torch.device, on_views: OnViews | None = None
    ) -> None:
        self.settings, self.denoiser, self.device, self.on_views = settings, denoiser, device, on_views
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step = 0
        self.unchecked = 1 if device.type == "cpu" else UNCHECKED
        self._totals: list[Tensor] = []  # of the last steps: finite if the step was
        self.field = VoxelField(
            grid_size(settings, 0),
            denoiser.channels,
            init=settings.init,
            density_shift=settings.density_shift,
            color_activation=denoiser.color_activation,
            learned_background=settings.background == "learned",
            color_std=settings.color_std,
            generator=self.generator,
        ).to(device)
        self.optimizer = self._make_optimizer()
        self.backdrop: Callable[[Tensor], Tensor] | None = None
        if denoiser.autoencoder is not None and settings.background != "learned":
            from .appearance.latent import Backdrop

            self.backdrop = Backdrop(denoiser.autoencoder)
        self.render = renderer(settings.renderer, device)
        self.law = sigma_law(
            settings.sigma_schedule,
            denoiser.schedule,
            sigma_max=settings.sigma_max,
            sigma_min=settings.sigma_min,
            jitter=settings.sigma_jitter,
        )
        self.prior = CameraPrior(
            settings.radius, settings.fov_min, settings.fov_max, settings.elevation_min, settings.elevation_max
        )

    @property
    def progress(self) -> float:
        """Finished fraction of the run, 0 to 1."""
        return self.step / self.settings.steps

    @property
    def done(self) -> bool:
        """Whether all steps are made."""
        return self.step >= self.settings.steps

    def _make_optimizer(self) -> torch.optim.Optimizer:
        s, field = self.settings, self.field
        groups = [{"params": [field.grid, field.log_scale], "lr": s.learning_rate}]
        if field.background is not None:
            groups.append({"params": [field.background], "lr": s.background_learning_rate})
        if s.optimizer == "adamax":
            return torch.optim.Adamax(groups)
        return torch.optim.Adam(groups, fused=self.device.type in ("cpu", "cuda"))

    def _refine(self) -> None:
        """Bring the grid to the size of this step; moments of another size mean nothing, so they start anew."""
        size = grid_size(self.settings, self.step)
        if size != self.field.size:
            self.field.resample(size)
            self.optimizer = self._make_optimizer()

    def _set_learning_rate(self) -> None:
        s = self.settings
        fall = 1 + (s.learning_rate_end - 1) * self.progress
        rates = (s.learning_rate, s.background_learning_rate)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate * fall

    def _background(self, cameras: Cameras, directions: Tensor) -> Tensor:
        """What stands behind the field, [R,C] for the rays of all views."""
        s, views = self.settings, len(cameras)
        if s.background == "learned":
            return self.field.background_color(directions)
        if s.background == "random":
            count = 3 if self.backdrop else self.field.channels
            color = torch.rand(views, count, generator=self.generator)
        else:
            color = torch.tensor(s.background_color).expand(views, 3)
        values = self.backdrop(color) if self.backdrop else color * 2 - 1
        return values.to(self.device).repeat_interleave(len(directions) // views, dim=0)

    @staticmethod
    def _per_ray(images: Tensor, size: int) -> Tensor:
        """Pictures [V,C,S,S] -> [R,C] for the rays of pictures of size x size.

        S may be smaller; a pixel's value is then shared out among its rays.
        """
        shared = F.interpolate(images, (size, size), mode="nearest") * (images.shape[-1] / size) ** 2
        return shared.permute(0, 2, 3, 1).reshape(size * size * len(images), -1)

    def advance(self) -> Losses:
        """One step. Raises SjcError if a number of the field is no longer finite."""
        with around_kernels(self.settings.renderer, self.device):
            return self._advance()

    def _advance(self) -> Losses:
        s = self.settings
        self._refine()
        self._set_learning_rate()
        size, views = s.render_size or self.denoiser.size, s.views_per_step

        cameras = sample_cameras(self.prior, views, self.generator)
        origins, directions = (r.reshape(-1, 3).to(self.device) for r in rays(cameras, size, size))
        rendered = self.render(
            self.field, origins, directions, step=s.ray_step * self.field.voxel, beta=s.emptiness_beta
        )
        background = self._background(cameras, directions)
        if self.on_views:
            self.on_views(cameras, background)
        flat = composite(rendered, background)
        y = flat.view(views, size, size, -1).permute(0, 3, 1, 2)
        if size != self.denoiser.size:
            y = F.interpolate(y, (self.denoiser.size,) * 2, mode="bilinear", align_corners=False)

        sigma = self.law(self.progress, views, self.generator)
        angles = zip(cameras.azimuth_deg.tolist(), cameras.elevation_deg.tolist(), strict=True)
        view_texts = [(s.view_words, azimuth, elevation, s.prompt) for azimuth, elevation in angles]
        denoise = self.denoiser.conditioned(
            [view_prompt(*view) for view in view_texts],
            s.negative_prompt,
            s.guidance,
            rescale=s.guidance_rescale,
            away=[negatives(*view, s.perp_neg) for view in view_texts],
        )
        g = paas(
            denoise,
            y,
            sigma,
            s.noises_per_view,
            var_red=s.var_red,
            weight=s.score_weight,
            generator=self.generator,
            shared_noise=s.shared_noise,
            clip=score_clip(s, self.step),
        )

        # The chain rule: the upstream gradient on the render is -g, summed over pixels, averaged over views.
        loss = -(y * g).sum() / views
        emptiness = emptiness_loss(rendered)
        loss = loss + emptiness * emptiness_weight(
            self.step, s.steps, s.emptiness_weight, s.emptiness_multiplier, s.emptiness_switch
        )
        if s.center_depth_weight:
            depth = full_depth(rendered).view(views, size, size)
            loss = loss + s.center_depth_weight * center_depth_loss(depth, s.center_depth_ratio)
        if s.carving_weight:
            # It falls to nothing over the run: a field that is carved to the end stays soft.
            weight = s.carving_weight * (1 - self.progress) / views
            loss = loss + weight * carving(rendered, self._per_ray(g, size), background)
        if s.opacity_entropy_weight:
            loss = loss + s.opacity_entropy_weight * opacity_entropy(rendered)
        if s.tv_weight:
            loss = loss + s.tv_weight * total_variation(self.field)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradient = self._gradient_norm(loss)
        with threads.large() if self.field.grid.numel() > LARGE_GRID else nullcontext():
            self.optimizer.step()
        self.step += 1
        score = g.square().mean().sqrt()
        return Losses(sigma.mean().to(self.device), score, rendered.opacity.mean(), emptiness, gradient)

    def _gradient_norm(self, loss: Tensor) -> Tensor:
        """[] of the voxels' gradient. Raises SjcError where it or the loss is no longer finite."""
        gradient = self.field.grid.grad
        norm = torch.zeros_like(loss) if gradient is None else torch.linalg.vector_norm(gradient)
        self._totals.append(loss.detach() + norm)
        if len(self._totals) >= self.unchecked:
            self._look_at_totals(self.step + 1)
        return norm

    def _look_at_totals(self, last: int) -> None:
        """Waits for the numbers of the steps up to `last` that were not checked yet.

        Raises SjcError for the first one that is not finite.
        """
        totals = torch.stack(self._totals).tolist() if self._totals else []
        self._totals = []
        for step, total in enumerate(totals, last + 1 - len(totals)):
            if not math.isfinite(total):
                raise SjcError(
                    f"The field is no longer finite at step {step} of {self.settings.steps}; the last checkpoint is "
                    "kept. Lower learning_rate or guidance in job.json and resume, or start anew with other settings."
                )

    # ---------------------------------------------------------------------------------------------------- checkpoint

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors for safetensors.

        Raises SjcError if a number of the field is no longer finite: what is saved is good.
        """
        self._look_at_totals(self.step)
        tensors = {f"field.{k}": v for k, v in self.field.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        tensors["generator"] = self.generator.get_state()
        tensors["step"] = torch.tensor(self.step)
        return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take up a saved state. Raises SjcError if it belongs to another kind of run."""
        s = self.settings
        field = {k.removeprefix("field."): v for k, v in tensors.items() if k.startswith("field.")}
        loaded = VoxelField.from_state(
            field, density_shift=s.density_shift, color_activation=self.denoiser.color_activation
        )
        step = tensors.get("step")
        if step is None or step.numel() != 1 or "generator" not in tensors:
            raise SjcError("The checkpoint has no step or no random state; this program did not write it.")
        if not 0 <= float(step) <= s.steps:
            raise SjcError(f"The checkpoint is of step {float(step):g}; the job has steps 0 to {s.steps} only.")
        expected = grid_size(s, max(int(step) - 1, 0))
        if loaded.size != expected or loaded.channels != self.denoiser.channels:
            raise SjcError(
                f"The checkpoint holds {loaded.size}^3 voxels of {loaded.channels} channels, the settings ask for "
                f"{expected}^3 of {self.denoiser.channels}; resume with the settings that it was made with."
            )
        try:
            self.generator.set_state(tensors["generator"])
        except (RuntimeError, TypeError) as error:
            raise SjcError("The checkpoint's random state is not one of this program.") from error
        self.field = loaded.to(self.device)
        self._totals = []
        self.optimizer = self._make_optimizer()
        self._load_moments({k: v for k, v in tensors.items() if k.startswith("optimizer.")})
        self.step = int(step)

    def _load_moments(self, tensors: dict[str, Tensor]) -> None:
        """The optimiser's moments by "optimizer.<parameter>.<name>". Raises SjcError where they do not fit."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        second = "exp_inf" if self.settings.optimizer == "adamax" else "exp_avg_sq"
        shapes = {
            f"optimizer.{index}.{name}": torch.Size() if name == "step" else p.shape
            for index, p in enumerate(parameters)
            for name in ("step", "exp_avg", second)
        }
        if not tensors:
            return
        if {k: v.shape for k, v in tensors.items()} != shapes:
            raise SjcError(
                f"The checkpoint's moments are not those of {self.settings.optimizer} on this field; resume with the "
                "settings that it was made with."
            )
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            _, index, name = key.split(".")
            states.setdefault(int(index), {})[name] = value.to(self.device)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})

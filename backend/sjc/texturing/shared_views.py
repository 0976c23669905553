"""All views of a surface denoised together: synchronised multi-view diffusion.

(SyncMVD, Liu et al., arXiv 2311.12891.)  At noise level sigma_k the model makes a clean picture x_v = D(z_v; sigma_k)
of every view.  Merged on the surface and seen again that is x'_v, and the next state z_v = x'_v + (sigma_{k+1} /
sigma_k) (z_v - x'_v): DDIM with what all views agree on in the place of what each one thinks.  In the last fifth of the
levels each view goes on alone; its details are merged once, at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..appearance.latent import Backdrop
from ..errors import SjcError
from ..guidance.denoiser import Denoise, Denoiser
from ..guidance.perp_neg import negatives
from ..guidance.prompts import view_prompt
from ..guidance.schedules import karras
from ..settings import Settings
from .consensus import Around, Points, Shadow, find

LEVELS = 15
SHARED = 0.8  # share of the levels at which views are merged
HIGHEST, LOWEST = 8.0, 0.05  # noise levels of a start from nothing, and of the last picture
POWERS = 1.0, 6.0  # of the cosine, at the first and at the last level
UNGUIDED = 1.0
"""Noise level below which the model goes unguided: guidance decides what there is at the levels above, and
only exaggerates colours at those below (Kynkäänniemi et al., arXiv 2404.07724)."""
GREY = 0.5  # of a surface without colours, sRGB


@dataclass(frozen=True)
class Present:
    """The surface's present colours, sRGB-encoded in [0, 1], at the places of all pixels of a shadow [V*T*T,3].

    The shadow is the views' own, or for a latent model one of decoded pictures' size.
    """

    shadow: Shadow
    colors: Tensor


class SharedViews:
    """The state of V views on their way down the noise levels, and its step.

    shadow: what they see of the surface.
    present: what the surface looks like now; None: nothing that counts.
    strength: 1 starts from noise alone, less keeps more of the present colours, 0 keeps them.
    depths: pictures of depths [V,3,H,H] for a model with a ControlNet, None for one without.
    guided: whether guidance decides what there is; without it the present colours do.

    pictures: the views' clean pictures [V,C,S,S] after the last level, before they are merged.
    """

    def __init__(
        self,
        settings: Settings,
        denoiser: Denoiser,
        shadow: Shadow,
        present: Present | None,
        strength: float,
        depths: Tensor | None = None,
        *,
        guided: bool = True,
    ) -> None:
        if denoiser.ring:
            raise SjcError(f"{denoiser.name} sees several views at once and cannot texture a mesh; choose another.")
        self.settings, self.denoiser, self.shadow, self.depths = settings, denoiser, shadow, depths
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.backdrop = Backdrop(denoiser.autoencoder) if denoiser.autoencoder else None
        self.solid = shadow.solid.view(-1).nonzero()[:, 0]
        places = Points(*(x[self.solid] for x in (shadow.places.position, shadow.places.normal)))
        self.taps, self.around = find(shadow, places), Around(shadow, places)
        self.sigmas = levels(denoiser, strength)
        self.step = 0
        self.behind = torch.rand(len(shadow.cameras), 3, generator=self.generator)
        self.background = self._values(self.behind)[:, :, None, None]
        start = self._shown(present)
        noise = torch.randn(start.shape, generator=self.generator).to(start)
        self.noised = start + float(self.sigmas[0]) * noise
        self.pictures = start
        fixed = denoiser.distilled or denoiser.built_in is not None
        self.unguided = self._conditioned(settings.guidance if fixed else 1.0)
        self.guided = self._conditioned(settings.guidance) if guided and not fixed else self.unguided

    def _conditioned(self, guidance: float) -> Denoise:
        s = self.settings
        return self.denoiser.conditioned(
            [view_prompt(*view) for view in self._views()],
            s.negative_prompt,
            guidance,
            rescale=s.guidance_rescale,
            away=[negatives(*view, s.perp_neg) for view in self._views()],
            control=self.depths,
        )

    def _views(self) -> list[tuple[str, float, float, str]]:
        cameras, s = self.shadow.cameras, self.settings
        angles = zip(cameras.azimuth_deg.tolist(), cameras.elevation_deg.tolist(), strict=True)
        return [(s.view_words, azimuth, elevation, s.prompt) for azimuth, elevation in angles]

    def _values(self, colors: Tensor) -> Tensor:
        """Colours [K,3] in [0, 1] as the model's values [K,C], on the device."""
        device = self.shadow.cover.device
        return (self.backdrop(colors) if self.backdrop else colors * 2 - 1).to(device)

    def _shown(self, present: Present | None) -> Tensor:
        """The pictures [V,C,S,S] of the surface as it is, grey where it has no colours."""
        if present is None:
            values = self._values(torch.full((1, 3), GREY)).expand(self.shadow.cover.numel(), -1)
            return self._on_background(self._as_pictures(values))
        shade = float(self.denoiser.card.get("mean_shade", 1.0))
        cover = present.shadow.cover[:, None]
        colors = self._as_pictures(present.colors.to(cover) * shade)
        shown = (cover * colors + (1 - cover) * self.behind[:, :, None, None].to(cover)) * 2 - 1
        if self.denoiser.autoencoder is None:
            return shown
        with torch.no_grad():
            return torch.cat([self.denoiser.autoencoder.encode(one) for one in shown.split(1)])

    def _as_pictures(self, values: Tensor) -> Tensor:
        """Values [V*T*T,C] as [V,C,T,T]."""
        views = len(self.shadow.cameras)
        size = math.isqrt(len(values) // views)
        return values.view(views, size, size, -1).permute(0, 3, 1, 2).contiguous()

    def _on_background(self, pictures: Tensor) -> Tensor:
        """Pictures of the surface alone, [V,C,S,S], over the views' backgrounds."""
        cover = self.shadow.cover[:, None]
        return cover * pictures + (1 - cover) * self.background

    def surface_values(self, pictures: Tensor) -> Tensor:
        """What pictures [V,C,S,S] say of the surface: [V*S*S,C], without the background that shows at its border."""
        cover = self.shadow.cover[:, None]
        alone = (pictures - (1 - cover) * self.background) / cover.clamp(min=1e-3)
        # Where little of a pixel is surface, what the division magnifies is kept within the range of what is shown.
        low, high = (x[:, :, None, None] for x in pictures.flatten(2).aminmax(dim=2))
        alone = torch.where(cover < 1, alone.clamp(low, high), pictures)
        return alone.permute(0, 2, 3, 1).reshape(-1, pictures.shape[1])

    @property
    def steps(self) -> int:
        """How many levels there are."""
        return len(self.sigmas)

    @property
    def done(self) -> bool:
        """Whether the last picture is made."""
        return self.step >= self.steps

    def merged(self, pictures: Tensor, power: float) -> Tensor:
        """The pictures [V,C,S,S] with what all views agree on."""
        values = self.surface_values(pictures)
        values[self.solid] = self.around(values, *self.taps.merged(values, power))
        return self._on_background(self._as_pictures(values))

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint holds; all else follows from settings and surface."""
        return {"noised": self.noised, "pictures": self.pictures, "step": torch.tensor(self.step)}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint. Raises SjcError for that of another surface or model."""
        if any(name not in state or state[name].shape != self.noised.shape for name in ("noised", "pictures")):
            raise SjcError("The checkpoint does not fit this mesh and model; texture the mesh anew in another folder.")
        self.noised, self.pictures = (state[name].to(self.noised) for name in ("noised", "pictures"))
        self.step = int(state["step"])

    def advance(self) -> None:
        """One level."""
        sigma = float(self.sigmas[self.step])
        below = float(self.sigmas[self.step + 1]) if self.step + 1 < self.steps else 0.0
        progress = self.step / max(self.steps - 1, 1)
        with torch.no_grad():
            denoise = self.guided if sigma >= UNGUIDED else self.unguided
            clean = denoise(self.noised, torch.full((len(self.noised),), sigma))
            if self.denoiser.autoencoder is None:
                clean = clean.clamp(-1, 1)
            if progress < SHARED:
                clean = self.merged(clean, POWERS[0] + (POWERS[1] - POWERS[0]) * progress)
            else:
                clean = self._on_background(self._as_pictures(self.surface_values(clean)))
            self.noised = clean + below / sigma * (self.noised - clean)
        self.pictures = clean
        self.step += 1


def levels(denoiser: Denoiser, strength: float) -> Tensor:
    """The noise levels of a run, falling; with less strength those above are left out.

    Spaced as Karras et al. (2022, Eq. 5) have it, with rho 3, and snapped to the model's own.
    """
    schedule = denoiser.schedule
    high, low = min(HIGHEST, schedule.sigma_max), max(LOWEST, schedule.sigma_min)
    ladder = schedule.snap(karras(LEVELS, high, low, rho=3.0))
    return ladder[min(round((1 - strength) * LEVELS), LEVELS - 1) :]

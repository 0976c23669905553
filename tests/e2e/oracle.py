"""A denoiser that knows the answer: the closed-form D of the few pictures that a prompt and its view words allow.

It stands where the embedded model stands, but cannot be wrong, so what is made with it judges the engine alone: loop,
renderer, cameras, settings, export.
"""

from functools import cache
from types import MappingProxyType

import torch

from sjc.field.cameras import look_at
from sjc.guidance.denoiser import Origin
from sjc.guidance.schedules import VESchedule
from training.model import make_scheduler
from training.pictures import EMPTY, MEAN_SHADE, PRIOR, SIZE, SUPERSAMPLE, supersampled_rays, trace
from training.prompts import parse
from training.world import COLORS

FOVS = (PRIOR.fov_min, (PRIOR.fov_min + PRIOR.fov_max) / 2, PRIOR.fov_max)


@cache
def layers(prompt):
    """Of a prompt with fine words: premultiplied colour [F, 3, S, S] in [0, 1] and coverage [F, 1, S, S] by FoV."""
    words = prompt.split()
    azimuth, elevation = float(words[1]), float(words[3])
    described = parse(" ".join(words[6:]))
    palette = torch.tensor([COLORS[c] for c in described.palette()]) * MEAN_SHADE
    cameras = look_at([azimuth] * len(FOVS), [elevation] * len(FOVS), PRIOR.radius, torch.tensor(FOVS))
    origins, directions = supersampled_rays(cameras, SIZE, SUPERSAMPLE)
    part, _ = trace(described.name, origins.reshape(-1, 3), directions.reshape(-1, 3))
    hit = (part != EMPTY).float()[:, None]
    rgb = palette[part.long().clamp_max(len(palette) - 1)] * hit
    full = torch.cat([rgb, hit], 1).view(len(FOVS), SIZE * SUPERSAMPLE, SIZE * SUPERSAMPLE, 4)
    picture = torch.nn.functional.avg_pool2d(full.permute(0, 3, 1, 2), SUPERSAMPLE)
    return picture[:, :3], picture[:, 3:]


class Oracle:
    """A `Denoiser` that knows the answer, as far as the loop and a job need one."""

    channels, size, origin = 3, SIZE, Origin("oracle")
    autoencoder, color_activation, ring = None, "tanh_sigmoid", None
    card = MappingProxyType({"mean_shade": MEAN_SHADE})

    def __init__(self):
        self.schedule = VESchedule.from_alphas_cumprod(make_scheduler().alphas_cumprod)

    def check_prompt(self, text):
        """Every prompt of the world will do."""
        return text

    def conditioned(self, prompts, _negative_prompt="", _guidance=1.0, **_knobs):
        """D(x; sigma): the mean of the pictures, weighted by how well each explains x; backgrounds fitted to x."""

        def denoise(x, sigma):
            out = []
            for prompt, image, s in zip(prompts, x, sigma, strict=True):
                rgb, cover = layers(prompt)
                clear = 1 - cover
                background = (clear * (image + 1) / 2).sum((-2, -1), keepdim=True) / clear.sum((-2, -1), keepdim=True)
                pictures = (rgb + clear * background.clamp(0, 1)) * 2 - 1
                weight = torch.softmax(-((pictures - image) ** 2).sum((1, 2, 3)) / (2 * s * s), 0)
                out.append((weight.view(-1, 1, 1, 1) * pictures).sum(0))
            return torch.stack(out)

        return denoise

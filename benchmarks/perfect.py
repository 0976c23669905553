"""One job with a perfect denoiser in place of the model: a fresh process of `bench ceiling`.

`python -m benchmarks.perfect FOLDER SIZE`: FOLDER holds job.json, SIZE is the pixels along a picture's edge.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from sjc.errors import SjcError
from sjc.field.cameras import Cameras
from sjc.guidance.paas import Denoise
from sjc.job import folder as job_folder
from sjc.job import run as job_run
from sjc.machine.devices import choose_device
from sjc.machine.memory import large_pages
from sjc.models import model_files
from sjc.models.loading import load_denoiser
from sjc.models.text_denoiser import TextDenoiser
from sjc.settings import Settings
from training import world
from training.pictures import SUPERSAMPLE, shade, supersampled_rays, trace
from training.prompts import parse


def true_pictures(prompt: str, cameras: Cameras, background: Tensor, size: int) -> Tensor:
    """The prompt's exact solid seen by V cameras: pictures [V,3,size,size] in [-1,1], on the CPU.

    background [V,3] in [0,1], sRGB-encoded. The light is averaged over all of the training's lights, and pixels over as
    many samples as there.
    """
    described = parse(prompt)
    views, full = len(cameras), size * SUPERSAMPLE
    origins, directions = (r.reshape(-1, 3) for r in supersampled_rays(cameras, size, SUPERSAMPLE))
    part, normal = trace(described.name, origins, directions)
    palette = torch.tensor([[world.COLORS[name] for name in described.palette()]])
    return shade(
        part.view(views, full, full),
        normal.view(views, full, full, 3),
        palette.expand(views, -1, -1),
        background,
        light=torch.zeros(views, 3),
        contrast=torch.zeros(views),
        supersample=SUPERSAMPLE,
    )


class PerfectDenoiser(TextDenoiser):
    """A loaded model whose answer is replaced by the truth: D(x; sigma) is the true picture of each view, whatever x.

    Everything else (noise levels, words, card) is the model's own. `look` must be told of the views before it is asked.
    model: one that works in pixels (see `check`). size: pixels of a picture.
    """

    def __init__(self, model: TextDenoiser, prompt: str, size: int) -> None:
        vars(self).update(vars(model))
        self.prompt, self.size = prompt, size
        self.origin = replace(model.origin, source=f"the truth, in place of {model.origin.source}")
        self.pictures: Tensor | None = None

    def look(self, cameras: Cameras, background: Tensor) -> None:
        """Draw the truth for V views. background [V*R,3] in [-1,1]: one colour for the R rays of a view."""
        each = background.detach().cpu().view(len(cameras), -1, 3)
        self.pictures = true_pictures(self.prompt, cameras.to("cpu"), (each[:, 0] + 1) / 2, self.size)

    def conditioned(self, *_prompts: object, **_guidance: object) -> Denoise:
        """D(x; sigma) [B,3,size,size]: image i of a batch belongs to view i mod V. No words and no guidance matter."""

        def denoise(x: Tensor, _sigma: Tensor) -> Tensor:
            if self.pictures is None:
                raise RuntimeError("look() was not told of the views")
            return self.pictures.to(x).repeat(len(x) // len(self.pictures), 1, 1, 1)

        return denoise


def run(folder: Path, size: int) -> None:
    """Make the job of a prepared folder to its end. Raises SjcError."""
    settings = job_folder.read_settings(folder)
    check(settings)
    model = load_denoiser(settings.model, device=choose_device(settings.device), runtime=settings.runtime)
    truth = PerfectDenoiser(model, settings.prompt, size)
    job_run.JobRun(folder, settings, denoiser=truth, on_views=truth.look).run()


def check(settings: Settings) -> None:
    """Raises SjcError for settings whose views have no true picture in pixels, without loading the model."""
    if model_files.check(model_files.locate(settings.model)).family.latent:
        raise SjcError(f'bench ceiling compares pictures in pixels; the model "{settings.model}" works in latents.')
    if settings.background == "learned":
        raise SjcError(
            "bench ceiling knows no true picture over a learned background; set background to random or fixed."
        )
    try:
        parse(settings.prompt)
    except ValueError as error:
        raise SjcError(f"bench ceiling knows the truth of the world's prompts alone: {error}.") from error


def main(folder: str, size: str) -> int:
    """0 when the job is finished, 2 after one line about bad input, 130 when it was stopped."""
    large_pages()
    try:
        run(Path(folder), int(size))
    except SjcError as error:
        print(f"sjc: {error}", file=sys.stderr)
        return 2
    except (job_run.Stopped, KeyboardInterrupt):
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))

"""Row "texture": what a model paints on an exact mesh, and what Sharpen Colours makes of a latent model's job."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.prompts import QUICK as PROMPTS
from benchmarks.reader import read_mesh
from benchmarks.scoring import color_error
from benchmarks.texture import colour_error, exact_mesh, seam_ratios
from experiments.index import LATENT
from sjc.appearance.views import PAPER
from sjc.experiments import page
from sjc.experiments.harness import THREE_D, Cell, Experiment, Options, model_digest
from sjc.experiments.pictures import row, to_text
from sjc.experiments.records import Record, measured
from sjc.field.cameras import look_at, pixel_rays
from sjc.job import sharpen
from sjc.job.folder import prepare_folder
from sjc.job.run import JobRun
from sjc.job.texture_run import TextureRun
from sjc.models.loading import load_denoiser
from sjc.models.text_denoiser import TextDenoiser
from sjc.output.colour import linear_to_srgb, srgb_to_linear
from sjc.output.glb import write_glb
from sjc.output.mesh import Mesh
from sjc.output.texture import lookup
from sjc.settings import resolve
from sjc.texturing.surface import Surface
from training.truth import ground_truth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = {"painted": "embedded", "painted, latent": LATENT, "sharpened": LATENT}
SIZE, EDGE, RAYS, VIEWS = 512, 48, 4, (0.0, 120.0, 240.0)


@cache
def model(name: str) -> TextDenoiser:
    """The denoiser, loaded once a process."""
    return load_denoiser(name, runtime="auto")


def compute(kind: str, prompt: str) -> dict[str, Any]:
    """CIEDE2000 before (sharpened alone) and after, seams, and pictures: before, after, truth."""
    denoiser = model(KINDS[kind])
    with tempfile.TemporaryDirectory() as name:
        parent, folder = Path(name) / "job", Path(name) / "textured"
        given = {"prompt": prompt, "model": KINDS[kind], "texture_size": SIZE, "turntable": False}
        if kind == "sharpened":
            old = resolve("fast", {**given, "texture_size": 0})
            prepare_folder(parent, old)
            JobRun(parent, old, denoiser=denoiser).run()
            chosen = sharpen.settings_of(parent, {"texture_size": SIZE})
        else:
            write_glb(parent.with_suffix(".glb"), exact_mesh(prompt))
            chosen = resolve(None, {**given, "surface": str(parent.with_suffix(".glb"))})
        prepare_folder(folder, chosen)
        job = TextureRun(folder, chosen, denoiser=denoiser)
        job.run()
        before = read_mesh(parent / "mesh.glb") if kind == "sharpened" else replace(job.mesh, texture=None)
    made = job.textured
    colors = srgb_to_linear(ground_truth(prompt).color(made.vertices.astype(np.float64)))
    shown = [portrait(one) for one in (before, made, replace(made, colors=colors, texture=None))]
    return {
        "before": color_error(before, prompt) if kind == "sharpened" else None,
        "after": colour_error(made, prompt),
        "seams": seam_ratios(made, prompt)[0],
        "calls": job.views.steps * len(job.views.noised),
        "pictures": [to_text(one) for one in shown],
    }


def portrait(mesh: Mesh) -> torch.Tensor:
    """Three views of a mesh in its texture, else in its vertices' colours: [3, EDGE, 3 * EDGE] in [-1, 1]."""
    surface, shown = Surface(mesh, torch.device("cpu")), []
    cameras = look_at(list(VIEWS), [20.0] * len(VIEWS), 3.0, 36.0)
    for index in range(len(cameras)):
        origins, directions = (x.reshape(-1, 3).contiguous() for x in pixel_rays(cameras[index], EDGE, EDGE, RAYS))
        hits = surface.rays(origins, directions)
        corners, weights = mesh.faces[hits.face.clamp(min=0).numpy()], hits.weights.numpy()
        if mesh.texture is None:
            paint = linear_to_srgb(np.einsum("rc,rci->ri", weights, mesh.colors[corners]).clip(0, 1))
        else:
            uv = np.einsum("rc,rci->ri", weights, mesh.texture.uv[corners])
            paint = lookup(mesh.texture.picture / 255, uv)
        paint = np.where((hits.face >= 0).numpy()[:, None], paint, PAPER)
        shown.append(paint.reshape(EDGE, EDGE, RAYS, 3).mean(2))
    return row(torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() * 2 - 1)


def cells(options: Options) -> list[Cell]:
    """One cell a kind and prompt."""
    chosen = PROMPTS[:1] if options.quick else PROMPTS
    return [
        Cell(
            f"{kind.replace(', ', '-')}-{prompt.replace(' ', '-')}",
            {"kind": kind, "prompt": prompt, "model": model_digest(KINDS[kind]), "texels": SIZE, "seed": 0},
            partial(compute, kind, prompt),
        )
        for kind in KINDS
        for prompt in chosen
    ]


def answer(record: Record) -> str:
    """The mean errors."""
    means = {kind: mean(one["after"] for one in measured(record, kind=kind)) for kind in KINDS}
    before = mean(one["before"] for one in measured(record, kind="sharpened"))
    return (
        f"Exact meshes come to a colour error of {means['painted']:.3g} with the embedded model and "
        f"{means['painted, latent']:.3g} with the small latent one; Sharpen Colours takes that of short latent jobs "
        f"from {before:.3g} to {means['sharpened']:.3g}."
    )


def tables(record: Record) -> str:
    """One line a cell."""
    head = ["what", "prompt", "CIEDE2000 before", "after", "seams over other edges, flat ground", "network calls"]
    lines = [
        [
            cell["settings"]["kind"],
            cell["settings"]["prompt"],
            "" if cell["measured"]["before"] is None else f"{cell['measured']['before']:.2f}",
            *(f"{cell['measured'][key]:.2f}" for key in ("after", "seams")),
            str(cell["measured"]["calls"]),
        ]
        for cell in record["cells"]
    ]
    return page.table(head, lines)


def figure(record: Record) -> Figure:
    """Before, after and truth, a row a cell."""
    cells_shown = record["cells"]
    made, axes = page.plots(len(cells_shown), 3, width=2.6, height=1.0)
    for index, cell in enumerate(cells_shown):
        names = ("before", f"{cell['settings']['kind']}: {cell['settings']['prompt']}", "truth")
        for place, coded, name in zip(
            axes[3 * index : 3 * index + 3], cell["measured"]["pictures"], names, strict=True
        ):
            page.picture(place, coded, name)
    return made


EXPERIMENT = Experiment(
    "texture",
    "How true are the colours that a model paints on an exact mesh, and does Sharpen Colours make a latent job truer?",
    f"The prompts are {', '.join(PROMPTS)}. Painted: the prompt's exact mesh, white, gets a texture of {SIZE} x {SIZE} "
    "texels from the model (embedded, or the small latent model of the tests). Sharpened: a job of the latent model "
    "with the preset fast, before and after Sharpen Colours. Errors are CIEDE2000 against the exact colours "
    "(benchmarks/texture.py, benchmarks/scoring.py). Pictures show three views, with the true colours of the same mesh "
    "on the right.",
    cells,
    answer,
    tables,
    figure,
    rooms=(*THREE_D, "texturing", "job/texture_run.py", "job/sharpen.py", "appearance"),
    seeds=1,
    quick_seeds=1,
)

"""One cell of the 3D rows: a prompt made into an object with some settings, and what it came to against the truth."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from benchmarks import scoring
from sjc.appearance.appearance import Appearance
from sjc.appearance.views import arrays, views
from sjc.errors import SjcError
from sjc.experiments.pictures import row, to_text
from sjc.field.cameras import look_at, rays
from sjc.guidance.schedules import SigmaLaw, VESchedule
from sjc.job.export import write_mesh
from sjc.machine.devices import choose_device
from sjc.models import distilled
from sjc.models.loading import load_denoiser
from sjc.models.text_denoiser import TextDenoiser
from sjc.optimize import Optimization
from sjc.output.mesh import extract_mesh
from sjc.output.voxelize import inside_lattice
from sjc.settings import Settings
from training import pictures, world
from training.prompts import parse

MARKS = 10  # times that the object is scored on its way
COARSE = 64  # cells along an edge for what is scored on the way, and for floaters and fog
FAR = 3  # cells from the truth from which on something floats
BACK = (150.0, 180.0, 210.0)  # azimuths of back views; the front is half a turn on
VIEW_SIZE, VIEW_ELEVATION = 32, 15.0

Solid = NDArray[np.bool_]


@cache
def model(name: str, device: str, built_in: float | None = None) -> TextDenoiser:
    """The denoiser, loaded once a process. built_in: as a job has it (sjc.models.distilled)."""
    return load_denoiser(name, choose_device(device), runtime="auto", built_in=built_in)


def sds_law(schedule: VESchedule) -> SigmaLaw:
    """Score distillation's noise levels: every tick from 2 % to 98 % of them alike often, all run long."""
    count = len(schedule)
    first, last = round(0.02 * count), round(0.98 * count)

    def law(_progress: float, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return schedule.sigmas[torch.randint(first, last + 1, (n,), generator=generator)].float()

    return law


def compute(settings: Settings, sds: bool = False) -> dict[str, Any]:
    """Optimise and score: IoU on the way over steps and seconds, the final scores, where it drifted, what floats.

    seconds: of the steps alone. A field with nothing to mesh counts as scoring.NOTHING. sds: the noise levels of
    `sds_law`. Raises SjcError as the engine does.
    """
    return dict(_computed(settings, sds))


@cache
def _computed(settings: Settings, sds: bool) -> dict[str, Any]:
    """Kept for the process: the first variant of several rows is one and the same."""
    denoiser = model(settings.model, settings.device, distilled.built_in(settings))
    checked = replace(settings, prompt=denoiser.check_prompt(settings.prompt))
    run = Optimization(checked, denoiser, choose_device(settings.device))
    if sds:
        run.draw.law = sds_law(denoiser.schedule)
    paint = Appearance(denoiser, settings).paint
    truth = scoring.truth_lattice(settings.prompt, COARSE)
    curve: dict[str, list[float]] = {"step": [], "seconds": [], "iou": []}
    seconds = 0.0
    marks = {round(settings.steps * (k + 1) / MARKS) for k in range(MARKS)}
    while not run.done:
        began = time.perf_counter()
        run.advance()
        seconds += time.perf_counter() - began
        if run.step in marks:
            occupied = solid(*arrays(run.field, paint), settings)
            for key, value in (("step", run.step), ("seconds", seconds), ("iou", scoring.iou(occupied, truth))):
                curve[key].append(round(float(value), 4))
    density, color = arrays(run.field, paint)
    occupied = solid(density, color, settings)
    measured = {
        "seconds": seconds,
        "curve": curve,
        **final(density, color, settings),
        **strays(occupied, truth, density),
        **fronts(run, paint, settings),
    }
    if settings.seed == 0:
        measured["picture"] = to_text(portrait(run, paint, settings))
    return measured


def solid(density: NDArray[Any], color: NDArray[Any], settings: Settings) -> Solid:
    """The field's mesh on the coarse lattice; empty where there is nothing to mesh."""
    try:
        return inside_lattice(extract_mesh(density, color, settings.mesh_threshold, 0), COARSE)
    except SjcError:
        return np.zeros((COARSE,) * 3, bool)


def final(density: NDArray[Any], color: NDArray[Any], settings: Settings) -> dict[str, float]:
    """IoU, silhouettes and colour error as the benchmark scores them, from mesh.glb."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            write_mesh(Path(folder), density, color, settings, {})
        except SjcError:
            score = scoring.NOTHING
        else:
            score = scoring.score(Path(folder) / "mesh.glb", settings.prompt)
    return {key: float(value) for key, value in asdict(score).items() if key in ("solid", "silhouette", "color")}


def strays(made: Solid, truth: Solid, density: NDArray[Any]) -> dict[str, float]:
    """What lies where it should not.

    floaters: the mesh's volume more than FAR cells from the truth, in volumes of the truth. fog: mean density there,
    per unit length, outside the mesh. offset: between the centres of mass, in world units; 2 where nothing was made.
    """
    away = ~binary_dilation(truth, iterations=FAR)
    n = len(density)
    nearest = ((np.arange(COARSE) + 0.5) * n / COARSE).astype(int)
    on_lattice = density[np.ix_(nearest, nearest, nearest)]
    centre = [np.argwhere(one).mean(0) * 2 / COARSE for one in (made, truth) if one.any()]
    return {
        "floaters": float((made & away).sum() / truth.sum()),
        "fog": float(on_lattice[away & ~made].mean()),
        "offset": float(np.linalg.norm(centre[0] - centre[1])) if len(centre) == 2 else 2.0,
    }


def fronts(run: Optimization, paint: NDArray[Any], settings: Settings) -> dict[str, float]:
    """front-ness of the back views: e_back / (e_back + e_front).

    e_back and e_front are the errors against the true view of the back and of the front. 0: the back is exact; 0.5: it
    is as near the one as the other; above, the many-faces problem. Errors are root mean squares of pictures in flat
    colours on grey; both true views have one elevation.
    """
    prompt = settings.prompt
    fov = (settings.fov_min + settings.fov_max) / 2
    shares = []
    for azimuth in BACK:
        view = _rendered_view(run, paint, azimuth, settings)
        # A second face may look from here as the front does from half a turn on, or from across the back.
        back, turned, across = (
            float(np.sqrt(np.square(view - _truth_view(prompt, a, fov, settings.radius)).mean()))
            for a in (azimuth, (azimuth + 180) % 360, (180 - azimuth) % 360)
        )
        shares.append(back / max(back + min(turned, across), 1e-9))
    return {"frontness": float(np.mean(shares))}


def _rendered_view(run: Optimization, paint: NDArray[Any], azimuth: float, settings: Settings) -> NDArray[np.float64]:
    fov = (settings.fov_min + settings.fov_max) / 2
    camera = look_at([azimuth], [VIEW_ELEVATION], settings.radius, fov)
    shown = next(iter(views(run.field, camera, VIEW_SIZE, paint, settings.renderer)))[0]
    return np.asarray(shown, np.float64) / 255


@cache
def _truth_view(prompt: str, azimuth: float, fov: float, radius: float) -> NDArray[np.float64]:
    """The exact object of a prompt in its plain colours on the paper of `sjc.appearance.views`, [32, 32, 3] sRGB."""
    from sjc.appearance.views import PAPER

    described = parse(prompt)
    origins, directions = rays(look_at([azimuth], [VIEW_ELEVATION], radius, fov), 2 * VIEW_SIZE, 2 * VIEW_SIZE)
    part, _ = pictures.trace(described.name, origins.reshape(-1, 3), directions.reshape(-1, 3))
    palette = np.array([*(world.COLORS[name] for name in described.palette()), (PAPER,) * 3])
    image = palette[np.minimum(part.numpy(), len(palette) - 1)].reshape(VIEW_SIZE, 2, VIEW_SIZE, 2, 3)
    return image.mean((1, 3))


def portrait(run: Optimization, paint: NDArray[Any], settings: Settings) -> torch.Tensor:
    """Front, side and back, [3, 48, 144] in [-1, 1]."""
    fov = (settings.fov_min + settings.fov_max) / 2
    cameras = look_at([0.0, 90.0, 180.0], [VIEW_ELEVATION] * 3, settings.radius, fov)
    shown = np.stack([one[0] for one in views(run.field, cameras, 48, paint, settings.renderer)])
    return row(torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 127.5 - 1)

"""What scripts and buttons call: generate, batch, import_result, and the job they give.

    from bl_ext.user_default.sjc_blender import api
    job = api.generate("a red mushroom", steps=200)     # in the window: returns at once, the scene fills by itself
    job.wait()                                          # in scripts: until it is done, with a bar on stderr

In background Blender (`blender -b`, the bpy module) `generate` waits by itself. Settings are those of the command line,
by name (docs/settings.md); bad ones raise `SjcError` with one line each. docs/for-scripters.md has an example of
everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import incoming, job_inputs, live, places, session
from .backend.sjc.errors import SjcError
from .backend.sjc.job import refine as refining
from .backend.sjc.job import sharpen as sharpening
from .backend.sjc.job.batch import read_batch
from .backend.sjc.job.folder import free_folder
from .backend.sjc.settings import Settings
from .job import (
    PUMP_SECONDS,
    Job,
    OnProgress,
    cancel,
    clear_finished,
    free_memory,
    job_of,
    jobs,
    move,
    pause,
    remove,
    resume,
    retry,
    settings_of,
    snapshot_now,
)
from .job_inputs import Picture, resolved
from .models import lookup
from .models.checking import CheckModel, ModelReport
from .queue.cluster import ClusterBatch
from .queue.preparation import Preparation
from .queue.queue_file import read_folder
from .remeshing import Work, export, remesh
from .session import close, pump, queue
from .variants import begin, being_made, clear_variants, parent_folder, take_variant

if TYPE_CHECKING:
    import bpy

__all__ = [
    "Job", "ModelReport", "SjcError", "Work", "batch", "cancel", "check_model", "clear_finished", "clear_variants",
    "close", "export", "free_memory", "generate", "import_result", "jobs", "move", "pause", "pump", "queue", "refine",
    "remesh", "remove", "resume", "resume_folder", "retry", "settings_of", "sharpen", "show_colors",
    "snapshot_now", "take_variant", "texture", "variants", "words",
]  # fmt: skip


def generate(
    prompt: str,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    folder: str | Path | None = None,
    location: tuple[float, float, float] | None = None,
    start: str | Path | Iterable[bpy.types.Object] = "",
    keep: str | Path | bpy.types.Object = "",
    pictures: Iterable[Picture] = (),
    **settings: Any,
) -> Job:
    """Make one object.  Returns its Job: at once in the window, finished in background Blender (`block` overrides).

    folder: the job folder, by default `//sjc/<prompt>-<seed>` beside the saved .blend, else in the folder of the
    preferences, which also serves where nothing can be written beside the .blend (a warning of the job says so); `//`
    is the .blend's own. location: where it grows and stands, by default the 3D cursor. on_progress: called with the
    Job, in Blender's main thread, at every message; if it raises, its traceback is printed and it is called no more.
    start: a block-out, as mesh objects of the scene or a .glb file; the result stands where it stands, at its size.
    start_strength, among the settings, says how closely to keep to it. keep: a mesh object, or a .glb file, within
    which alone the start may change.
    pictures: that it shall look like, as (image, view): a file or an image data-block, and front, right, back, left,
    top, bottom, (azimuth, elevation) in degrees, or a camera object.
    settings: see docs/settings.md. Raises SjcError for bad ones.
    """
    given = job_inputs.read(
        {**settings, "prompt": prompt}, start, keep, pictures, location, lambda chosen: _free_folder(folder, chosen)
    )
    return _queued(given.settings, given.folder, block, on_progress, folder, location, given.prepare)


def refine(
    job: Job | str | Path,
    prompt: str | None = None,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    folder: str | Path | None = None,
    location: tuple[float, float, float] | None = None,
    keep: str | Path | bpy.types.Object = "",
    **settings: Any,
) -> Job:
    """Go on from a finished result in a job of its own; the result stays as it is.

    job: a Job, or a path as for `import_result`. prompt: other words, which change the colors and hold the shape;
    without them the result is refined. location: by default beside the result, where it stands in the scene, else the
    3D cursor. keep: a mesh object within which alone the result may change, beside the result's mesh in the scene; or a
    .glb file, in the frame of the result's mesh.glb. settings: over the result's own, such as `steps`, `grid`,
    `start_noise` or `density_rate`. The rest is as in `generate`. Raises SjcError for a job that is not finished or
    whose field is gone, and for bad settings.
    """
    parent = job.folder if isinstance(job, Job) else places.job_folder(places.named_path(job))
    part = job_inputs.part_of_result(keep, parent)
    chosen = refining.settings_of(parent, prompt, {**settings, **part.settings})
    taken = [record.folder for record in queue().jobs]
    job_folder = places.named_path(folder) if folder else refining.free_folder(parent, chosen, taken)
    prepare = partial(part.write, job_folder) if part.writes else None
    where = location or live.beside(parent)
    return _queued(chosen, job_folder, block, on_progress, folder or job_folder, where, prepare)


def sharpen(
    job: Job | str | Path,
    *,
    strength: float = sharpening.STRENGTH,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    folder: str | Path | None = None,
    location: tuple[float, float, float] | None = None,
    **settings: Any,
) -> Job:
    """Paint the mesh of a finished result again, from its present colors, in a job of its own: Sharpen Colors.

    For latent models, whose colors guidance exaggerates. The result stays as it is. job: a Job, or a path as for
    `import_result`. strength: 0 to 1, how freely the pictures are made that correct the colors. settings: over the
    result's own, such as `texture_size`. The rest is as in `refine`. Raises SjcError for a job that is not finished or
    has no mesh.
    """
    parent = job.folder if isinstance(job, Job) else places.job_folder(places.named_path(job))
    chosen = sharpening.settings_of(parent, {**settings, "surface_strength": strength})
    taken = [record.folder for record in queue().jobs]
    job_folder = places.named_path(folder) if folder else sharpening.free_folder(parent, taken)
    where = location or live.beside(parent)
    return _queued(chosen, job_folder, block, on_progress, folder or job_folder, where)


def _free_folder(folder: str | Path | None, chosen: Settings) -> Path:
    """The job folder that somebody named, else one of the output folder that does not exist yet."""
    taken = [record.folder for record in queue().jobs]
    return places.named_path(folder) if folder else free_folder(places.output_folder(), chosen, taken)


def texture(
    objects: Iterable[bpy.types.Object],
    prompt: str,
    *,
    strength: float = 1.0,
    together: bool = False,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    **settings: Any,
) -> list[Job]:
    """Paint mesh objects that are there, each by itself or all together.  Returns a job for each, or one.

    Modifiers are applied to a copy, which gets the texture in a material of its own and stands where the object
    stands; the object itself is hidden and otherwise as it was, with its materials. strength: 0 to 1, how much of its
    present colors (those of materials, not of their pictures) to replace. together: whether they are one object, whose
    textured copy is one mesh. settings: such as `texture_size`. The rest is as in `generate`. Raises SjcError for what
    cannot be textured; nothing has started then.
    """
    from .scene import texturing

    items = list(objects)
    if not items:
        raise SjcError("There is nothing to texture: select one or more mesh objects.")
    given = {**settings, "prompt": prompt, "surface": texturing.SURFACE, "surface_strength": strength}
    chosen = job_inputs.resolved(given)
    made = []
    groups = [items] if together else [[item] for item in items]
    for group, scanned in [(group, texturing.scan(group)) for group in groups]:
        folder = _free_folder(None, chosen)
        made.append(_queued(chosen, folder, False, on_progress, None, None, partial(scanned.write, folder)))
        for item in group:
            texturing.wait_for(item, made[-1].record.id)
    return [job.wait() for job in made] if _blocks(block) else made


def _queued(
    chosen: Settings,
    job_folder: Path,
    block: bool | None,
    on_progress: OnProgress | None,
    folder: str | Path | None,
    location: tuple[float, float, float] | None,
    prepare: Callable[[], None] | None = None,
) -> Job:
    job = job_of(queue().add(chosen, job_folder), on_progress)
    if prepare:
        job.record.preparation = Preparation(prepare)
    if not folder and (reason := places.why_not_beside()):
        live.warn(job.record, reason)
    live.expect(job.record, location)
    session.keep_pumping()
    return job.wait() if _blocks(block) else job


def batch(
    prompts: str | bpy.types.Text | Iterable[str | Mapping[str, Any]],
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    cluster: str = "",
    **settings: Any,
) -> list[Job]:
    """Make many, one after the other: texts, or mappings of settings with a "prompt".

    cluster: where a Ray cluster makes them instead, many at once: local, auto or HOST:PORT (docs/cluster.md). The jobs
    stand in the queue as others do; cancelling one stops all of the same batch, and `retry` goes on with it here.

    One that fails does not stop the rest. A single text, or a Text datablock, is read as `sjc batch` reads a file: a
    prompt or a JSON object a line, # begins a comment. All are checked first: SjcError lists every bad one, and nothing
    has started then.
    """
    wanted = _checked(prompts, settings)
    if cluster:
        made = _on_cluster(wanted, cluster, on_progress)
    else:
        made = [
            generate(block=False, on_progress=on_progress, location=live.in_a_row(index), **given)
            for index, given in enumerate(wanted)
        ]
    if _blocks(block):
        for job in made:
            job.wait()
    return made


def _on_cluster(wanted: list[dict[str, Any]], address: str, on_progress: OnProgress | None) -> list[Job]:
    chosen = [resolved(given) for given in wanted]
    batch = ClusterBatch(chosen, places.batch_folder(), places.shell_command("batch"), address)
    queue().add_batch(batch)
    for index, record in enumerate(batch.jobs):
        live.expect(record, live.in_a_row(index))
    session.keep_pumping()
    return [job_of(record, on_progress) for record in batch.jobs]


def variants(
    prompt: str,
    count: int = 4,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    folder: str | Path | None = None,
    location: tuple[float, float, float] | None = None,
    start: str | Path | Iterable[bpy.types.Object] = "",
    keep: str | Path | bpy.types.Object = "",
    pictures: Iterable[Picture] = (),
    **settings: Any,
) -> list[Job]:
    """Make several short variants of one object side by side, in a row, to choose from; `take_variant` goes on.

    count: 1 to 16. Each is a job that stops at a quarter of its steps, with a seed of its own and small differences of
    settings (docs/for-scripters.md); its state is then "stopped". folder: the parent of their folders, which must be
    empty. location: of the first; those of a block-out stand in a row beside it. The rest is as in `generate`. Raises
    SjcError for bad input.
    """
    given = job_inputs.read(
        {**settings, "prompt": prompt}, start, keep, pictures, location, lambda chosen: parent_folder(folder, chosen)
    )
    made = begin(given, count, location)
    for job in made:
        job_of(job.record, on_progress)
    if _blocks(block):
        for job in made:
            job.wait()
        while being_made(made[0].record):  # until then nobody can go on with one
            pump()
            time.sleep(PUMP_SECONDS)
    return made


def _checked(prompts: Any, common: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of every job that `batch` was given. Raises SjcError, one line for everything wrong with them."""

    def check(own: Mapping[str, Any]) -> dict[str, Any]:
        given = {**common, **own}
        resolved(given)
        return given

    text = prompts.as_string() if hasattr(prompts, "as_string") else prompts  # of a Text datablock
    if isinstance(text, str):
        return read_batch(text, check)
    wanted, problems = [], []
    for number, item in enumerate(prompts, 1):
        try:
            wanted.append(check(item if isinstance(item, Mapping) else {"prompt": item}))
        except SjcError as error:
            problems.append(f"{number}: {error}")
    if problems:
        raise SjcError("\n".join(problems))
    return wanted


def import_result(path: str | Path, *, location: tuple[float, float, float] | None = None) -> Job:
    """Bring in a job folder made elsewhere, finished or half finished: the folder, its NAME.sjc, or a file in it.

    A finished one gives its mesh, a half-finished one its newest volume. Raises SjcError with one line for anything
    else.
    """
    folder = places.job_folder(places.named_path(path))
    record = read_folder(folder)
    job = job_of(record)
    live.expect(record, location)
    incoming.bring_in(record)
    return job


def check_model(model: str = "embedded", *, device: str = "auto", folder: str | Path | None = None) -> ModelReport:
    """Measure whether a model works as it should, and what a job with it costs; waits until that is done.

    model, device: as the settings of a job. folder: where check.json and check.png go, by default a new folder in the
    output folder. The report has `ok`, `checks` (name, ok and text each), `folder` and `picture`. Raises SjcError for a
    model that cannot be loaded, and without a backend.
    """
    python = places.backend().python
    if not python:
        raise SjcError("Install the backend first: it checks the models.")
    target = places.named_path(folder) if folder else places.report_folder(model)
    work = CheckModel(python, places.whole_paths(model), target, device).start()
    work.thread.join()
    if work.report is None:
        raise SjcError(work.text)
    return work.report


def resume_folder(
    path: str | Path,
    *,
    block: bool | None = None,
    on_progress: OnProgress | None = None,
    location: tuple[float, float, float] | None = None,
) -> Job:
    """Go on with a half-finished job folder, whoever began it: here, another Blender, or the command line.

    path: as for `import_result`. The job joins the queue; the rest is as in `generate`. Raises SjcError for a finished
    one, and for anything that is no job folder.
    """
    job = job_of(queue().take_up(places.job_folder(places.named_path(path))), on_progress)
    live.expect(job.record, location)
    session.keep_pumping()
    return job.wait() if _blocks(block) else job


def words(model: str = "embedded") -> dict[str, list[str]]:
    """The words that a model knows, by kind: objects, colors, parts. {} for one that lists none, as it knows many.

    model: as in the settings. Raises SjcError for one that is not on this machine.
    """
    return lookup.words(model)


def show_colors() -> int:
    """Have the 3D viewports in Solid shading show the colours of vertices; returns how many were changed.

    Volumes stay grey there: Solid shading reads their density alone. Material Preview shows their colours.
    """
    from .scene import viewports

    return viewports.show_colors()


def _blocks(block: bool | None) -> bool:
    import bpy

    return bpy.app.background if block is None else block

"""Makes the variants of a prompt: all folders, the list of them, and a sheet with a picture of each."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import causes
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import locks, placement, run
from ..job.progress import Event, Report
from ..models import distilled
from ..output import files
from ..settings import Settings
from . import plan

if TYPE_CHECKING:
    from ..guidance.denoiser import Denoiser
    from .side_by_side import Work

TILE, GAP = 256, 8  # pixels of the sheet


@dataclass(frozen=True)
class Made:
    """What came of them.  problems: by folder, why a variant could not be made. stopped: it was asked to stop."""

    folders: list[Path]
    problems: dict[Path, str]
    stopped: bool


def make(
    settings: Sequence[Settings],
    parent: Path,
    report: Report,
    stop: Callable[[], bool] = lambda: False,
    denoiser: Denoiser | None = None,
) -> Made:
    """Make variants with these settings, which `plan.variants_of` gives, in a new folder.

    report: called with events; those of a variant have its "folder". stop: asked before every step; what is made then
    can be resumed. denoiser: asked in place of the settings' model. One that fails does not stop the others.

    Raises SjcError for bad input, before anything is written, and where not one could be made.
    """
    plan.check_parent(parent)
    folders = plan.folders(parent, settings)
    run.check_early(settings[0])
    model = denoiser or _model(settings, folders, report)
    stands = placement.read(parent)  # where a block-out of Blender's stands
    with contextlib.ExitStack() as held:
        for folder, chosen in zip(folders, settings, strict=True):
            held.enter_context(locks.holding(folder))
            job_folder.prepare_folder(folder, chosen)
            if stands:
                placement.write(folder, stands)
        plan.write_list(parent, settings, {})
        jobs = zip(folders, settings, strict=True)
        ends = _run(model, [_work(folder, chosen, report, stop) for folder, chosen in jobs])
    stopped = any(isinstance(end, run.Stopped) for end in ends)
    problems = {}
    for folder, end in zip(folders, ends, strict=True):
        if isinstance(end, BaseException) and not isinstance(end, run.Stopped):
            problems[folder] = _problem(end)
            report({"type": "error", "code": "input", "text": problems[folder], "folder": str(folder)})
    plan.write_list(parent, settings, problems)
    _write_sheet(parent, folders)
    if len(problems) == len(folders):
        raise SjcError(next(iter(problems.values())))
    return Made(folders, problems, stopped)


def _model(settings: Sequence[Settings], folders: Sequence[Path], report: Report) -> Denoiser:
    """The one model of all. Raises SjcError where they need different ones."""
    if len({distilled.built_in(chosen) for chosen in settings}) > 1:
        raise SjcError("The variants differ in a setting that the model is loaded with; make them one by one.")
    first = run.JobRun(folders[0], settings[0], report)
    first.load()
    return first.denoiser


def _run(model: Denoiser, works: list[Work]) -> list[Any]:
    from .side_by_side import side_by_side

    return side_by_side(model, works)


def _work(folder: Path, chosen: Settings, report: Report, stop: Callable[[], bool]) -> Work:
    def tell(event: Event) -> None:
        report({**event, "folder": str(folder)})

    def work(model: Denoiser) -> dict[str, Any]:
        from .short import ShortRun

        job = ShortRun(folder, chosen, tell, stop, model)
        try:
            made = job.run()
        finally:
            vars(job).pop("optimization", None)
        tell({"type": "variant", "step": job.last_step})
        return made

    return work


def _problem(error: BaseException) -> str:
    if (known := causes.in_one_line(error)) is None:
        raise error
    return known[1]


def _write_sheet(parent: Path, folders: Sequence[Path]) -> None:
    """variants.png: their pictures in a row; those that are missing leave a gap."""
    from PIL import Image

    sheet = Image.new("RGB", (len(folders) * (TILE + GAP) + GAP, TILE + 2 * GAP), "white")
    for index, folder in enumerate(folders):
        with contextlib.suppress(OSError), Image.open(folder / plan.PICTURE) as picture:
            sheet.paste(picture.convert("RGB").resize((TILE, TILE)), (GAP + index * (TILE + GAP), GAP))
    with files.replacing(parent / plan.SHEET) as temporary:
        sheet.save(temporary, format="PNG")

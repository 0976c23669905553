"""What messages of the worker do to the scene: snapshots become volumes, results become meshes.

Everything runs on Blender's main thread and looks objects up by the job they belong to: after an undo or a file load
every kept reference would be dead. Only what a job needs in the scene is remembered here (where it stands, whether its
volume was seen), in plain Python.
"""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import timer, user_preferences
from .backend.sjc import foreign
from .backend.sjc.errors import SjcError, one_line
from .backend.sjc.job import placement
from .backend.sjc.job.folder import MESH, PAINTED, RUN, SNAPSHOTS
from .backend.sjc.settings import to_json
from .backend.sjc.variants import plan
from .problems import Problem
from .queue.records import JobRecord

if TYPE_CHECKING:
    import bpy

    from .scene import glb

COLORS = "sjc_colors"  # property of a latent model's objects: preview (the volume) or final (the mesh)
ROW_SPACING = 1.5  # sizes between the objects of a batch

NO_TAGS = frozenset([
    "a", "an", "and", "at", "by", "for", "from", "in", "is", "its", "of", "on", "or", "that", "the", "to", "with",
])  # fmt: skip

Listener = Callable[[JobRecord, dict[str, Any]], None]
listeners: list[Listener] = []  # called after every message: the panel, tests
settled: list[Callable[[], None]] = []  # called once, after all messages of a turn: the panel
folders_removed: list[Callable[[], None]] = []  # called when job folders have been removed: the panel's history


@dataclass
class Placement:
    """Where a job's objects stand, and what became of its volume.

    row: its number in a row of variants. shown: the volume was in the scene once. renewed: the scene was replaced since
    (undo, file load), so a missing volume comes back. gone: the person deleted the volume, so it is no longer updated;
    the job goes on.
    """

    location: tuple[float, float, float]
    row: int = 0
    shown: bool = False
    renewed: bool = False
    gone: bool = False


_placements: dict[str, Placement] = {}
_readings: dict[str, glb.Reading] = {}  # id of a job -> its mesh, on the way into the scene
_rows: set[Path] = set()  # parent folders of variants that came into the scene after the last undo step


def expect(record: JobRecord, location: tuple[float, float, float] | None, row: int = 0) -> None:
    """Remember where a job's object shall stand; None: at the 3D cursor.  row: its number in a row of variants."""
    _placements[record.id] = Placement(place(location), row)


def place(location: tuple[float, float, float] | None) -> tuple[float, float, float]:
    """A location, or that of the 3D cursor."""
    import bpy

    x, y, z = location or bpy.context.scene.cursor.location
    return x, y, z


def beside(folder: Path) -> tuple[float, float, float] | None:
    """A place along X from the result of a job folder, if it stands in the scene."""
    if (result := mesh_of_folder(folder)) is None:
        return None
    x, y, z = result.location
    return x + ROW_SPACING * output_settings()["size"], y, z


def mesh_of_folder(folder: Path) -> bpy.types.Object | None:
    """The mesh of a job folder in the scene: the active object where it is one."""
    import bpy

    def is_it(one: Any) -> bool:
        return one.type == "MESH" and one.get("folder") == str(folder) and "sjc_job" in one

    active = bpy.context.view_layer.objects.active
    return active if active and is_it(active) else next(filter(is_it, bpy.data.objects), None)


def in_a_row(index: int, start: tuple[float, float, float] | None = None) -> tuple[float, float, float]:
    """Location of object number `index` of a batch: in a row along X, from `start` or the 3D cursor on."""
    import bpy

    x, y, z = start or bpy.context.scene.cursor.location
    return x + index * ROW_SPACING * output_settings()["size"], y, z


def output_settings() -> dict[str, Any]:
    """How results come into the scene: the panel's Output, or its defaults."""
    import bpy

    chosen = getattr(bpy.context.scene, "sjc_output", None)
    defaults = {
        "size": 1.0, "smooth": True, "smooth_repeats": 0, "decimate": 1.0,
        "mark_as_asset": False, "volume_to_mesh": False, "copy_beside": False,
    }  # fmt: skip
    return {name: getattr(chosen, name, default) for name, default in defaults.items()}


def volume_of(job_id: str) -> bpy.types.Object | None:
    """The job's Volume object."""
    from .scene import volumes

    return volumes.find(job_id)


def mesh_of(job_id: str) -> bpy.types.Object | None:
    """The job's mesh."""
    from .scene import meshes

    return meshes.find(job_id)


# ------------------------------------------------------------------------------------------------------------ messages


def handle(record: JobRecord, message: dict[str, Any]) -> None:
    """Bring the scene up to date with one message."""
    kind = message["type"]
    if kind == "snapshot" and record.snapshots:
        try:
            show(record)
        except Exception as error:  # noqa: BLE001 (the job goes on, and so do its messages)
            traceback.print_exc()
            text = f"The volume cannot be shown: {one_line(error)}"
            warn(record, text)
    elif kind == "result":
        _bring_in(record)
    elif kind == "variant":
        _show_variant(record)
    elif kind == "painted":
        _show_painted(record)
    elif kind == "done" and record.settings.surface:
        from .scene import texturing

        texturing.drop(record.id)
        placement_of(record).shown = False  # not the person's doing: it comes back if the job goes on
    tell(record, message)


def ready(record: JobRecord, message: dict[str, Any]) -> bool:
    """Whether `handle` would not wait: in the window a thread reads a result's mesh first."""
    import bpy

    from .scene import glb

    if bpy.app.background or message["type"] not in ("result", "painted"):
        return True
    if record.id not in _readings:
        _readings[record.id] = glb.Reading(record.folder / (MESH if message["type"] == "result" else PAINTED))
    return _readings[record.id].done


def _bring_in(record: JobRecord) -> None:
    """The result into the scene. Whatever goes wrong: the job's files are there, and Retry imports them again."""
    try:
        finish(record)
    except SjcError as error:
        record.problem = Problem("folder", str(error), "Press Retry to import the result again.")
    except Exception as error:  # noqa: BLE001 (Blender refuses in many ways; none may go unsaid)
        text = f"The result is finished but could not be brought into the scene: {one_line(error)}"
        record.problem = Problem("bug", text, "Press Retry to import the result again.", traceback.format_exc())
        traceback.print_exc()


def _show_variant(record: JobRecord) -> None:
    """The short mesh of a variant; where it cannot be shown, there is its picture."""
    try:
        show_variant(record)
    except Exception as error:  # noqa: BLE001 (the folder is there, and the variant can be taken)
        traceback.print_exc()
        text = f"The variant cannot be shown: {one_line(error)}"
        warn(record, text)


def _show_painted(record: JobRecord) -> None:
    """A mesh that gets a texture, as far as it is, around the object itself, which stays as it is."""
    from .scene import glb, texturing

    reading, where = _readings.pop(record.id, None) or glb.Reading(record.folder / PAINTED), placement_of(record)
    stands, size, again = placement.read(record.folder), output_settings()["size"], where.renewed or not where.shown
    try:
        painted = not where.gone and reading.result()
        if painted:
            shown = texturing.show(record.id, painted, record.prompt, where.location, size, stands, make_again=again)
            where.renewed, where.shown, where.gone = False, True, shown is None
    except SjcError:  # painted anew or finished meanwhile; the next one comes soon
        return
    except Exception as error:  # noqa: BLE001 (the job goes on, and so do its messages)
        traceback.print_exc()
        text = f"The unfinished texture cannot be shown: {one_line(error)}"
        warn(record, text)


def show_variant(record: JobRecord) -> bpy.types.Object | None:
    """The short mesh of a variant in the scene, for `push_rows`. None where nothing has formed yet."""
    from .scene import glb, meshes

    path, where = record.folder / plan.MESH, placement_of(record)
    if not path.is_file():
        return None
    meshes.drop_variant(record.id)
    made = meshes.place(
        glb.read(path),
        name=record.prompt,
        location=where.location,
        size=output_settings()["size"],
        stands=_beside_block_out(record.folder, where.row),
        properties=properties_of(record),
        job_id=record.id,
    )
    meshes.mark_variant(made)
    _rows.add(record.folder.parent)
    return made


def push_rows(unfinished: Collection[Path]) -> None:
    """One undo step for all variants of a press, once they are there.  unfinished: parents of those at work."""
    import bpy

    whole = _rows.difference(unfinished)
    _rows.difference_update(whole)
    if whole and not bpy.app.background:
        bpy.ops.ed.undo_push(message="Variants (SJC)")


def _beside_block_out(folder: Path, row: int) -> placement.Placement | None:
    """Where number `row` of the variants of a block-out stands: in a row beside it. None for other variants."""
    stands = placement.read(folder)
    if stands is None:
        return None
    x, y, z = stands.location
    return replace(stands, location=(x + (row + 1) * ROW_SPACING * stands.scale * placement.EXTENT, y, z))


def warn(record: JobRecord, text: str) -> None:
    """Have the panel show a warning with a job, once."""
    record.take({"type": "warning", "text": text})


def tell(record: JobRecord, message: dict[str, Any]) -> None:
    """Hand a message on to the listeners."""
    for listener in tuple(listeners):
        listener(record, message)


def settle() -> None:
    """No more messages in this turn."""
    for listener in tuple(settled):
        listener()


def tell_removed() -> None:
    """Job folders have been removed."""
    for listener in tuple(folders_removed):
        listener()


def show(record: JobRecord) -> None:
    """The newest snapshot in the scene. One that cannot be read is passed over; the next one comes soon."""
    from .scene import volumes

    where = placement_of(record)
    if where.gone:
        return
    try:
        shown = volumes.show_snapshot(
            record.id,
            record.snapshots[-1].vdb,
            name=f"{record.prompt} volume",
            location=where.location,
            make_again=where.renewed or not where.shown,
            size=output_settings()["size"],
            stands=placement.read(record.folder),
        )
    except SjcError:  # damaged since it was announced
        return
    where.renewed, where.shown = False, True
    where.gone = shown is None
    if shown is not None and record.colors == "preview":
        shown[COLORS] = "preview"


def finish(record: JobRecord) -> bpy.types.Object:
    """The finished mesh in the scene, the volume hidden; one undo step. Raises SjcError for a file that is no mesh.

    Where something else fails after the import, the mesh stays, and the next attempt takes its place.
    """
    import bpy

    from .scene import glb, meshes, texturing, volumes

    reading = _readings.pop(record.id, None) or glb.Reading(record.folder / MESH)
    triangles = reading.result()
    where, wanted = placement_of(record), output_settings()
    meshes.drop_incomplete(record.id)
    meshes.drop_variant(record.id)
    texturing.drop(record.id)
    made = meshes.place(
        triangles,
        job_id=record.id,
        name=record.prompt,
        location=where.location,
        size=wanted["size"],
        stands=placement.read(record.folder),
        properties=properties_of(record),
    )
    meshes.begin(made)
    if record.colors == "preview":
        made[COLORS] = "final"
    if not wanted["smooth"]:
        made.data.shade_flat()
    if record.settings.surface:  # the mesh is somebody's own, and stays as it is
        texturing.step_aside(record.id, made)
    else:
        meshes.smooth(made, wanted["smooth_repeats"])
        meshes.decimate(made, wanted["decimate"])
    if wanted["mark_as_asset"]:
        meshes.asset_mark(made, record.prompt, tags_of(record.prompt))
    volume = volumes.hide(record.id)
    if volume and wanted["volume_to_mesh"]:
        meshes.volume_to_mesh(volume, _threshold(record))
    if volume:
        _thin_history(record)
    meshes.complete(made)
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message="Text to 3D (SJC)")
    return made


def _threshold(record: JobRecord) -> float:
    """The density at which the worker cut the mesh."""
    try:
        run = foreign.Record(foreign.read_json(record.folder / RUN, within=record.folder), RUN)
        return run.record("mesh").number("threshold", 0, 1e6)
    except (OSError, SjcError):
        return 1.0


def _thin_history(record: JobRecord) -> None:
    """Bring a long history within its limits: in the window by a thread, whose end the timer sees."""
    from .scene import history

    limits, thinned = user_preferences.history_limits(), []

    def work() -> None:
        with contextlib.suppress(SjcError, OSError):  # a full disk: the long history serves as well
            thinned.append(history.thin(record.folder / SNAPSHOTS, *limits))

    def use() -> None:
        if thinned and thinned[0].name != SNAPSHOTS:
            _use_thinned(record.id, thinned[0])

    timer.in_thread("history", work, use)


def _use_thinned(job_id: str, thinned: Path) -> None:
    from .scene import history, volumes

    volumes.use_history(job_id, thinned)
    long_history = thinned.with_name(SNAPSHOTS)
    if not volumes.uses(long_history):  # a copy that the person made may still show it
        history.drop(long_history)


def tags_of(prompt: str) -> list[str]:
    """The words of a prompt that one would look for in the Asset Browser."""
    tags = (word.strip(".,;:!?\"'()").lower() for word in prompt.split())
    return [word for word in tags if word and word not in NO_TAGS]


def properties_of(record: JobRecord) -> dict[str, Any]:
    """Custom properties of a result: how to make it again."""
    s = record.settings
    return {
        "prompt": record.prompt,
        "seed": s.seed,
        "settings": json.dumps(json.loads(to_json(s)), ensure_ascii=False),
        "folder": str(Path(record.folder)),
    }


def placement_of(record: JobRecord) -> Placement:
    """Where a job's objects stand; at the 3D cursor if nobody said so before."""
    if record.id not in _placements:
        expect(record, None)
    return _placements[record.id]


def renew(*_arguments: Any) -> None:
    """Handler of undo, redo and file load: volumes that went with the old scene may come back."""
    for one in _placements.values():
        one.renewed = True
        one.gone = False


def before_save(filepath: str) -> list[tuple[str, str]]:
    """The .blend is about to be written: make paths of volumes relative, and copy their files beside it if wanted.

    -> (job id, warning) of every volume whose files could not be copied; the .blend is more important.
    """
    from .scene import volumes

    warnings = []
    if output_settings()["copy_beside"] and filepath:
        for job_id in volumes.jobs():
            try:
                volumes.copy_beside(job_id, Path(filepath).parent)
            except (SjcError, OSError) as error:
                print(f"sjc: {error}", file=sys.stderr)
                text = f"The volume's files were not copied beside the .blend: {error}"
                warnings.append((job_id, text))
    volumes.make_relative()
    return warnings


def forget() -> None:
    """At switching off."""
    _placements.clear()
    _readings.clear()
    _rows.clear()
    listeners.clear()
    settled.clear()
    folders_removed.clear()

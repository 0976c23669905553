"""The live volume of a job: made once, then only its file path changes; later its history on the timeline.

How live and history live together: the volume shows the newest snapshot until the timeline is touched. From then on it
is a sequence that begins at the scene's first frame: every frame shows its snapshot, and every frame past the last
shows the newest, so the end of the timeline stays live. `follow_timeline`, called at every turn of the timer, notices
the touch: no handler is needed. A job that ends with the timeline untouched leaves a repeating sequence that begins at
the *next* frame: where the user stands the volume shows the result, also to whom opens the .blend without this add-on,
and from there on the history plays.

Where it stands: before 5.0 Blender draws volumes half a voxel off (compat). That half voxel is taken back in the
object's *delta* location: Location, which the artist sees and animates and Alt-G clears, stays what it is, and no
parent is needed. A delta does not turn with the object, so it is worked out again at every snapshot and file load.

A volume is known by the job in a custom property of its datablock; nothing here keeps a reference, which an undo would
kill.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
from mathutils import Vector

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job.placement import Placement
from . import collect, compat, history, materials, vdb

_JOB, _SCENE, _FRAME, _VOXEL = "sjc_job", "sjc_scene", "sjc_frame", "sjc_voxel"  # on the datablock
_SHIFT = "sjc_shift"  # on the object: what of its delta location is ours
# The engine's box is 2 across; an object's longest side usually takes this much of it.
USUAL_EXTENT = 1.4

_shown: set[str] = set()


def show_snapshot(
    job_id: str,
    path: Path,
    *,
    name: str,
    location: Sequence[float],
    size: float = 1.0,
    make_again: bool = False,
    stands: Placement | None = None,
) -> Any | None:
    """Show the snapshot `path` (.vdb) as the volume of its job; -> its object, or None when the user has deleted it.

    The first call makes the object: named after `name` (the prompt), in the collection SJC of the scene, standing on
    `location`, of such a scale that an object of usual extent is `size` long; or, if given, as the engine's box
    `stands`. Later calls change its file alone.
    A missing object is made again only on `make_again`, after an undo or a file load took it away.
    Raises SjcError for a file that is missing, foreign or cut short; the volume then stays as it is.
    """
    header = vdb.read_header(path)
    target = find(job_id)
    if target is None:
        if job_id in _shown and not make_again:
            return None
        target = _make(job_id, path, name, location, size, stands)
    volume = target.data
    follow_timeline(job_id)
    if volume.is_sequence:
        volume.frame_duration = max(volume.frame_duration, history.number(path))
    else:
        volume.filepath = blend_path(path)
    volume[_VOXEL] = header.voxel
    _centre(target)
    _shown.add(job_id)
    return target


def find(job_id: str) -> Any | None:
    """The Volume object of a job, where one is in a scene."""
    volume = _volume(job_id)
    if volume is None or not volume.users:
        return None
    owners = (item for item in bpy.data.objects if item.data == volume)
    return next((item for item in owners if item.users_scene), None)


def follow_timeline(job_id: str) -> None:
    """Make the live volume a sequence once the current frame has changed. A few microseconds: for every tick."""
    volume = _volume(job_id)
    if volume is None or volume.is_sequence:
        return
    if _scene(volume).frame_current != volume.get(_FRAME):
        _become_sequence(volume, first=_scene(volume).frame_start, mode="EXTEND")


def hide(job_id: str) -> Any | None:
    """At the end: the history on the timeline, the object hidden in viewport (the eye: Alt-H) and render.

    Gives the object, or None where there is none.
    """
    target = find(job_id)
    if target is None:
        return None
    rest(job_id)
    target.hide_render = True
    try:
        target.hide_set(True)
    except RuntimeError:  # not in the view layer at hand (another scene, an excluded collection)
        target.hide_viewport = True
    return target


def rest(job_id: str) -> None:
    """Nothing more will come: the history onto the timeline, the newest snapshot where the user stands."""
    follow_timeline(job_id)
    volume = _volume(job_id)
    if volume is not None and not volume.is_sequence:
        _become_sequence(volume, first=_scene(volume).frame_current + 1, mode="REPEAT")


def use_history(job_id: str, folder: Path) -> None:
    """Have the volume show the files of `folder` (see history.thin, which may run in a thread) from now on."""
    volume, paths = _volume(job_id), history.volumes(folder)
    if volume is None or not paths:
        return
    volume.filepath, volume.frame_duration = blend_path(paths[-1]), len(paths)
    rest(job_id)


def centre_all() -> None:
    """After a file load: the half voxel of every volume of ours, for the Blender that runs now."""
    for item in bpy.data.objects:
        if item.type == "VOLUME" and item.data and _VOXEL in item.data and item.library is None:
            _centre(item)


# --------------------------------------------------------------------------------------------------------------- paths


def blend_path(path: Path) -> str:
    """`path` as the .blend shall hold it: relative (//) where the .blend is saved and both share more than the root."""
    path = path.absolute()
    if not bpy.data.filepath:
        return str(path)
    try:
        shared = Path(os.path.commonpath([path, Path(bpy.data.filepath).parent]))
    except ValueError:  # two drives
        return str(path)
    near = len(shared.parts) > 1
    return bpy.path.relpath(str(path)) if near else str(path)


def folder_of(volume: Any) -> Path:
    """The folder of a volume's files."""
    return _absolute(volume.filepath).parent


def _absolute(filepath: str) -> Path:
    """A path of the .blend on the disk, without the ".." that `//../` leaves."""
    return Path(os.path.normpath(bpy.path.abspath(filepath)))


def make_relative() -> None:
    """Before the .blend is saved again, or after its first save: paths of our volumes relative where they can be."""
    for volume in _ours():
        path = blend_path(_absolute(volume.filepath))
        if path != volume.filepath:  # a path that is set is read anew
            volume.filepath = path


def jobs() -> list[str]:
    """The jobs whose volumes this file has."""
    return list(dict.fromkeys(volume[_JOB] for volume in _ours()))


def uses(folder: Path) -> bool:
    """Whether any volume of this file, whoever made it, shows files of `folder`."""
    return any(volume.filepath and folder_of(volume) == folder for volume in bpy.data.volumes)


def copy_beside(job_id: str, beside: Path | None = None) -> Path:
    """Copy (or link) a volume's files to sjc/<job>/ in `beside`, by default the saved .blend's folder, and use them.

    -> the folder of the files. Raises SjcError when the .blend is not saved, the volume is not there or the copy fails.
    """
    volume = _volume(job_id)
    if volume is None:
        raise SjcError("This job has no volume in the scene.")
    if beside is None and not bpy.data.filepath:
        raise SjcError("Save the .blend first: the copies lie beside it.")
    source, beside = folder_of(volume), beside or Path(bpy.data.filepath).parent
    if source.is_relative_to(beside):
        make_relative()
        return source
    shown = Path(volume.filepath).name
    target = beside / "sjc" / source.parent.name / source.name
    if not target.is_dir():
        history.copy_to(source, target)
    volume.filepath = blend_path(target / shown)
    return target


# -------------------------------------------------------------------------------------------------------------- inside


def _ours() -> list[Any]:
    return [volume for volume in bpy.data.volumes if volume.get(_JOB) and volume.library is None]


def _volume(job_id: str) -> Any | None:
    """The job's datablock. Of copies made by the user the first by name counts: the others keep what they show."""
    return next((volume for volume in _ours() if volume[_JOB] == job_id), None)


def _scene(volume: Any) -> Any:
    return bpy.data.scenes.get(volume.get(_SCENE, "")) or bpy.context.scene


def _make(job_id: str, path: Path, name: str, location: Sequence[float], size: float, stands: Placement | None) -> Any:
    scene = bpy.context.scene
    for old in [volume for volume in _ours() if volume[_JOB] == job_id]:
        if old.users:
            del old[_JOB]  # a copy that the user made: it is theirs
        else:
            bpy.data.volumes.remove(old)  # what a deleted object left behind
    volume = bpy.data.volumes.new(collect.block_name(name))
    volume[_JOB], volume[_SCENE], volume[_FRAME] = job_id, scene.name, scene.frame_current
    volume.filepath = blend_path(path)
    volume.materials.append(materials.volume_material())
    volume.grids.load()
    grids = list(volume.grids.keys())
    if "density" not in grids:  # its head was good, the rest is nothing that Blender can read
        bpy.data.volumes.remove(volume)
        raise SjcError(f"{path} contains no grid named density.")
    volume.grids.active_index = grids.index("density")  # what Solid mode draws
    target = bpy.data.objects.new(volume.name, volume)
    target.scale = [size / USUAL_EXTENT] * 3
    target.location = Vector(location) + Vector((0, 0, size / 2))
    if stands:
        target.scale, target.location, target.rotation_euler.z = [stands.scale] * 3, stands.location, stands.rotation_z
    collect.collection(scene).objects.link(target)
    return target


def _become_sequence(volume: Any, *, first: int, mode: str) -> None:
    """Snapshot 1 at the frame `first`, one a frame up to the one that is shown now; `mode` says what lies around."""
    newest = history.number(Path(volume.filepath))
    volume.is_sequence, volume.sequence_mode = True, mode
    volume.frame_start, volume.frame_offset, volume.frame_duration = first, 0, newest


def _centre(target: Any) -> None:
    """Take back the half voxel that this Blender adds, in the object's own axes and scale as they are now."""
    half = compat.VOLUME_OFFSET * target.data.get(_VOXEL, 0.0)
    shift = target.matrix_basis.to_3x3() @ Vector((-half, -half, -half))
    change = shift - Vector(target.get(_SHIFT, (0.0, 0.0, 0.0)))
    if change.length > 1e-7:
        target.delta_location += change
        target[_SHIFT] = shift

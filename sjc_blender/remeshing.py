"""Quads for a mesh, and its export as USD or FBX: in a background Blender, while this one goes on."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import places, timer
from .backend.sjc.errors import SjcError
from .backend.sjc.settings import TEXTURE_EDGES
from .background.process import BackgroundBlender, State

FEWEST, MOST = 20, 1_000_000
FORMATS = (".usd", ".usda", ".usdc", ".usdz", ".fbx")
TICK_SECONDS = 0.05
NO_MESH = "Select a mesh first."
GONE = "The mesh was removed meanwhile; nothing was changed."

_working: list[Work] = []
on_problem: list[Callable[[str], None]] = []  # told of what went wrong, as nobody waits for it


class Work:
    """What a background Blender does.  result: the new object or the file, once `state` is "finished"."""

    def __init__(self, process: BackgroundBlender, finish: Callable[[Work], Any]) -> None:
        self._process, self._finish = process, finish
        self.state: State = "running"
        self.error: str | None = None
        self.result: Any = None
        self.report: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Work {self.state}{': ' + self.error if self.error else ''}>"

    def turn(self) -> bool:
        """Look once, and take in what is there; whether it has ended."""
        if self.state != "running":
            return True
        state = self._process.poll()
        if state == "running":
            return False
        self.report, self.error = self._process.answer, self._process.problem or None
        if state == "finished":
            try:
                self.result = self._finish(self)
            except (SjcError, OSError, RuntimeError, ReferenceError) as error:
                state, self.error = "failed", str(error).strip()
        self.state = state
        self._process.close()
        if self in _working:
            _working.remove(self)
        if self.error:
            for tell in on_problem:
                tell(self.error)
        return True

    def wait(self, timeout: float | None = None) -> Work:
        """Wait for the end. Raises TimeoutError where it does not come in `timeout` seconds; the work goes on then."""
        ends = None if timeout is None else time.monotonic() + timeout
        while not self.turn():
            if ends is not None and time.monotonic() > ends:
                raise TimeoutError(f"The background Blender is still at work after {timeout} s.")
            time.sleep(TICK_SECONDS)
        return self

    def cancel(self) -> None:
        """End it; nothing is changed."""
        self._process.cancel()
        self.turn()


def remesh(
    target: Any,
    faces: int = 4000,
    *,
    quads: bool = True,
    smooth_angle: float = 40.0,
    parts: bool = True,
    separate: bool = False,
    texture: int = 0,
    block: bool | None = None,
) -> Work:
    """Make a copy of a mesh object of about `faces` new faces; it takes the original's place, which is hidden.

    quads: by QuadriFlow, and by voxels where that fails; else by voxels at once. smooth_angle: in degrees; edges
    between faces that meet at a larger one are sharp. parts: whether each color becomes a vertex group. separate:
    whether each color becomes an object of its own instead; `result` is then an empty object, and they are its
    children. A mesh of one color, or without vertex colors, stays whole. texture: edge in texels of pictures of the
    original's colors, normals and ambient occlusion, which the copy then shows; 0 for none. In the window this returns
    at once (`block` overrides). Raises SjcError for no mesh, and for numbers that cannot be.
    """
    _check_mesh(target)
    if not FEWEST <= faces <= MOST:
        raise SjcError(f"{faces} faces cannot be made; choose {FEWEST} to {MOST}.")
    if not 0 <= smooth_angle <= 180:
        raise SjcError(f"{smooth_angle} is no angle for smooth shading; choose 0 to 180 degrees.")
    low, high = TEXTURE_EDGES
    if texture and not low <= texture <= high:
        raise SjcError(f"A picture of {texture} texels cannot be baked; choose {low} to {high}, or 0 for none.")
    name, identity = target.name, target.session_uid
    request = {
        "action": "remesh", "faces": faces, "quads": quads, "angle": math.radians(smooth_angle), "parts": parts,
        "separate": separate, "texture": texture,
    }  # fmt: skip
    process = BackgroundBlender()
    out = process.folder / "remeshed.blend"

    def finish(work: Work) -> Any:
        import bpy

        original = next((item for item in bpy.data.objects if item.session_uid == identity), None)
        if original is None:
            raise SjcError(GONE)
        return _put(out, name, original, work.report)

    given = {**request, "out": str(out), "pictures": str(process.folder)}
    return _begin(process, target, given, finish, block)


def export(target: Any, path: str | Path, *, block: bool | None = None) -> Work:
    """Write a mesh object as USD or FBX, by Blender's own exporters, standing at the origin.

    path: ends in .usd, .usda, .usdc, .usdz or .fbx; `//` is the .blend's folder. In the window this returns at once
    (`block` overrides). Raises SjcError for no mesh, another ending, and a folder that does not exist.
    """
    _check_mesh(target)
    file = places.named_path(path).absolute()
    if file.suffix.lower() not in FORMATS:
        raise SjcError(f"{file.name} has no ending of USD or FBX; use one of {', '.join(FORMATS)}.")
    if not file.parent.is_dir():
        raise SjcError(f"{file.parent} does not exist; choose another folder.")
    process = BackgroundBlender()
    made = process.folder / "made"
    made.mkdir()

    def finish(_work: Work) -> Path:
        for item in made.iterdir():
            if item.is_dir():  # the textures of a USD file
                shutil.copytree(item, file.parent / item.name, dirs_exist_ok=True)
        shutil.move(made / file.name, file)
        return file

    unit = _metres_of_a_unit()
    return _begin(process, target, {"action": "export", "out": str(made / file.name), "unit": unit}, finish, block)


def close() -> None:
    """Blender quits, or the add-on is switched off: nothing of ours goes on."""
    for work in _working:
        work.cancel()


def _metres_of_a_unit() -> float:
    """How many metres one of Blender's units is in this scene."""
    import bpy

    return float(bpy.context.scene.unit_settings.scale_length)


def _check_mesh(target: Any) -> None:
    if target is None or target.type != "MESH" or not len(target.data.polygons):
        raise SjcError(NO_MESH)


def _begin(
    process: BackgroundBlender, target: Any, request: dict[str, Any], finish: Callable[[Work], Any], block: bool | None
) -> Work:
    import bpy

    blend = process.folder / "object.blend"
    bpy.data.libraries.write(str(blend), {target})
    process.start(bpy.app.binary_path, {**request, "blend": str(blend), "object": target.name})
    work = Work(process, finish)
    _working.append(work)
    if bpy.app.background if block is None else block:
        return work.wait()
    timer.follow(work.turn)
    return work


def _put(path: Path, name: str, original: Any, report: Mapping[str, Any]) -> Any:
    """What was remeshed into the scene, where the original stands, which is hidden -> the object, or that of its parts.

    report: of the background Blender. Its maps are the files of pictures that were baked (color, normal, occlusion),
    its objects the names of the parts' objects, where each part has one.
    """
    import bpy

    parts: Mapping[str, str] = report.get("objects") or {}
    with bpy.data.libraries.load(str(path), link=False) as (_there, wanted):
        wanted.objects = list(parts.values()) or [name]
    meshes = list(wanted.objects)
    made = bpy.data.objects.new(name, None) if parts else meshes[0]
    made.name = f"{name} remeshed"
    made.parent, made.matrix_parent_inverse = original.parent, original.matrix_parent_inverse
    made.matrix_basis = original.matrix_basis
    if parts:
        for part, item in zip(parts, meshes, strict=True):
            _put_below(item, made, f"{part}: {name}")
    for home in original.users_collection:
        for item in dict.fromkeys((made, *meshes)):
            home.objects.link(item)
    shown = _material(made.name, original, report.get("maps") or {})
    for item in meshes:
        item.data.materials.clear()
        item.data.materials.append(shown)
    original.hide_render = True
    with contextlib.suppress(RuntimeError):  # it may be in no view layer
        original.hide_set(True)
    if not bpy.app.background:
        bpy.ops.ed.undo_push(message="Remesh")
    return made


def _put_below(item: Any, whole: Any, name: str) -> None:
    """Make a part a child that stands where the whole stands. It is no result any more: the job's mesh is the whole."""
    from mathutils import Matrix

    item.id_properties_clear()
    item.animation_data_clear()
    item.constraints.clear()
    item.name, item.parent = name, whole
    item.matrix_parent_inverse, item.matrix_basis = Matrix(), Matrix()


def _material(name: str, original: Any, maps: Mapping[str, str]) -> Any:
    """The material of a copy: with the baked pictures, else the original's own, else one that shows vertex colors."""
    from .scene import materials

    if maps:
        pictures = {kind: Path(file).read_bytes() for kind, file in maps.items()}
        return materials.textured_material(
            name, pictures["color"], original.color[:3], pictures["normal"], pictures["occlusion"]
        )
    own = original.data.materials[0] if len(original.data.materials) and not original.data.uv_layers else None
    return own or materials.mesh_material(name, original.color[:3])

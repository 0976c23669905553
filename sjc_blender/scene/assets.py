"""A result in the Asset Browser: marked, described, tagged, with a picture of itself."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from ..backend.sjc.job.folder import PREVIEW
from ..backend.sjc.output.pictures import LABEL, MARGIN, PAPER
from . import compat

THUMBNAIL = 256  # pixels
_VIEW = 1  # of the views in a preview.png, in steps of 45 degrees: the front, seen a little from the side
_SAMPLES = 16


def asset_mark(target: Any, prompt: str, tags: Iterable[str] = ()) -> None:
    """Mark `target` as an asset: `prompt` as its description, `tags` without doubles, a rendered thumbnail.

    The thumbnail is a view of the preview.png in the folder that the object names. Where that is gone or of another
    making, Blender renders one: in the window beside everything else, in the background, where it has no job for that,
    here (below a second).
    """
    target.asset_mark()
    data = target.asset_data
    data.description = " ".join(prompt.split())
    for tag in dict.fromkeys(word.strip().lower() for word in tags if word.strip()):
        data.tags.new(tag, skip_if_exists=True)
    folder = str(target.get("folder", ""))
    view = view_of(Path(folder) / PREVIEW) if folder else None
    if view is not None:
        _set_preview(target, view)
    elif bpy.app.background:
        _set_preview(target, _render(target))
    else:
        target.asset_generate_preview()


def view_of(sheet: Path) -> np.ndarray | None:
    """A view in a preview.png, [H, W, 4] f4, bottom row first, see-through where nothing stands; None where none is.

    Nothing stands where the row of depths below shows the paper.
    """
    if not sheet.is_file():
        return None
    try:
        pixels = _pixels(str(sheet))[::-1]
    except RuntimeError:  # no picture
        return None
    side, odd = divmod(len(pixels) - LABEL - 2 * MARGIN, 2)
    left = MARGIN + _VIEW * (side + MARGIN)
    if odd or side < 1 or (pixels.shape[1] - MARGIN) % (side + MARGIN) or left + side > pixels.shape[1]:
        return None
    view, depth = (pixels[top : top + side, left : left + side] for top in (LABEL, LABEL + side + MARGIN))
    stands = np.abs(depth[..., :3] * 255 - PAPER).max(-1) > 1
    if not stands.any():
        return None
    return np.ascontiguousarray(np.concatenate([view[..., :3], stands[..., None]], -1)[::-1].astype(np.float32))


def _set_preview(target: Any, pixels: np.ndarray) -> None:
    """pixels [H, W, 4] f4, bottom row first, as Blender counts."""
    preview = target.preview_ensure()
    preview.image_size = pixels.shape[1], pixels.shape[0]
    preview.image_pixels_float.foreach_set(np.ascontiguousarray(pixels).reshape(-1))


def _render(target: Any) -> np.ndarray:
    """A picture of `target` alone, [H, W, 4] f4, from a scene that is gone afterwards."""
    scene = bpy.data.scenes.new("SJC thumbnail")
    camera = bpy.data.objects.new("SJC thumbnail", bpy.data.cameras.new("SJC thumbnail"))
    world = bpy.data.worlds.new("SJC thumbnail")
    try:
        _fill(scene, target, camera, world)
        with tempfile.TemporaryDirectory() as folder:
            scene.render.filepath = str(Path(folder, "thumbnail.png"))
            bpy.ops.render.render(write_still=True, scene=scene.name)
            return _pixels(scene.render.filepath)
    finally:
        camera_data = camera.data
        bpy.data.objects.remove(camera)
        bpy.data.cameras.remove(camera_data)
        bpy.data.scenes.remove(scene)
        bpy.data.worlds.remove(world)


def _fill(scene: Any, target: Any, camera: Any, world: Any) -> None:
    background = compat.node_tree(world).nodes.get("Background")
    if background:
        background.inputs["Color"].default_value = (0.8, 0.8, 0.8, 1)
    scene.world = world
    scene.collection.objects.link(target)
    scene.collection.objects.link(camera)
    scene.camera = camera
    corners = [target.matrix_world @ Vector(corner) for corner in target.bound_box]
    middle = sum(corners, Vector()) / 8
    radius = max((corner - middle).length for corner in corners) or 1.0
    away = Vector((0.45, -1.0, 0.4)).normalized()
    camera.location = middle + away * radius * 1.05 / math.sin(camera.data.angle / 2)
    camera.rotation_euler = away.to_track_quat("Z", "Y").to_euler()
    camera.data.clip_start, camera.data.clip_end = radius / 100, radius * 100
    render = scene.render
    render.engine, scene.cycles.samples, scene.cycles.device = "CYCLES", _SAMPLES, "CPU"
    render.resolution_x = render.resolution_y = THUMBNAIL
    render.resolution_percentage, render.film_transparent = 100, True
    render.image_settings.file_format, render.image_settings.color_mode = "PNG", "RGBA"
    scene.view_settings.view_transform = "Standard"


def _pixels(path: str) -> np.ndarray:
    image = bpy.data.images.load(path)
    try:
        pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
        image.pixels.foreach_get(pixels)
        return pixels.reshape(image.size[1], image.size[0], 4)
    finally:
        bpy.data.images.remove(image)

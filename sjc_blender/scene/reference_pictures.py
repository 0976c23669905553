"""Reference pictures of the scene as the setting `picture` names them: files, images, cameras."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job.placement import Placement

if TYPE_CHECKING:
    import bpy

LARGEST_TILT = 10.0  # degrees between a camera and one that looks straight at the object


def view_text(view: Any, stands: Placement) -> str:
    """A view as text: a name or two angles as they are, a camera object by where it stands.

    stands: where the object that is to come will stand. Raises SjcError.
    """
    if isinstance(view, str):
        return view
    if hasattr(view, "matrix_world"):
        return _camera_text(view, stands)
    return ",".join(f"{float(number):g}" for number in view)


def _camera_text(camera: bpy.types.Object, stands: Placement) -> str:
    """Azimuth, elevation, distance in halves of the box, field of view. Raises SjcError."""
    from mathutils import Matrix, Vector

    if camera.type != "CAMERA":
        raise SjcError(f"{camera.name} is no camera; choose a camera object.")
    if camera.data.type != "PERSP":
        raise SjcError(f"The camera {camera.name} is not a perspective one; switch it to Perspective.")
    back = Matrix.Rotation(-stands.rotation_z, 4, "Z")  # into the object's own frame
    away = back @ (camera.matrix_world.translation - Vector(stands.location))
    if away.length < 1e-6 * stands.scale:
        raise SjcError(f"The camera {camera.name} stands where the object will be; move it back.")
    azimuth = math.degrees(math.atan2(away.x, -away.y))
    elevation = math.degrees(math.asin(max(-1.0, min(1.0, away.z / away.length))))
    a, e = math.radians(azimuth), math.radians(elevation)
    straight = Matrix(
        (
            (math.cos(a), -math.sin(e) * math.sin(a), math.cos(e) * math.sin(a)),
            (math.sin(a), math.sin(e) * math.cos(a), -math.cos(e) * math.cos(a)),
            (0.0, math.cos(e), math.sin(e)),
        )
    )
    turned = (back @ camera.matrix_world).to_quaternion().rotation_difference(straight.to_quaternion()).angle
    if math.degrees(min(turned, 2 * math.pi - turned)) > LARGEST_TILT:
        raise SjcError(
            f"The camera {camera.name} does not look straight and upright at the place where the object will stand; "
            "point it there, or choose another view."
        )
    distance = away.length / stands.scale
    return f"{azimuth:.4f},{elevation:.4f},{distance:.4f},{math.degrees(camera.data.angle):.4f}"


def image_file(image: bpy.types.Image, folder: Path, number: int) -> Path:
    """A file of an image: its own where that is what the image shows, else a copy in `folder`. Raises SjcError."""
    import bpy

    own = Path(bpy.path.abspath(image.filepath, library=image.library)) if image.filepath else None
    if image.source == "FILE" and own and own.is_file() and not image.is_dirty and image.packed_file is None:
        return own
    if not image.has_data and not image.pixels:
        raise SjcError(f"The image {image.name} has no pixels; load it again or choose another.")
    path = folder / f"image-{number}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        copy = _copy(image)
        try:
            copy.file_format = "PNG"
            copy.save(filepath=str(path))
        finally:
            bpy.data.images.remove(copy)
    except (OSError, RuntimeError) as error:
        raise SjcError(f"The image {image.name} cannot be written to {path}: {error}") from error
    return path


def _copy(image: bpy.types.Image) -> bpy.types.Image:
    """A new image of the same pixels: Blender's own copy loses what was painted and not saved."""
    import bpy

    copy = bpy.data.images.new(image.name, *image.size, alpha=True, float_buffer=image.is_float)
    copy.colorspace_settings.name, copy.alpha_mode = image.colorspace_settings.name, image.alpha_mode
    pixels = np.empty(len(image.pixels), np.float32)
    image.pixels.foreach_get(pixels)
    copy.pixels.foreach_set(pixels if image.channels == 4 else _with_alpha(pixels, image.channels))
    return copy


def _with_alpha(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels of one to three channels as those of four, opaque."""
    own = pixels.reshape(-1, channels)
    opaque = np.ones((len(own), 4), np.float32)
    opaque[:, :3] = own if channels == 3 else own[:, :1]
    return opaque.reshape(-1)

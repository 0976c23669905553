"""The panel's reference pictures: a list of the scene, each an image and the view that it shows.

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

from typing import Any

import bpy

from ..backend.sjc.errors import SjcError

CAMERA = "CAMERA"
VIEWS = (
    ("FRONT", "Front", "From the front of the object, where the camera of Blender's front view stands"),
    ("RIGHT", "Right", "From its right side"),
    ("BACK", "Back", "From behind"),
    ("LEFT", "Left", "From its left side"),
    ("TOP", "Top", "From above"),
    ("BOTTOM", "Bottom", "From below"),
    (CAMERA, "Camera", "From where a camera object stands that looks at the place of the object"),
)


def _is_camera(_group: Any, candidate: Any) -> bool:
    return candidate.type == "CAMERA"


class SJC_PG_picture(bpy.types.PropertyGroup):
    """A reference picture."""

    image: bpy.props.PointerProperty(
        name="Image", description="A picture of the object, cut out or before one plain color", type=bpy.types.Image
    )
    view: bpy.props.EnumProperty(name="View", description="Where the picture was taken from", items=VIEWS)
    camera: bpy.props.PointerProperty(
        name="Camera", description="The camera that took the picture", type=bpy.types.Object, poll=_is_camera
    )


def chosen(scene: Any) -> list[tuple[Any, Any]]:
    """The pictures as `api.generate` takes them. Raises SjcError where an image or a camera is missing."""
    pictures = []
    for number, one in enumerate(scene.sjc_pictures, 1):
        if one.image is None:
            raise SjcError(f"Reference picture {number} has no image; choose one, or remove the picture.")
        if one.view == CAMERA and one.camera is None:
            raise SjcError(f"Reference picture {number} has no camera; choose one, or another view.")
        pictures.append((one.image, one.camera if one.view == CAMERA else one.view.lower()))
    return pictures


def draw(layout: Any, context: Any) -> None:
    """The list, and what adds to it."""
    for index, one in enumerate(context.scene.sjc_pictures):
        column = layout.column(align=True)
        row = column.row(align=True)
        row.template_ID(one, "image", open="image.open")
        row.operator("sjc.remove_picture", text="", icon="X").index = index
        column.prop(one, "view", text="")
        if one.view == CAMERA:
            column.prop(one, "camera", text="")
    layout.operator("sjc.add_picture", icon="ADD")


CLASSES = (SJC_PG_picture,)

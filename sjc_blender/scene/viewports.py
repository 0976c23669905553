"""How 3D viewports show colours.  Their Solid shading shows one colour a material unless it is told otherwise."""

from __future__ import annotations

from typing import Any

import bpy

__all__ = ["hides_colors", "show_colors"]


def hides_colors(space: Any) -> bool:
    """Whether a 3D viewport (`SpaceView3D`) in Solid shading shows other colours than those of the vertices."""
    return space.shading.type == "SOLID" and space.shading.color_type != "VERTEX"


def show_colors() -> int:
    """Have every 3D viewport that is in Solid shading show the colours of vertices; -> how many were changed.

    Volumes stay grey there: Solid shading reads their density alone.
    """
    spaces = [
        area.spaces.active
        for window in bpy.context.window_manager.windows
        for area in window.screen.areas
        if area.type == "VIEW_3D"
    ]
    hiding = [space for space in spaces if hides_colors(space)]
    for space in hiding:
        space.shading.color_type = "VERTEX"
    return len(hiding)

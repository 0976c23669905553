"""Where all panels of ours stand."""

from __future__ import annotations


class Sidebar:
    """The tab SJC of the 3D viewport's sidebar."""

    bl_space_type, bl_region_type, bl_category = "VIEW_3D", "UI", "SJC"


class Child(Sidebar):
    """A sub-panel."""

    bl_parent_id = "SJC_PT_main"

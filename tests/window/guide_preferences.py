"""The pictures of what is not in the panel: the prompt bar, and the preferences with models and another computer."""

import time

from tests.window import camera, guide
from tests.window.desk import UNIT

SIZE = (1500, 1500)  # of the screen: all of the preferences fit into it
OPEN = """
addon = "bl_ext.user_default.sjc_blender"
bpy.context.preferences.system.use_online_access = True
chosen = bpy.context.preferences.addons[addon].preferences
chosen.other_use, chosen.other_host, chosen.other_python = True, "anna@workstation", "~/sjc_blender/.venv"
next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').type = 'PREFERENCES'
bpy.context.preferences.active_section = 'ADDONS'
bpy.context.window_manager.addon_search = "SJC"
bpy.ops.preferences.addon_expand(module=addon)
"""
MARGIN = 14  # pixels beside the boxes


def make(desk, folder):
    """The bar at the mouse, then from below the models that there are to the check of the other computer -> paths."""
    desk.open_tab("SJC")
    desk.ask(guide.SCENE)
    shots = guide.Shots(desk, folder)
    with shots.pop_up("prompt-bar"):
        desk.press("ctrl+shift+t")
    desk.ask(OPEN)
    time.sleep(guide.LOOKED)
    area = ("PREFERENCES", "WINDOW")
    top, bottom = (desk.find(name, *area)[1] for name in ("sjc.sign_in", "sjc.check_other"))
    left, _, width, _ = desk.ask(f"result = region_of{area}")["box"]
    desk.point(left + width // 2, 2)
    time.sleep(guide.SLID)
    desk.settle()
    box = (left + MARGIN, top + UNIT, left + width - MARGIN, bottom + UNIT // 2)
    shots.paths.append(camera.save(camera.grab(desk).crop(box), folder / "guide-preferences.png"))
    return shots.paths

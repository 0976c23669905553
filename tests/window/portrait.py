"""`python3 -m tests.window.portrait`: the README's picture of the panel at work, docs/images/panel.png.

The default preset, paused where the object is there and the volume still grows, in Material Preview.
"""

import shutil
import tempfile
from pathlib import Path

from tests.window.desk import Desk
from tools import package, window
from tools.common import ROOT
from tools.environment import Environment

PROMPT, STEP = "a red mushroom", 120
PICTURE = ROOT / "docs" / "images" / "panel.png"
SCENE = """
for item in bpy.data.objects:
    item.hide_set(True)
area = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D')
view = area.spaces.active
view.overlay.show_cursor = view.overlay.show_object_origins = False
view.region_3d.view_distance, view.region_3d.view_location = 4.2, (0.9, 0, 0.1)
view.region_3d.view_rotation = __import__('mathutils').Euler((1.25, 0, 0.6)).to_quaternion()
"""
SHADED = "next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active.shading.type = 'MATERIAL'"


def main() -> None:
    """Make the picture."""
    archive = package.build_zip()
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(window.ensure(), archive, Path(folder))
        try:
            desk.sit_down(archive)
            desk.choose(Environment().python)
            desk.ask(SCENE)
            desk.fill("sjc.prompt", PROMPT)
            desk.click("sjc.generate", until="api.jobs()")
            desk.wait_for(f"api.jobs()[0].record.step >= {STEP}", f"step {STEP}")
            desk.click("sjc.pause", until="api.jobs()[0].state == 'paused'")
            desk.ask(SHADED)
            desk.over_the_viewport()
            shutil.copyfile(desk.picture("panel"), PICTURE)
        finally:
            desk.stand_up()
    print(PICTURE)


if __name__ == "__main__":
    main()

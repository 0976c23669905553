"""The still pictures: the window at work, and the parts of the panel that the artists' guide speaks of."""

import contextlib
import time

import PIL.ImageChops

from tests.window import camera
from tests.window.desk import UNIT

VIEW = 660  # pixels of the viewport's height that the mesh's picture takes
SIZE = (1600, 1060)  # of the screen: a running job's panel fits into it
PROMPT, STEP = "a red mushroom", 120
HUB_MODEL = "stable-diffusion-v1-5/stable-diffusion-v1-5"
GONE = "my models/gone"  # a folder that is not there: the picture of what an error looks like
SCENE = """
for item in bpy.data.objects:
    item.hide_set(True)
area = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D')
view = area.spaces.active
view.overlay.show_cursor = view.overlay.show_object_origins = False
view.region_3d.view_distance, view.region_3d.view_location = 4.2, (0.9, 0, 0.1)
view.region_3d.view_rotation = __import__('mathutils').Euler((1.25, 0, 0.6)).to_quaternion()
"""
# Nothing but the panel: its end is where the viewport's one colour begins.
BARE = """
bpy.context.preferences.system.use_online_access = True
view = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active
view.overlay.show_floor = view.overlay.show_axis_x = view.overlay.show_axis_y = view.overlay.show_text = False
view.show_gizmo = False
"""
SELECTED = """
for item in bpy.context.selected_objects:
    item.select_set(False)
mesh = api.jobs()[0].mesh_object
mesh.select_set(True)
bpy.context.view_layer.objects.active = mesh
"""
ROW = UNIT * 3 // 4  # from where a button was found to where its neighbours begin, about
ARROW = 68  # pixels from the sidebar's right edge to the arrow beside the model
SLID, LOOKED = 1.0, 3.0  # seconds: panels have come to rest; the disk has been looked at
SHADED = "next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active.shading.type = 'MATERIAL'"


def window_at_work(desk, path):
    """The default job, paused where the object is there and the volume still grows, in Material Preview."""
    desk.open_tab("SJC")
    desk.ask(SCENE)
    desk.fill("sjc.prompt", PROMPT)
    desk.click("sjc.generate", until="api.jobs()")
    desk.wait_for(f"api.jobs()[0].record.step >= {STEP}", f"step {STEP}")
    desk.click("sjc.pause", until="api.jobs()[0].state == 'paused'")
    desk.ask(SHADED)
    desk.over_the_viewport()
    desk.settle()
    return camera.save(camera.grab(desk), path)


def make(desk, folder, make_ready):
    """All of them, in the order in which a person meets them; make_ready() gives the desk a backend -> their paths."""
    desk.open_tab("SJC")
    desk.ask(SCENE)
    desk.ask(BARE)
    shots = Shots(desk, folder)
    shots.panel("install")
    with shots.pop_up("install-dialog"):
        desk.click("sjc.install_backend")
    make_ready()
    desk.fill("sjc.prompt", PROMPT)
    shots.panel("panel")

    with shots.opened("SJC_PT_settings"):
        shots.panel("settings", top="sjc.generate", bottom="sjc.device")
        desk.ask(f"bpy.context.scene.sjc.model = {HUB_MODEL!r}")
        time.sleep(LOOKED)
        shots.panel("model-missing", top="sjc.model", bottom="sjc.fetch_model")
        y, right = desk.find("sjc.model")[1], camera.sidebar(desk)[2]
        with shots.pop_up("model-picker"):
            desk.click_at(right - ARROW, y)
        desk.ask("bpy.context.scene.sjc.model = 'embedded'")

    desk.click("sjc.generate", until="api.jobs()")
    desk.wait_for("api.jobs()[0].record.step >= 200", "half of the job")
    shots.panel("running")
    desk.wait_for("api.jobs()[0].finished", "the end of the job")
    desk.ask(SELECTED)
    desk.ask(SHADED)
    with shots.opened("SJC_PT_output"):
        shots.panel("output")
        shots.view("mesh")
    desk.ask(f"api.generate('a blue tree', model={GONE!r})")
    desk.wait_for("api.jobs()[-1].finished", "the job that fails")
    shots.panel("problem")
    return shots.paths


class Shots:
    """Cuts pictures out of a desk's screen and keeps where they are."""

    def __init__(self, desk, folder):
        self.desk, self.folder, self.paths = desk, folder, []

    def _save(self, image, name):
        self.paths.append(camera.save(image, self.folder / f"guide-{name}.png"))

    def _grab(self):
        """The screen when the mouse is over nothing and the panels have come to rest."""
        self.desk.over_the_viewport()
        time.sleep(SLID)
        self.desk.settle()
        return camera.grab(self.desk)

    def panel(self, name, top="", bottom=""):
        """The sidebar; from the row of one button to that of another one, where they are named."""
        upper = self.desk.find(top)[1] - ROW if top else 0
        lower = self.desk.find(bottom)[1] + ROW if bottom else self.desk.size[1]
        image = self._grab()
        box = camera.rows(image, camera.sidebar(self.desk))
        self._save(image.crop((box[0], max(box[1], upper), box[2], min(box[3], lower))), name)

    def view(self, name):
        """The upper part of the 3D viewport with its sidebar."""
        left, top, width, height = self.desk.ask("result = region_of('VIEW_3D', 'WINDOW')")["box"]
        self._save(self._grab().crop((left, top, left + width, top + min(height, VIEW))), name)

    @contextlib.contextmanager
    def pop_up(self, name):
        """What appears on the screen within: a dialog or a menu, which Escape then closes."""
        before = self._grab()
        yield
        time.sleep(SLID)
        self.desk.settle()
        image = camera.grab(self.desk)
        self._save(image.crop(PIL.ImageChops.difference(before, image).getbbox()), name)
        self.desk.press("Escape")
        self.desk.settle()

    @contextlib.contextmanager
    def opened(self, panel):
        """A sub-panel below Generate, unfolded for as long as this lasts."""
        header = self.desk.unfold(panel, below="sjc.generate")
        yield
        for _ in range(5):  # Blender swallows clicks while its panels slide
            self.desk.click_at(*header)
            time.sleep(SLID)
            if panel not in self.desk.drawn():
                return

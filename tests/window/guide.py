"""The still pictures: the window at work, and the parts of the panel that the artists' guide speaks of."""

import contextlib

from tests.window import camera
from tests.window.desk import UNIT

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
SHADED = (
    "next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active.shading.type = 'MATERIAL'"
)


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
    desk.ask("bpy.context.preferences.system.use_online_access = True")
    shots = Shots(desk, folder)
    shots.panel("install")
    desk.click("sjc.install_backend")
    shots.pop_up("install-dialog")
    desk.press("Escape")
    make_ready()
    desk.fill("sjc.prompt", PROMPT)
    shots.panel("panel")

    with shots.opened("SJC_PT_settings", below="sjc.generate"):
        shots.panel("settings", top="preset")
        desk.ask(f"bpy.context.scene.sjc.model = {HUB_MODEL!r}")
        desk.wait_for("True", "the panel")
        desk.find("sjc.fetch_model")
        shots.panel("model-missing", top="sjc.choose_model", bottom="sjc.fetch_model")
        desk.ask("bpy.context.scene.sjc.model = 'embedded'")

    desk.click("sjc.generate", until="api.jobs()")
    desk.wait_for("api.jobs()[0].record.step >= 200", "half of the job")
    desk.over_the_viewport()
    shots.panel("running")
    desk.wait_for("api.jobs()[0].finished", "the end of the job")
    desk.ask(SHADED)
    desk.ask("item = api.jobs()[0].mesh_object; item.select_set(True); bpy.context.view_layer.objects.active = item")
    with shots.opened("SJC_PT_output", below="sjc.generate"):
        shots.panel("output")
        desk.over_the_viewport()
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

    def panel(self, name, top="", bottom=""):
        """The sidebar; from the row of one button to that of another one, where they are named."""
        self.desk.over_the_viewport()
        image, box = camera.grab(self.desk), camera.sidebar(self.desk)
        box = camera.rows(image, box)
        upper = self.desk.find(top)[1] - UNIT if top else box[1]
        lower = self.desk.find(bottom)[1] + UNIT if bottom else box[3]
        self._save(image.crop((box[0], upper, box[2], lower)), name)

    def view(self, name):
        """The 3D viewport with its sidebar."""
        left, top, width, height = self.desk.ask("result = place('VIEW_3D', 'WINDOW')")["box"]
        self._save(camera.grab(self.desk).crop((left, top, left + width, top + height)), name)

    def pop_up(self, name):
        """What has changed on the screen since the panel was taken: a dialog."""
        raise NotImplementedError

    @contextlib.contextmanager
    def opened(self, panel, below):
        """A sub-panel, unfolded for as long as this lasts."""
        self.desk.unfold(panel, below=below)
        yield
        self.desk.unfold(panel, below=below)

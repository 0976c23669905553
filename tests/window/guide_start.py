"""The pictures of starting from what is there: a block-out, variants, other words, a reference picture."""

import time

import PIL.Image
import PIL.ImageDraw

from tests.window import guide

PROMPT, OTHER_WORDS = "a red mushroom", "a blue mushroom with a yellow stem"
SIZE = (1600, 1240)  # of the screen: the gallery and an open sub-panel fit into it
# A mushroom as anybody would rough it out, where the guide's objects stand.
BLOCK_OUT = """
bpy.context.scene.sjc.preset = 'fast'
bpy.ops.mesh.primitive_cylinder_add(radius=0.18, depth=0.7, location=(0, 0, -0.15))
stem = bpy.context.object
bpy.ops.mesh.primitive_cone_add(radius1=0.62, radius2=0.2, depth=0.4, location=(0, 0, 0.4))
cap = bpy.context.object
for item, name, color in ((stem, 'stem', (0.8, 0.75, 0.6, 1)), (cap, 'cap', (0.6, 0.05, 0.05, 1))):
    item.name = name
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    material.node_tree.nodes['Principled BSDF'].inputs['Base Color'].default_value = material.diffuse_color = color
    item.data.materials.append(material)
    item.select_set(True)
view = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active
view.show_gizmo = False
view.overlay.show_text = False
view.shading.color_type = 'MATERIAL'  # Solid shading: software takes a minute to draw Material Preview
"""
AWAY = """
for item in bpy.data.objects:
    item.hide_set(True)
"""
ROW = (
    AWAY
    + """
view = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active
view.region_3d.view_distance, view.region_3d.view_location = 9, (3.1, 0, 0.2)
"""
)
BOTH = (
    AWAY
    + """
for job in api.jobs()[-2:]:
    job.mesh_object.hide_set(False)
view = next(a for a in bpy.context.screen.areas if a.type == 'VIEW_3D').spaces.active
view.region_3d.view_distance, view.region_3d.view_location = 5, (1.4, 0, 0.3)
"""
)


def make(desk, folder):
    """All of them, in the order in which a person meets them -> their paths."""
    desk.open_tab("SJC")
    desk.ask(guide.SCENE)
    desk.fill("sjc.prompt", PROMPT)
    shots = guide.Shots(desk, folder)
    for part in (block_out, variants, other_words, reference_picture):
        part(desk, shots)
    return shots.paths


def block_out(desk, shots):
    """A rough mushroom, and what becomes of it."""
    desk.ask(BLOCK_OUT)
    with shots.opened("SJC_PT_start"):
        shots.view("block-out")
        desk.click("sjc.generate_from_selection", until="api.jobs()")
        desk.wait_for("api.jobs()[0].finished", "the result of the block-out")
        desk.ask(AWAY + "api.show_colors()\napi.jobs()[0].mesh_object.hide_set(False)")
        shots.view("block-out-result")
    desk.ask("api.clear_finished()")


def variants(desk, shots):
    """Four of them, in a row and as pictures; one is then taken."""
    desk.ask(ROW + "api.show_colors()")
    desk.know_beside("sjc.variants", "sjc.generate")
    with shots.pop_up("variants-dialog"):
        desk.click_at(*desk.find("sjc.variants"))
    desk.ask("api.variants(bpy.context.scene.sjc.prompt, 4, preset='fast')")
    desk.wait_for("len(api.jobs()) == 4 and all(job.finished for job in api.jobs())", "four variants")
    desk.wait_for("not api.queue().batches", "the end of the variants' process")
    shots.view("variants")
    desk.click("sjc.take_variant", until="len(api.jobs()) == 1")
    desk.wait_for("api.jobs()[0].finished", "the variant at full length")


def other_words(desk, shots):
    """The variant that was taken under other words, and the tree in the history."""
    desk.ask(f"api.refine(api.jobs()[0], {OTHER_WORDS!r})")
    desk.wait_for("len(api.jobs()) == 2 and api.jobs()[1].finished", "the result with other words")
    desk.ask(BOTH)
    with shots.opened("SJC_PT_history"):
        shots.view("history")
        with shots.pop_up("change-words"):
            desk.click_at(*desk.find("sjc.change_words"))


def reference_picture(desk, shots):
    """A drawing in the list."""
    drawing().save(desk.home / "front.png")
    desk.ask("bpy.ops.sjc.add_picture()")
    desk.ask(f"bpy.context.scene.sjc_pictures[0].image = bpy.data.images.load({str(desk.here / 'front.png')!r})")
    with shots.opened("SJC_PT_start"):
        time.sleep(guide.SLID)
        shots.panel("pictures", top="sjc.generate_from_selection", bottom="sjc.add_picture")


def drawing():
    """A mushroom as somebody would paint it, cut out."""
    image = PIL.Image.new("RGBA", (256, 256))
    draw = PIL.ImageDraw.Draw(image)
    draw.rectangle((108, 120, 148, 230), fill=(240, 225, 190))
    draw.pieslice((40, 30, 216, 230), 180, 360, fill=(110, 40, 150))
    return image

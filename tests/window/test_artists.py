"""Starting from what is there, in the window: block-out, variants, other words, pictures. One undo step for each press.

Jobs are of the preset `test`; what they look like is a matter of other tests. Each test does something of the person's
own first, one step, and then takes back all: the steps between are those of ours.
"""

import pytest

from tests.window.desk import UNIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CUBE = "bpy.data.objects['Cube']"
READY = f"""
g = bpy.context.scene.sjc
g.preset = 'test'
cube = {CUBE}
cube.location = (0, 6, 1)
for item in bpy.context.selected_objects:
    item.select_set(False)
cube.select_set(True)
bpy.context.view_layer.objects.active = cube
bpy.ops.ed.undo_push(message='the test')
"""
MESHES = "sorted(o.name for o in bpy.data.objects if o.type == 'MESH' and 'sjc_job' in o)"
SHORT = "sum(bool(o.get('sjc_variant')) for o in bpy.data.objects)"


@pytest.fixture
def artist(panel):
    """The desk; the cube is selected, and the person has moved it by one: the last undo step is theirs."""
    panel.ask(READY)
    panel.press_until(f"abs({CUBE}.location.x - 1) < 1e-5", "g", "x", "1", "Return")
    panel.ask("api.clear_finished()")
    return panel


def at_rest(desk, count):
    """Wait until so many jobs are there and all have ended."""
    ended = f"len(api.jobs()) == {count} and all(job.finished for job in api.jobs()) and not api.queue().batches"
    desk.wait_for(ended, f"the end of {count} jobs")
    assert desk.ask("result = [job.error for job in api.jobs()]") == [None] * count


def undo(desk, expression):
    desk.press_until(expression, "ctrl+z")


def moved(desk):
    """Whether the person's own step is still there."""
    return desk.ask(f"result = abs({CUBE}.location.x - 1) < 1e-5")


def search(desk, words):
    """F3 over the viewport, and what is found."""
    desk.over_the_viewport()
    desk.press("F3")
    desk.settle()
    desk.does("sleep 1")
    desk.type(words)
    desk.does("sleep 1")
    desk.picture(f"66_search_{words.split(' ')[0]}")
    desk.press("Return")
    desk.settle()
    desk.does("sleep 1")


def end_of_the_row_above(desk, field, name):
    """(x, y) of a narrow button, which `find` steps over, by feeling for it from the right edge."""
    left, _, width, _ = desk.ask("result = region_of('VIEW_3D')")["box"]
    y = desk.find(field)[1] - UNIT
    return next((x, y) for x in range(left + width - 8, left + width // 2, -8) if name in desk.under_the_mouse(x, y))


def confirm(desk, name, until):
    """Press a button that opens a dialog, and Return in it."""
    desk.click_at(*desk.find(name))
    desk.settle()
    desk.does("sleep 1")
    desk.press("Return")
    desk.wait_for(until, f"what the dialog of {name} begins")


def test_a_block_out_is_generated_from_and_one_undo_takes_the_result_back(artist):
    artist.fill("sjc.prompt", "a red cube")
    artist.unfold("SJC_PT_start", below="sjc.generate")
    artist.click("sjc.generate_from_selection", until="api.jobs()")
    at_rest(artist, 1)
    job = "api.jobs()[0]"
    stands = artist.ask(f"m = {job}.mesh_object; result = [*m.matrix_world.translation, max(m.dimensions)]")
    assert stands[:2] == pytest.approx([1, 6], abs=0.7)
    assert 0.5 < stands[3] < 4, "the cube's size, not the panel's"
    assert artist.ask(f"result = ({job}.folder / 'inputs' / 'start.glb').is_file()")
    artist.picture("60_block_out")
    undo(artist, f"not {MESHES}")
    assert moved(artist)
    undo(artist, f"abs({CUBE}.location.x) < 1e-5")
    artist.press_until("abs(bpy.data.objects['Cube'].location.x - 1) < 1e-5", "ctrl+shift+z")
    artist.press_until(MESHES, "ctrl+shift+z")


def test_the_hotkey_over_the_viewport_asks_and_starts(artist):
    artist.fill("sjc.prompt", "a red cube")
    artist.over_the_viewport()
    artist.press("ctrl+shift+t")
    artist.settle()
    artist.does("sleep 1")
    artist.picture("60_hotkey")
    artist.press("Return")
    artist.wait_for("api.jobs()", "the job that the hotkey begins")
    at_rest(artist, 1)
    assert artist.ask("result = api.jobs()[0].prompt") == "a red cube"


def test_variants_come_in_one_undo_step_and_a_click_takes_one(artist):
    artist.fill("sjc.prompt", "a red mushroom")
    before = artist.ask(f"result = {MESHES}")
    artist.know_beside("sjc.variants", "sjc.generate")
    confirm(artist, "sjc.variants", until="len(api.jobs()) == 4")
    at_rest(artist, 4)
    assert artist.ask(f"result = {SHORT}") == 4
    artist.picture("61_variants")
    undo(artist, f"{MESHES} == {before}")
    assert moved(artist)
    artist.press_until(f"{SHORT} == 4", "ctrl+shift+z")
    folders = artist.ask("result = [str(job.folder) for job in api.jobs()]")
    artist.click("sjc.take_variant", until="len(api.jobs()) == 1")
    at_rest(artist, 1)
    taken = artist.ask("result = str(api.jobs()[0].folder)")
    assert artist.ask(f"result = {SHORT}, len({MESHES})") == [0, len(before) + 1]
    gone = [folder for folder in folders if folder != taken]
    artist.wait_for(f"not any(__import__('os').path.isdir(f) for f in {gone})", "the folders' end")
    artist.picture("62_taken")
    undo(artist, f"{SHORT} == 1")  # the finished mesh: the short one is there again
    undo(artist, f"{SHORT} == 4")  # the click: the others' meshes are there again
    undo(artist, f"{MESHES} == {before}")  # the variants
    assert moved(artist)


def test_words_are_changed_from_the_history_and_a_picture_is_added(artist):
    artist.fill("sjc.prompt", "a red mushroom")
    artist.click("sjc.generate", until="api.jobs()")
    at_rest(artist, 1)
    before = artist.ask(f"result = {MESHES}")
    parent = artist.ask("result = api.jobs()[0].folder.name")
    artist.unfold("SJC_PT_history", below="sjc.generate")
    x, y = artist.find("sjc.change_words")
    artist.click_at(x, y)
    artist.settle()
    artist.does("sleep 1")
    field = next(
        (x, y + down)
        for down in range(-200, 200, 8)
        if artist.under_the_mouse(x, y + down, keys=("ctrl+c",)) == "a red mushroom"
    )
    artist.does(f"mousemove {field[0]} {field[1]}", "sleep 0.2", "click 1")
    artist.press("ctrl+a")
    artist.type("a blue mushroom")
    artist.press("Return")
    artist.picture("63_other_words")
    artist.press("Return")
    artist.wait_for("len(api.jobs()) == 2", "the job with other words")
    at_rest(artist, 2)
    settings = "s = api.jobs()[1].record.settings; result = [s.prompt, s.parent]"
    assert artist.ask(settings) == ["a blue mushroom", parent]
    assert "a blue mushroom" in artist.ask(
        "result = [e.prompt for e in bpy.context.window_manager.sjc.history if e.depth]"
    )
    artist.picture("64_history")
    undo(artist, f"{MESHES} == {before}")
    assert moved(artist)

    artist.unfold("SJC_PT_start", below="sjc.generate")
    artist.click("sjc.add_picture", until="len(bpy.context.scene.sjc_pictures) == 1")
    undo(artist, "len(bpy.context.scene.sjc_pictures) == 0")
    artist.click("sjc.add_picture", until="len(bpy.context.scene.sjc_pictures) == 1")
    artist.known["sjc.remove_picture"] = end_of_the_row_above(artist, "sjc_pictures[0].view", "sjc.remove_picture")
    artist.click("sjc.remove_picture", until="len(bpy.context.scene.sjc_pictures) == 0")
    artist.click("sjc.add_picture", until="len(bpy.context.scene.sjc_pictures) == 1")
    artist.ask(
        "i = bpy.data.images.new('drawn', 32, 32, alpha=True)\n"
        "i.pixels = [0.1, 0.2, 0.9, 1.0] * (32 * 16) + [0.0] * (32 * 16 * 4)\n"
        "bpy.context.scene.sjc_pictures[0].image = i"
    )
    artist.picture("65_picture")
    artist.click("sjc.generate", until="len(api.jobs()) == 3")
    at_rest(artist, 3)
    assert artist.ask("result = api.jobs()[2].record.settings.picture").endswith("image-1.png@front")


def test_a_mesh_is_textured_in_its_place_and_a_result_is_refined(artist):
    before = artist.ask(f"result = {MESHES}")
    artist.fill("sjc.prompt", "a red cube")
    search(artist, "texture with sjc")
    artist.picture("67_texture")
    artist.press("Return")
    artist.wait_for("api.jobs()", "the job that the dialog begins", seconds=60)
    at_rest(artist, 1)
    assert artist.ask("result = api.jobs()[0].record.settings.surface") == "inputs/surface.glb"
    made = "api.jobs()[0].mesh_object"
    assert artist.ask(f"result = [*{made}.matrix_world.translation][:2]") == pytest.approx([1, 6], abs=0.1)
    painted = f"any(n.type == 'TEX_IMAGE' for n in {made}.data.materials[0].node_tree.nodes)"
    assert artist.ask(f"result = [{painted}, {CUBE}.hide_get(), len({CUBE}.data.vertices)]") == [True, True, 8]
    artist.picture("68_textured")
    undo(artist, f"{MESHES} == {before}")
    assert artist.ask(f"result = {CUBE}.hide_get()") is False
    assert moved(artist)

    artist.fill("sjc.prompt", "a red mushroom")
    artist.click("sjc.generate", until="len(api.jobs()) == 2")
    at_rest(artist, 2)
    result = artist.ask(f"result = {MESHES}")
    artist.ask(
        "for item in bpy.context.selected_objects:\n    item.select_set(False)\n"
        "made = api.jobs()[1].mesh_object\nmade.select_set(True)\nbpy.context.view_layer.objects.active = made"
    )
    search(artist, "refine")
    artist.press("Return")
    artist.wait_for("len(api.jobs()) == 3", "the job that refines", seconds=60)
    at_rest(artist, 3)
    assert artist.ask("result = api.jobs()[2].record.settings.parent") == artist.ask(
        "result = api.jobs()[1].folder.name"
    )
    undo(artist, f"{MESHES} == {result}")

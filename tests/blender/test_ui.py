"""The panel and its buttons in Blender, from the stage: properties, reasons, drawing, presets, history."""

import sys

import pytest

from sjc.settings import PRESETS, SPECS
from tests.blender.conftest import ON, RECORDER

# ---------------------------------------------------------------------------------------------------------- properties


READ = """
result = {}
for prop in scene.sjc.bl_rna.properties:
    if prop.identifier in ("rna_type", "name"):
        continue
    entry = {"kind": prop.type, "description": prop.description, "label": prop.name}
    if prop.type == "ENUM":
        entry.update(default=prop.default, choices=[item.identifier for item in prop.enum_items])
    elif prop.type in ("INT", "FLOAT"):
        default = list(prop.default_array) if prop.is_array else prop.default
        entry.update(default=default, low=prop.hard_min, high=prop.hard_max)
    else:
        entry.update(default=prop.default)
    result[prop.identifier] = entry
"""

KINDS = {"int": "INT", "float": "FLOAT", "color": "FLOAT", "bool": "BOOLEAN", "text": "STRING"}


def test_properties_are_the_schema(ui):
    got = ui(READ)
    assert set(got) == set(SPECS)
    for name, spec in SPECS.items():
        entry = got[name]
        assert entry["kind"] == ("ENUM" if spec.choices else KINDS[spec.kind]), name
        assert entry["description"].startswith(spec.description.rstrip(".")), name
        assert not entry["description"].endswith("."), name
        assert entry["label"], name
        if spec.kind in {"int", "float"}:
            assert entry["default"] == pytest.approx(spec.default, rel=1e-6), name
            assert entry["low"] == pytest.approx(0 if spec.zero else spec.low, rel=1e-6), name
            assert entry["high"] == pytest.approx(spec.high, rel=1e-6), name
            assert not spec.zero or f"0: {spec.zero}" in entry["description"], name
        elif spec.kind == "color":
            assert entry["default"] == list(spec.default)
        else:
            assert entry["default"] == spec.default, name
        if spec.choices:
            assert entry["choices"] == list(spec.choices), name


def test_presets_set_values_and_leave_what_is_personal(ui):
    got = ui("""
group = scene.sjc
group.prompt, group.seed, group.device, group.steps = "a blue tree", 7, "cpu", 3
result = {}
for preset in PRESETS:
    group.preset = preset
    result[preset] = properties.settings_from(scene)
    expected = resolve(preset, {"prompt": "a blue tree", "seed": 7, "device": "cpu"})
    assert resolve(None, result[preset]) == expected
group.preset = "fast"
group.steps, group.learning_rate, group.background_color = 33, 0.03, (0.1, 0.2, 0.3)
result["changed"] = properties.settings_from(scene)
""")
    personal = {"prompt": "a blue tree", "seed": 7, "device": "cpu"}
    for preset in PRESETS:
        assert got[preset] == {"preset": preset, **personal}
    changed = {"steps": 33, "learning_rate": 0.03, "background_color": [0.1, 0.2, 0.3]}
    assert got["changed"] == {"preset": "fast", **personal, **changed}


def test_every_bound_that_the_panel_allows_is_a_setting(ui):
    got = ui("""
result = []
for spec in SPECS.values():
    if spec.low is None or spec.kind == "color":
        continue
    for value in (spec.low, spec.high, 0 if spec.zero else spec.low, (spec.low or 1) / 2):
        setattr(scene.sjc, spec.name, type(spec.default)(value))
        chosen = properties.settings_from(scene).get(spec.name, spec.default)
        try:
            coerce(spec.name, chosen)
        except Exception as error:
            result.append(str(error))
    scene.sjc.property_unset(spec.name)
""")
    assert got == []


# ------------------------------------------------------------------------------------------------------------ reasons


def test_buttons_say_why_they_cannot_be_pressed(ui):
    got = ui("""
names = ("pause", "resume", "cancel", "retry", "remove", "move", "clear_finished", "free_memory", "cancel_install",
         "surface", "queue_from_text", "generate", "install_backend")
result = {name: refused(getattr(bpy.ops.sjc, name)) for name in names}
scene.sjc.prompt = "a blue tree"
runtime.backend_state = "missing"
result["no backend"] = refused(bpy.ops.sjc.generate)
runtime.backend_state = "broken"
result["broken"] = refused(bpy.ops.sjc.add, prompt="a blue tree")
result["online"] = bpy.app.online_access
""")
    online = got.pop("online")
    expected = {
        "pause": "No job is running",
        "resume": "No job is paused",
        "cancel": "No job is running or waiting",
        "retry": "No job has stopped or failed",
        "remove": "The queue is empty",
        "move": "No job is waiting",
        "clear_finished": "No job has ended",
        "free_memory": "No worker is running",
        "cancel_install": "No installation or download is running",
        "surface": "Select a volume",
        "queue_from_text": "Write prompts in the Text Editor first",
        "generate": "Type a prompt first",
        "install_backend": "Allow Online Access in Preferences > System > Network",
        "no backend": "Install the backend first",
        "broken": "The backend does not work",
    }
    assert not online
    assert set(got) == set(expected)
    for name, reason in expected.items():
        assert reason in got[name], (name, got[name])


def test_bad_input_is_one_clear_line(ui):
    got = ui("""
bpy.data.texts.new("bad").write('a tree\\n{"prompt": 3}\\n{"prompt": "x", "stepz": 3}\\n')
bpy.data.texts.new("worse").write('{"prompt"\\n')
bpy.data.texts.new("empty").write("# nothing\\n\\n")
(home / "x.sjc").write_text("{")
result = {
    "bad": refused(bpy.ops.sjc.queue_from_text, text="bad"),
    "worse": refused(bpy.ops.sjc.queue_from_text, text="worse"),
    "empty": refused(bpy.ops.sjc.queue_from_text, text="empty"),
    "none": refused(bpy.ops.sjc.queue_from_text, text="none"),
    "file": refused(bpy.ops.sjc.import_result, filepath=str(home / "x.sjc")),
    "gone": refused(bpy.ops.sjc.import_result, filepath=str(home / "nowhere.sjc")),
    "reuse": refused(bpy.ops.sjc.reuse_settings, folder=str(home)),
    "log": refused(bpy.ops.sjc.open_log, folder=str(home)),
    "curves": refused(bpy.ops.sjc.open_curves, folder=str(home)),
    "folder": refused(bpy.ops.sjc.open_folder, folder=str(home / "gone")),
    "model": refused(bpy.ops.sjc.choose_model, directory=str(home)),
    "python": refused(bpy.ops.sjc.use_python, filepath=str(home / "no-python")),
    "jobs": len(runtime.jobs),
}
""")
    assert "2: prompt: needs text" in got["bad"]
    assert "stepz" in got["bad"]
    assert "line 1: this is not a JSON object" in got["worse"]
    assert "contains no prompts" in got["empty"]
    assert 'no text "none"' in got["none"]
    assert "not a job folder" in got["file"]
    assert "does not exist" in got["gone"]
    assert "not a job folder" in got["reuse"]
    assert "no log yet" in got["log"]
    assert "no curves yet" in got["curves"]
    assert "folder does not exist" in got["folder"]
    assert "model_index.json" in got["model"]
    assert "not a Python program" in got["python"]
    assert got["jobs"] == 0
    assert not [text for text in got.values() if "Traceback" in str(text)]


# ------------------------------------------------------------------------------------------------------------- drawing


DRAW = """
import builtins
queue = api.queue()
folder = home / "sjc" / "one"
record = JobRecord(settings=resolve("test", {"prompt": "a red mushroom " * 6}), folder=folder, total=8)
queue.jobs.append(record)
PANELS = [cls for cls in sjc_blender.registration.CLASSES
          if issubclass(cls, bpy.types.Panel) and not issubclass(cls, sjc_blender.ui.presets.SJC_PT_presets)]

touched = []
watching = False
def hook(event, arguments):
    if watching and event in ("open", "os.listdir", "os.scandir", "subprocess.Popen", "os.mkdir", "os.remove"):
        touched.append((event, str(arguments[0])))
sys.addaudithook(hook)
real_stat = os.stat
def stat(*arguments, **named):
    if watching:
        touched.append(("stat", str(arguments[0])))
    return real_stat(*arguments, **named)
os.stat = stat

def everything():
    return json_of(runtime), json_of(scene.sjc), json_of(scene.sjc_output), sorted(o.name for o in bpy.data.objects)

def json_of(group):
    values = {}
    for prop in group.bl_rna.properties:
        value = getattr(group, prop.identifier)
        if prop.type == "COLLECTION":
            value = [json_of(entry) for entry in value]
        elif prop.type == "POINTER":
            continue
        elif getattr(prop, "is_array", False):
            value = list(value)
        values[prop.identifier] = value
    return values

def draw_all(folded=False):
    global watching
    before, drawn = everything(), {}
    for cls in PANELS:
        watching = True
        layout = draw(cls, bpy.context, folded)
        watching = False
        drawn[cls.__name__] = {"texts": layout.texts(), "operators": layout.operators()}
    for cls, entries in ((main.SJC_UL_jobs, runtime.jobs), (main.SJC_UL_history, runtime.history)):
        for entry in entries:
            layout = Layout()
            cls.draw_item(None, bpy.context, layout, runtime, entry, 0, runtime, "active_job", 0, 0)
            drawn.setdefault(cls.__name__, []).append(layout.texts())
    assert everything() == before, "drawing has changed something"
    return drawn
"""


CODES = (
    "input", "folder", "locked", "memory", "disk", "backend", "worker", "driver", "card", "runtime", "processor",
    "venv", "certificate", "bug", "host", "strange",
)  # fmt: skip


def test_panels_draw_in_every_state_without_touching_anything(each_blender, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    got = each_blender(
        ON
        + RECORDER
        + DRAW
        + f"CODES = {CODES!r}"
        + """
result = {"empty": draw_all()}
for state in State:
    record.state, record.step, record.stage = state, 3, "optimise"
    record.eta_s = 75.0 if state is State.RUNNING else None
    record.problem = None
    record.curves.add(3, {"sigma": 1.2345, "score": 0.5, "new_number": 7.0})
    queue.current = record if record.active else None
    if state is State.FAILED:
        for code in CODES:
            record.problem = Problem(code, "What happened. " * 9, "What to do. " * 30, "details")
            ui_state.refresh()
            result[f"failed {code}"] = draw_all()
        continue
    record.warnings = ["a warning"] if state in (State.PAUSED, State.FINISHED) else []
    ui_state.refresh()
    result[str(state)] = draw_all()
    result[f"{state} folded"] = draw_all(folded=True)
queue.current = None
for state in ("missing", "installing", "checking", "fetching", "ready", "broken", ""):
    runtime.backend_state, runtime.backend_text, runtime.backend_factor = state, "words", 0.25
    runtime.backend_stale, runtime.backend_problem = state == "ready", "trouble" if state == "broken" else ""
    runtime.worker_alive = state == "ready"
    result[f"backend {state}"] = draw_all()
    layout = Layout()
    backend.draw_backend(layout, bpy.context)
    result[f"backend {state}"]["mend"] = layout.operators()
runtime.queue_problem, runtime.queue_hint = "The list is locked.", "Close the other Blender."
result["locked list"] = draw_all()
fields = {}
class Preferences:
    layout, hub_model, other_use = Layout(), "", True
    bl_rna = preferences.SJC_AP_preferences.bl_rna
preferences.SJC_AP_preferences.draw(Preferences, bpy.context)
result["preferences"] = [given[1] for name, given, _ in Preferences.layout.calls if name == "prop"]
result["touched"] = touched
""",
        home=home,
        backend=sys.executable,
    )
    assert got["touched"] == []
    main = "SJC_PT_main"
    always = ["sjc.show_words", "sjc.generate", "sjc.variants"]
    assert got["empty"][main]["operators"] == always
    running = got["running"][main]
    assert running["operators"] == [*always, "sjc.pause", "sjc.cancel", "sjc.free_memory"]
    assert {"Growing the volume", "Step 3 of 8", "1:15 left", "Queue"} <= set(running["texts"])
    assert {"Curves", "Noise Level: 1.23", "Score: 0.5", "New number: 7"} <= set(running["texts"])
    assert "Noise Level: 1.23" not in got["running folded"][main]["texts"]
    assert "Curves" not in got["finished"][main]["texts"]
    assert "sjc.resume" in got["paused"][main]["operators"]
    assert "a warning" in got["paused"][main]["texts"]
    assert "a warning" not in got["finished"][main]["texts"], "it belongs to the job that is chosen in the list"
    assert "a warning" in got["finished"]["SJC_PT_queue"]["texts"]
    assert "a warning" not in got["stopped"]["SJC_PT_queue"]["texts"]
    card = ["sjc.remove", "sjc.retry", "sjc.copy_error", "sjc.open_log"]
    fixes = {
        "input": ["sjc.edit_settings"],
        "memory": ["sjc.free_memory", "sjc.edit_settings"],
        "disk": ["sjc.open_folder"],
        "folder": ["sjc.open_folder"],
        "backend": ["sjc.install_backend"],
        "worker": ["sjc.check_backend"],
        "driver": ["sjc.install_backend", "wm.url_open"],
        "card": ["sjc.install_backend", "sjc.edit_settings"],
        "runtime": ["wm.url_open"],
        "processor": ["sjc.use_python"],
        "venv": ["sjc.install_backend"],
        "bug": ["sjc.copy_report"],
        "host": ["sjc.check_other"],
    }
    for code in CODES:
        operators = got[f"failed {code}"][main]["operators"]
        assert operators[len(always) :] == [card[0], card[1], *fixes.get(code, []), *card[2:]], code
        texts = got[f"failed {code}"][main]["texts"]
        assert any(text.startswith("What happened.") for text in texts)
        assert any(text.endswith(" ...") for text in texts), "a long hint is cut"
    for state in ("waiting", "finished", "stopped"):
        assert got[state][main]["operators"] == always
    assert any(t.startswith("Stopped at step 3 of 8") for t in got["stopped"]["SJC_PT_queue"]["texts"])
    assert got["waiting"]["SJC_PT_queue"]["operators"].count("sjc.move") == 2
    assert got["running"]["SJC_UL_jobs"] == [[("a red mushroom " * 6).strip(), "38%"]]
    assert got["finished"]["SJC_UL_jobs"][0][1] == "Finished"
    assert got["backend missing"]["mend"] == ["sjc.install_backend", "sjc.use_python", "screen.userpref_show"]
    assert got["backend installing"]["mend"] == ["sjc.cancel_install", "sjc.open_log"]
    assert got["backend fetching"]["mend"] == ["sjc.cancel_install"]
    assert "sjc.copy_error" in got["backend broken"]["mend"]
    assert "sjc.install_backend" in got["backend ready"]["mend"], "made for another version"
    assert "sjc.install_backend" in got["backend missing"][main]["operators"]
    assert {"output_folder", "backend_python", "device", "threads", "history_count"} <= set(got["preferences"])
    assert any("The list is locked." in text for text in got["locked list"][main]["texts"])


def test_every_setting_is_drawn_once(ui):
    got = ui(
        RECORDER
        + """
result = []
for cls in (main.SJC_PT_main, settings.SJC_PT_settings, settings.SJC_PT_advanced, settings.SJC_PT_start):
    calls = draw(cls, bpy.context).calls
    result += [given[1] for name, given, _ in calls if name == "prop" and given[0] == scene.sjc]
"""
    )
    # drawn where they are set
    files = {"start", "keep", "picture", "parent", "surface", "surface_strength", "sharpen_colors", "control"}
    assert sorted(got) == sorted(set(SPECS) - {"overwrite", "lora"} - files)  # LoRA files are a list: test_loras


def test_text_is_wrapped_to_the_region(ui):
    got = ui("""
from types import SimpleNamespace
wide = SimpleNamespace(region=SimpleNamespace(width=600), preferences=bpy.context.preferences)
narrow = SimpleNamespace(region=SimpleNamespace(width=200), preferences=bpy.context.preferences)
sentence = "Close other programs or lower the grid and then retry " * 2
result = {
    "columns": [paragraph.columns(wide), paragraph.columns(narrow)],
    "dialog": [paragraph.columns(wide, 420), paragraph.columns(narrow, 420)],
    "narrow": paragraph.wrapped(sentence, 22),
    "long": paragraph.wrapped("x" * 50, 20),
    "korean": paragraph.wrapped("다른 프로그램을 닫거나 격자를 줄인 뒤 다시 시도하세요", 20),
    "lines": paragraph.wrapped("one\\n\\ntwo", 20),
    "empty": paragraph.wrapped("", 20),
}
""")
    assert got["columns"][0] > 3 * got["columns"][1]
    assert got["dialog"] == [54, 54], "a dialog's text is as wide as the dialog, whatever lies behind it"
    assert " ".join(got["narrow"]) == ("Close other programs or lower the grid and then retry " * 2).strip()
    assert max(map(len, got["narrow"])) <= 22
    assert [len(line) for line in got["long"]] == [20, 20, 10]
    assert max(map(len, got["korean"])) <= 13
    assert got["lines"] == ["one", "", "two"]
    assert got["empty"] == []


# ----------------------------------------------------------------------------------------------- buttons and the queue


def test_buttons_run_a_job_with_the_scripted_worker(ui):
    got = ui("""
fake("ok")
scene.sjc.preset = "test"
scene.sjc.prompt = "a blue tree"
result = {"generate": list(bpy.ops.sjc.generate())}
entry = runtime.jobs[0]
result["entry"] = [entry.prompt, entry.state, round(entry.progress, 3), entry.step, entry.total]
result["mesh"] = [o.name for o in bpy.data.objects if o.type == "MESH"]
result["history"] = [[past.prompt, past.finished] for past in runtime.history]
result["alive"] = runtime.worker_alive
result["curves"] = [[curve.name, curve.value, curve.picture] for curve in runtime.curves]
result["points"] = api.jobs()[0].curves
folder = entry.folder
scene.sjc.preset, scene.sjc.prompt = "paper", ""
bpy.ops.sjc.reuse_settings(folder=folder)
result["reused"] = properties.settings_from(scene)
result["import"] = list(bpy.ops.sjc.import_result(filepath=folder))
result["meshes"] = sum(o.type == "MESH" for o in bpy.data.objects)
bpy.data.texts.new("many").write("# two\\na red cube\\n{\\"prompt\\": \\"a ball\\", \\"seed\\": 5}\\n")
bpy.ops.sjc.queue_from_text(text="many")
result["queue"] = [[e.prompt, e.state] for e in runtime.jobs]
result["steps"] = [r.settings.steps for r in api.queue().jobs]
fake("memory")
bpy.ops.sjc.free_memory()
while api.pump():
    pass
scene.sjc.prompt = "a green cone"
try:
    bpy.ops.sjc.generate()
except RuntimeError as error:
    result["raised"] = str(error)
failed = runtime.jobs[len(runtime.jobs) - 1]
result["failed"] = [failed.state, failed.problem_code, bool(failed.problem_hint)]
from sjc_blender.ui.operators import report as operators_report
record = operators_report.ui_state.job_with(failed.name).record
result["report"] = operators_report.of_job(record)
result["report with all"] = operators_report.of_job(record, prompt=True, paths=True)
result["folder"] = str(record.folder)
from sjc_blender.ui.operators import scene as operators_scene
result["copied"] = operators_scene.error_text(runtime, failed.name).splitlines()
bpy.ops.sjc.free_memory()
result["freeing"] = ui_state.follow_worker()
while api.pump():
    pass
result["freed"] = [ui_state.follow_worker(), runtime.worker_alive]
fake("ok")
bpy.ops.sjc.retry(job=failed.name)
while api.pump():
    pass
result["retried"] = runtime.jobs[len(runtime.jobs) - 1].state
fake("memory")
bpy.ops.sjc.free_memory()
while api.pump():
    pass
scene.sjc.prompt = "a gray duck"
refused(bpy.ops.sjc.generate)
half = runtime.jobs[len(runtime.jobs) - 1].folder
bpy.ops.sjc.clear_finished()
ui_state.refresh_history()
result["unfinished"] = [past.prompt for past in runtime.history if not past.finished]
fake("ok")
bpy.ops.sjc.free_memory()
while api.pump():
    pass
bpy.ops.sjc.resume_folder(folder=half)
result["resumed"] = [[e.prompt, e.state] for e in runtime.jobs]
result["resumed again"] = refused(bpy.ops.sjc.resume_folder, folder=half)
bpy.ops.sjc.clear_finished()
result["cleared"] = len(runtime.jobs)
live_queue = api.queue()
for n in range(3):
    live_queue.add(resolve("test", {"prompt": f"number {n}"}), home / "sjc" / f"n{n}")
ui_state.refresh()
ids = [e.name for e in runtime.jobs]
bpy.ops.sjc.move(job=ids[2], delta=-2)
result["moved"] = [e.prompt for e in runtime.jobs], runtime.active_job
bpy.ops.sjc.cancel(job=ids[0])
bpy.ops.sjc.remove(job=ids[1])
result["left"] = [[e.prompt, e.state] for e in runtime.jobs]
result["gone"] = refused(bpy.ops.sjc.remove, job=ids[1])
api.close()
""")
    assert got["generate"] == ["FINISHED"]
    assert got["entry"] == ["a blue tree", "finished", 1.0, 8, 8]
    assert len(got["mesh"]) == 1
    assert got["mesh"][0].startswith("a blue tree")
    assert got["history"] == [["a blue tree", True]]
    assert got["alive"]
    assert [[name, picture.startswith("loss ")] for name, _, picture in got["curves"]] == [["loss", True]]
    assert got["points"]["loss"][-1] == [8, 0.125]
    assert got["reused"] == {"preset": "test", "prompt": "a blue tree"}
    assert got["import"] == ["FINISHED"]
    assert got["meshes"] == 2
    assert got["queue"] == [["a blue tree", "finished"], ["a red cube", "finished"], ["a ball", "finished"]]
    assert got["steps"] == [8, 8, 8]
    assert got["failed"] == ["failed", "memory", True]
    assert "Problem: memory: " in got["report"]
    assert "Blender: " in got["report"]
    assert "  steps: " in got["report"]
    assert "green" not in got["report"], "the prompt is left out"
    assert got["folder"] not in got["report"]
    assert '"a green cone"' in got["report with all"]
    assert got["unfinished"] == ["a gray duck"]
    assert got["resumed"] == [["a gray duck", "finished"]]
    assert "is finished; import it" in got["resumed again"]
    assert got["copied"][0] == "a green cone"
    assert got["freeing"] > 0
    assert got["freed"] == [None, False]
    assert got["retried"] == "finished"
    assert got["cleared"] == 0
    assert got["moved"] == [["number 2", "number 0", "number 1"], 0]
    assert got["left"] == [["number 2", "waiting"], ["number 0", "stopped"]]
    assert "no longer in the queue" in got["gone"]


def test_blenders_own_presets_keep_settings_and_not_the_prompt(ui):
    got = ui("""
from sjc_blender.ui import presets
group = scene.sjc
group.preset = "paper"
group.steps, group.prompt, group.seed = 77, "a blue tree", 5
bpy.ops.sjc.preset_add(name="Mine")
path = bpy.utils.preset_find("Mine", presets.SUBDIR)
group.preset = "test"
group.prompt, group.seed = "a ball", 6
bpy.ops.script.execute_preset(filepath=path, menu_idname="SJC_PT_presets")
result = properties.settings_from(scene)
bpy.ops.sjc.preset_add(name="Mine", remove_name=True)
assert bpy.utils.preset_find("Mine", presets.SUBDIR) is None
""")
    assert got == {"preset": "paper", "steps": 77, "prompt": "a ball", "seed": 6}


def test_a_new_job_leaves_the_picture_of_the_running_one(ui):
    got = ui("""
queue = api.queue()
first = queue.add(resolve("test", {"prompt": "one"}), home / "sjc" / "one")
ui_state.refresh()
runtime.jobs[first.id].picture = "f_0001.png"
queue.add(resolve("test", {"prompt": "two"}), home / "sjc" / "two")
ui_state.refresh()
result = [[entry.prompt, entry.picture] for entry in runtime.jobs]
api.close()
""")
    assert got == [["one", "f_0001.png"], ["two", ""]]


def test_dice_rolls(ui):
    got = ui("""
result = []
for _ in range(3):
    bpy.ops.sjc.dice()
    result.append(scene.sjc.seed)
""")
    assert len(set(got)) == 3
    assert all(0 <= seed < 2**31 for seed in got)


def test_preferences_reach_a_new_job(ui):
    got = ui("""
class Chosen:
    device, threads, start_seconds, silence_seconds, history_count, history_mb = "cuda:1", 3, 90, 12, 50, 200
usual = [user_preferences.defaults(), user_preferences.worker_environment(), user_preferences.history_limits()]
places.preferences = lambda: Chosen
result = [usual, user_preferences.defaults(), user_preferences.worker_environment(), user_preferences.history_limits(),
          [user_preferences.worker_times().hello, user_preferences.worker_times().silence]]
""")
    assert got == [[{}, {}, [100, 10**9]], {"device": "cuda:1"}, {"OMP_NUM_THREADS": "3"}, [50, 200_000_000], [90, 12]]


# ------------------------------------------------------------------------------------------------------------- backend


def test_check_tells_of_a_python_that_cannot_run_the_backend(ui, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho no libraries here >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    got = ui(
        """
del os.environ["SJC_BACKEND_PYTHON"]
backend_task.refresh()
result = {"before": runtime.backend_state}
bpy.ops.sjc.use_python(filepath=given["program"])
result["after"] = [runtime.backend_state, runtime.backend_text, runtime.backend_python]
result["generate"] = (setattr(scene.sjc, "prompt", "a ball"), refused(bpy.ops.sjc.generate))[1]
result["running"] = backend_task.running()
""",
        program=program,
    )
    assert got["before"] == "missing"
    assert got["after"][0] == "broken"
    assert "no libraries here" in got["after"][1]
    assert got["after"][2] == str(program)
    assert "does not work" in got["generate"]
    assert not got["running"]


def test_installation_is_followed_and_can_be_cancelled(ui):
    got = ui("""
from sjc_blender.install import installer

class Slow:
    # Stands in for the real one (tests/addon/test_environment.py): three turns, then as told.
    def __init__(self, home, python, build):
        self.turn, self.ended, self.arguments = 0, "", (python, build)
    def start(self):
        return self
    def cancel(self):
        self.ended = "cancelled"
    def poll(self):
        self.turn += 1
        state = self.ended or ("failed" if self.turn > 3 else "running")
        text = "no network" if state == "failed" else f"line {self.turn}"
        return installer.Progress(state, "packages", self.turn / 10, text)

installer.Installer = Slow
result = {}
try:
    backend_task.install()
except Exception as error:
    result["offline"] = str(error)

class Online:
    online_access, background = True, True
    timers = bpy.app.timers
class Face:
    app, context, types = Online, bpy.context, bpy.types
backend_task.bpy = Face
backend_task.install("/usr/bin/python3", "cpu")
result["state"] = runtime.backend_state
result["delay"] = backend_task.tick()
result["line"] = [runtime.backend_text, round(runtime.backend_factor, 3)]
try:
    backend_task.check(given["backend"])
except Exception as error:
    result["second"] = str(error)
backend_task.cancel()
result["end"] = [backend_task.tick(), runtime.backend_state, runtime.backend_problem, backend_task.running()]
backend_task.install()
result["waited"] = backend_task.wait()
result["problem"] = runtime.backend_problem
backend_task.install()
backend_task.stop()
result["stopped"] = [backend_task.running(), backend_task.tick()]
""")
    assert "Online Access" in got["offline"]
    assert got["state"] == "installing"
    assert got["delay"] > 0
    assert got["line"] == ["line 1", 0.1]
    assert "busy with another task" in got["second"]
    assert got["end"] == [None, "ready", "", False]
    assert got["waited"] == got["problem"] == "no network"
    assert got["stopped"] == [False, None]


# ------------------------------------------------------------------------------------------------------------- history


def test_a_file_load_brings_the_panel_back(ui):
    got = ui("""
folder = home / "sjc" / "one"
folder.mkdir(parents=True)
(folder / "job.json").write_text(to_json(resolve("test", {"prompt": "a red mushroom"})))
bpy.ops.wm.open_mainfile(filepath=str(home / "scene.blend"))
runtime = bpy.context.window_manager.sjc
result = {
    "history": [entry.prompt for entry in runtime.history], "state": runtime.backend_state,
    "made": (home / "sjc" / places.STATE).exists(),
}
""")
    assert got == {"history": ["a red mushroom"], "state": "ready", "made": False}

"""The panel's line of state for the chosen model, and the button that downloads it."""

import sys
from pathlib import Path

RECORDER = Path(__file__).with_name("recorder.py").read_text("utf-8")

ON = """
import os
from pathlib import Path
import sjc_blender

home = Path(given["home"])
os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
sjc_blender.register()
from sjc_blender.ui import backend_task
from sjc_blender.ui.panels import settings
scene, runtime = bpy.context.scene, bpy.context.window_manager.sjc

def refused(call, **named):
    try:
        call(**named)
    except RuntimeError as error:
        return str(error).strip()
    return ""
"""

ONLINE = """
class Online:
    online_access, background, timers = True, True, bpy.app.timers
class Face:
    app, context, types = Online, bpy.context, bpy.types
model_picker.bpy = backend_task.bpy = Face
"""
"""As with a window, and allowed to use the network."""
ASK = """
class Ask:
    def __init__(self, python, model):
        self.model, self.answer = model, answers.pop(0)
    def start(self):
        return self
    def poll(self):
        return backend_task.installer.Progress("done", "fetch", 0.0, "")
"""
"""Asks nobody: the next of `answers` is the hub's."""


def test_the_line_below_the_model(in_blender, tmp_path):
    """One line for every kind of answer; drawing asks for it, and a thread of its own looks."""
    got = in_blender(
        ON
        + RECORDER
        + """
import shutil
from sjc_blender.models import lookup
from sjc_blender.ui import model_picker
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ["HF_HUB_CACHE"] = str(home / "hub")
embedded = lookup.look("embedded").folder
(home / "model").mkdir()
repository = home / "hub" / "models--some--model"
(repository / "refs").mkdir(parents=True)
(repository / "refs" / "main").write_text("abc")
shutil.copytree(embedded, repository / "snapshots" / "abc")

def shown(model):
    scene.sjc.model = model
    model_picker.model_cache.forget()
    first = draw(settings.SJC_PT_settings, bpy.context).texts()
    while model_picker.tick():
        pass
    layout = draw(settings.SJC_PT_settings, bpy.context)
    return first, " ".join(layout.texts()), layout.operators()

result = {model: shown(model) for model in ("embedded", str(home / "model"), "some/model", "some/other")}
os.environ["HF_HUB_OFFLINE"] = "1"
result["variable"] = shown("some/other")
del os.environ["HF_HUB_OFFLINE"]
result["refused"] = refused(bpy.ops.sjc.fetch_model, model="some/other")
"""
        + ONLINE
        + """result["online"] = shown("some/other")

"""
        + ASK
        + """kept, backend_task.fetching.Ask = backend_task.fetching.Ask, Ask
DownloadInfo = backend_task.fetching.DownloadInfo
answers = [DownloadInfo(problem="no network"), DownloadInfo(2_600_000_000, "openrail", gated=True)]
for name in ("unasked", "sized"):
    backend_task.ask_size("some/other")
    result["asking"] = runtime.backend_state
    backend_task.wait()
    result[name] = shown("some/other")

class Fetch:
    def __init__(self, python, model):
        self.given, self.total = [str(python), model], 0
    def start(self):
        return self
    def poll(self):
        result["fetched"] = self.given
        shutil.copytree(repository, repository.with_name("models--some--other"))
        return backend_task.installer.Progress("done", "fetch", 0.0, "")
backend_task.fetching.Fetch = Fetch
backend_task.fetch("some/other")
result["at work"] = runtime.backend_state
result["waited"] = backend_task.wait()
result["after"] = shown("some/other")
result["home"] = str(home)
from sjc_blender.ui.operators.backend import SJC_OT_sign_in
result["options"] = sorted(SJC_OT_sign_in.bl_options)
result["remembered"] = not bpy.ops.sjc.sign_in.get_rna_type().properties["token"].is_skip_save
""",
        home=tmp_path,
        backend=sys.executable,
    )
    offline = "allow Online Access in Preferences > System > Network"
    assert "Looking for the model" in got["embedded"][0]
    assert "Comes with the add-on, " in got["embedded"][1]
    assert "license gpl-3.0" in got["embedded"][1]
    assert "no model_index.json" in got[got["home"] + "/model"][1]
    assert "On this computer, " in got["some/model"][1]
    assert "Must be downloaded, " in got["some/other"][1]
    assert offline in got["some/other"][1]
    assert "screen.userpref_show" in got["some/other"][2]
    assert "sjc.fetch_model" not in got["some/other"][2] + got["embedded"][2] + got["some/model"][2]
    assert "HF_HUB_OFFLINE blocks downloads" in got["variable"][1]
    assert "Allow Online Access" in got["refused"]
    assert "sjc.fetch_model" in got["online"][2]
    assert "sjc.ask_size" in got["online"][2]
    assert "sjc.ask_size" not in got["some/other"][2]  # offline
    assert "GB" not in got["online"][1]
    assert got["asking"] == "asking"
    assert "no network" in got["unasked"][1]
    assert "sjc.ask_size" in got["unasked"][2]
    assert "2.6 GB" in got["sized"][1]
    assert "license openrail" in got["sized"][1]
    assert "accepted its terms" in got["sized"][1]
    assert "sjc.ask_size" not in got["sized"][2]
    assert "sjc.fetch_model" in got["sized"][2]
    assert "sjc.sign_in" in got["sized"][2]
    assert "sjc.sign_in" not in got["online"][2]
    assert got["options"] == ["INTERNAL"], "else Blender's log of commands would show the token"
    assert not got["remembered"]
    assert got["fetched"] == [sys.executable, "some/other"]
    assert (got["at work"], got["waited"]) == ("fetching", "")
    assert "On this computer, " in got["after"][1]


def test_a_model_of_several_views_takes_over_what_it_decides(in_blender, tmp_path):
    """The panel says so, does not draw those settings, and a job gets the model's."""
    from tests.backend import multi_view_models  # torch

    multi_view_models.mvdream(tmp_path / "several")
    multi_view_models.sister(tmp_path / "sister")
    got = in_blender(
        ON
        + RECORDER
        + """
from sjc_blender.ui import model_picker

def told():
    while model_picker.tick():
        pass
    return model_picker.taken_over(bpy.context)

def drawn():
    calls = draw(settings.SJC_PT_advanced, bpy.context).calls
    return sorted({"views_per_step", "view_words"} & {given[1] for name, given, _ in calls if name == "prop"})

scene.sjc.views_per_step = 6
result = {"single": told(), "drawn before": drawn()}
scene.sjc.model = str(home / "several")
draw(settings.SJC_PT_settings, bpy.context)
told()
layout = draw(settings.SJC_PT_settings, bpy.context)
result["several"], result["texts"], result["drawn"] = told(), " ".join(layout.texts()), drawn()
scene.sjc.views_per_step = 8
result["a multiple"] = told()
scene.sjc.model = str(home / "sister")
draw(settings.SJC_PT_settings, bpy.context)
result["sister"], result["drawn for the sister"] = told(), drawn()
scene.sjc.model, scene.sjc.mv_adapter = "embedded", "adapter.safetensors"
result["adapter"] = told()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got["single"] == {}
    assert got["drawn before"] == ["view_words", "views_per_step"]
    assert got["drawn"] == []
    assert got["several"] == {"views_per_step": 4, "view_words": "none", "perp_neg": 0}
    assert "multi-view" in got["texts"]
    assert "sees 4 views at once" in got["texts"]
    assert got["a multiple"]["views_per_step"] == 8
    assert got["sister"] == {"views_per_step": 8, "perp_neg": 0}, "its sentences say where a view stands"
    assert got["drawn for the sister"] == ["view_words"]
    assert got["adapter"]["views_per_step"] == 6


def test_the_picker_offers_models_and_fills_the_field(in_blender, tmp_path):
    """Embedded, cached and used ones, each with family, size and state; a press writes the field."""
    got = in_blender(
        ON
        + RECORDER
        + """
import shutil
from sjc_blender.models import lookup
from sjc_blender.ui import model_picker
os.environ["HF_HUB_CACHE"] = str(home / "hub")
embedded = lookup.look("embedded").folder
repository = home / "hub" / "models--some--model"
(repository / "refs").mkdir(parents=True)
(repository / "refs" / "main").write_text("abc")
shutil.copytree(embedded, repository / "snapshots" / "abc")
entry = runtime.history.add()
entry.name, entry.model = "earlier", "some/used"

def menu():
    layout = draw(model_picker.SJC_MT_models, bpy.context)
    return layout.texts(), layout.operators()

drawn = draw(settings.SJC_PT_settings, bpy.context).calls
result = {"before": menu(), "button": "menu" in [name for name, _, _ in drawn]}
while model_picker.tick():
    pass
result["after"] = menu()
model_picker.downloads["some/used"] = model_picker.fetching.DownloadInfo(2_600_000_000)
result["asked"] = menu()
bpy.ops.sjc.pick_model(model="some/model")
result["field"] = scene.sjc.model
result["nothing"] = refused(bpy.ops.sjc.pick_model)
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got["button"]
    assert got["before"][0] == ["Looking for models", "Other Folder or File"]
    embedded, sister, cached, used, other = got["after"][0]
    assert embedded.startswith("Embedded")
    assert embedded.endswith("Comes with the add-on")
    assert " MB" in embedded
    assert len(embedded.split("  ")) == 7  # name, family, size, state, with dots between
    assert sister.startswith("embedded-views  \N{MIDDLE DOT}  pixel  \N{MIDDLE DOT}  multi-view  ")
    assert cached.startswith("some/model")
    assert cached.endswith("Downloaded")
    assert used.startswith("some/used")
    assert used.endswith("Not downloaded")
    assert "GB" not in used
    assert "2.6 GB" in got["asked"][0][3]
    assert other == "Other Folder or File"
    assert got["after"][1] == ["sjc.pick_model"] * 4 + ["sjc.choose_model"]
    assert got["field"] == "some/model"
    assert "No model is chosen" in got["nothing"]


def test_the_preferences_list_models_and_remove_them(in_blender, tmp_path):
    """Each with what it is; a bin beside those in the cache, a download below one that is not."""
    got = in_blender(
        ON
        + RECORDER
        + """
import shutil
from types import SimpleNamespace
from sjc_blender.models import lookup
from sjc_blender import places
from sjc_blender.ui import model_picker
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ["HF_HUB_CACHE"] = str(home / "hub")
embedded = lookup.look("embedded").folder
repository = home / "hub" / "models--some--model"
(repository / "refs").mkdir(parents=True)
(repository / "refs" / "main").write_text("abc")
shutil.copytree(embedded, repository / "snapshots" / "abc")

class Panel:
    def draw(self, context):
        model_picker.draw_list(self.layout, context, "some/other")

def listed():
    layout = draw(Panel, bpy.context)
    return layout.texts(), layout.operators()

result = {"before": listed()}
while model_picker.tick():
    pass
result["after"] = listed()

class Remove:
    def __init__(self, python, model):
        self.given = [str(python), model]
    def start(self):
        return self
    def poll(self):
        result["removed"] = self.given
        shutil.rmtree(repository)
        return backend_task.installer.Progress("done", "remove", 0.0, "")
backend_task.fetching.Remove = Remove
result["pressed"] = list(bpy.ops.sjc.remove_model(model="some/model"))
listed()
while model_picker.tick():
    pass
result["gone"] = listed()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got["before"][0] == ["Looking for models"]
    embedded, _, cached, missing, *_ = got["after"][0]
    assert embedded.startswith("Embedded")
    assert cached.startswith("some/model")
    assert missing.startswith("some/other")
    assert got["after"][1].count("sjc.remove_model") == 1
    assert "screen.userpref_show" in got["after"][1]  # offline: where to allow it
    assert got["pressed"] == ["FINISHED"]
    assert got["removed"] == [sys.executable, "some/model"]
    assert not any(text.startswith("some/model") for text in got["gone"][0])


def test_the_preferences_offer_models_to_begin_with(in_blender, tmp_path):
    """Each with size, memory, licence and what was tried; buttons ask the hub, download it, and use what is here.

    The written-down size is called "about" until the hub, or the disk, has said what it is.
    """
    got = in_blender(
        ON
        + RECORDER
        + """
import shutil
from sjc_blender.backend.sjc.models import curated
from sjc_blender.models import lookup
from sjc_blender.ui import model_picker
os.environ.pop("HF_HUB_OFFLINE", None)
os.environ["HF_HUB_CACHE"] = str(home / "hub")
first = curated.CURATED[0].model

class Panel:
    def draw(self, context):
        model_picker.draw_curated(self.layout, context)

def listed():
    draw(Panel, bpy.context)
    while model_picker.tick():
        pass
    layout = draw(Panel, bpy.context)
    return layout.texts(), layout.operators()

result = {"before": listed(), "refused": refused(bpy.ops.sjc.fetch_model, model=first), "first": first}
"""
        + ONLINE
        + """
"""
        + ASK
        + """backend_task.fetching.Ask = Ask
DownloadInfo = backend_task.fetching.DownloadInfo
answers = [DownloadInfo(problem="The hub did not answer in time; try again later."), DownloadInfo(2_700_000_000, "mit")]
for name in ("unreached", "asked"):
    backend_task.ask_size(first)
    backend_task.wait()
    result[name] = listed()

class Fetch:
    def __init__(self, python, model):
        self.model, self.total = model, 2_800_000_000
    def start(self):
        return self
    def poll(self):
        result["fetched"] = self.model
        revision = curated.CURATED[0].revision
        shutil.copytree(lookup.look("embedded").folder, lookup.cache_folder(self.model) / "snapshots" / revision)
        return backend_task.installer.Progress("done", "fetch", 0.0, "")
backend_task.fetching.Fetch = Fetch
result["online"] = listed()
backend_task.fetch(first)
result["waited"] = backend_task.wait()
result["size"], result["here"] = model_picker.size_text(first), lookup.readable_size(lookup.look("embedded").size)
result["after"] = listed()
bpy.ops.sjc.pick_model(model=first)
result["field"] = scene.sjc.model
""",
        home=tmp_path,
        backend=sys.executable,
    )
    texts, operators = got["before"]
    text = " ".join(texts)
    assert "Stable Diffusion 1.5  \N{MIDDLE DOT}  about 2.1 GB" in texts
    assert "Needs 2.5 GB of memory  \N{MIDDLE DOT}  license creativeml-openrail-m" in texts
    assert "license openrail++" in text
    assert text.count("its weights were never run.") == 3
    assert "allow Online Access" in text
    assert operators.count("sjc.fetch_model") == 3
    assert "Allow Online Access" in got["refused"]
    assert "allow Online Access" not in " ".join(got["online"][0])
    unreached, asked, here = (" ".join(got[name][0]) for name in ("unreached", "asked", "after"))
    assert "about 2.1 GB" in unreached
    assert unreached.count("The hub did not answer in time; try again later.") == 1
    assert got["unreached"][1].count("sjc.ask_size") == 3
    assert "Stable Diffusion 1.5  \N{MIDDLE DOT}  2.7 GB" in got["asked"][0]
    assert "license mit" in asked
    assert "did not answer" not in asked
    assert got["asked"][1].count("sjc.ask_size") == 2
    assert got["size"] == "2.8 GB"  # the download itself has asked, too
    assert f"Stable Diffusion 1.5  \N{MIDDLE DOT}  {got['here']}" in here
    assert (got["fetched"], got["waited"]) == (got["first"], "")
    assert got["after"][1].count("sjc.fetch_model") == 2
    assert got["after"][1].count("sjc.pick_model") == 1
    assert got["field"] == got["first"]


def test_a_checkpoint_in_one_file_is_chosen_and_described(in_blender, tmp_path):
    """By the folder icon, or beside the .blend as // says; jobs get the whole path."""
    from tests.backend.models.test_single_file import CONV, head_alone, shapes_of

    head_alone(tmp_path / "style.safetensors", shapes_of("XL"))
    head_alone(tmp_path / "paint.safetensors", shapes_of() | {CONV: (32, 9, 3, 3)})
    got = in_blender(
        ON
        + RECORDER
        + """
from sjc_blender import job_inputs, places
from sjc_blender.models import lookup
from sjc_blender.ui import model_picker

def described():
    context = bpy.context
    draw(settings.SJC_PT_settings, context)
    while model_picker.tick():
        pass
    return "the first job makes a model folder of it" in " ".join(draw(settings.SJC_PT_settings, context).texts())

bpy.ops.sjc.choose_model(directory=str(home), filename="style.safetensors")
result = {"chosen": scene.sjc.model, "described": described()}
result["refused"] = refused(bpy.ops.sjc.choose_model, directory=str(home), filename="paint.safetensors")
named = {"prompt": "a cone", "model": "//style.safetensors", "lora": "//felt.safetensors:0.5, '//b.safetensors'"}
result["unsaved"] = job_inputs.resolved(named).model
bpy.ops.wm.save_as_mainfile(filepath=str(home / "scene.blend"))
chosen = job_inputs.resolved(named)
result["saved"] = [chosen.model, chosen.lora]
scene.sjc.model = "//style.safetensors"
result["beside"] = described()
result["paths"] = [str(places.named_path(text)) for text in ("//x", "'/y/z'", "~")]
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert got["chosen"] == str(tmp_path / "style.safetensors")
    assert got["described"]
    assert "is an inpainting model; take the text-to-image model" in got["refused"]
    assert got["unsaved"] == "//style.safetensors"
    lora = f"{tmp_path}/felt.safetensors:0.5, '{tmp_path}/b.safetensors'"
    assert got["saved"] == [str(tmp_path / "style.safetensors"), lora]
    assert got["beside"]
    assert got["paths"] == [str(tmp_path / "x"), "/y/z", str(Path.home())]


def test_a_check_of_the_model_is_shown_below_it(in_blender, tmp_path):
    """The button, the stage while it works, then a line for each check and the buttons of the report."""
    got = in_blender(
        ON
        + RECORDER
        + """
from sjc_blender import api
from sjc_blender.models import checking
from sjc_blender.ui import model_picker
from sjc_blender.ui.panels import backend
scene.sjc.model = "embedded"

def shown():
    model_picker.model_cache.forget()
    draw(settings.SJC_PT_settings, bpy.context)
    while model_picker.tick():
        pass
    layout = draw(settings.SJC_PT_settings, bpy.context)
    return " ".join(layout.texts()), layout.operators()

class Scripted:
    def __init__(self, python, model, folder, device):
        self.model, self.given, self.stage = model, [model, str(folder), device], "noise"
        self.seconds_left, self.report = 12.0, None
    def start(self):
        self.turns = ["running", "done"]
        return self
    def poll(self):
        state = self.turns.pop(0)
        if state == "done":
            result["given"] = self.given
            texts = {"It is good": True, "It is deaf": False}
            checks = tuple({"name": "any", "ok": ok, "text": text} for text, ok in texts.items())
            self.report = checking.ModelReport(home / "report", False, checks)
        return backend_task.installer.Progress(state, self.stage, 0.5, "")
backend_task.checking = type("Checking", (), {"CheckModel": Scripted})

result = {"before": shown()}
backend_task.check_model("embedded")
result["state"] = runtime.backend_state
backend_task.tick()
result["text"] = runtime.backend_text
result["work"] = " ".join(draw(backend.SJC_PT_backend, bpy.context).texts())
result["busy"] = refused(bpy.ops.sjc.check_model)
result["waited"] = backend_task.wait()
result["after"] = shown()
result["no report"] = refused(bpy.ops.sjc.open_model_report, folder=str(home))
runtime.current = "a job"
result["job"] = refused(bpy.ops.sjc.check_model)
try:
    api.check_model(str(home / "nothing"), folder=home / "out")
except api.SjcError as error:
    result["api"] = str(error)
""",
        home=tmp_path,
        backend=sys.executable,
    )
    assert "sjc.check_model" in got["before"][1]
    assert "sjc.open_model_report" not in got["before"][1]
    assert got["state"] == "measuring"
    assert got["text"] == "Measuring errors by noise level, 0:12 left"
    assert "Checking the model" in got["work"]
    assert "busy with another task" in got["busy"]
    assert got["waited"] == ""
    model, folder, device = got["given"]
    assert (model, device) == ("embedded", "auto")
    assert Path(folder).name == "check-embedded"
    assert "It is good" in got["after"][0]
    assert "It is deaf" in got["after"][0]
    assert {"sjc.check_model", "sjc.open_model_report", "sjc.open_folder"} <= set(got["after"][1])
    assert "There is no report" in got["no report"]
    assert "Wait until the running job has ended" in got["job"]
    assert "nothing" in got["api"]

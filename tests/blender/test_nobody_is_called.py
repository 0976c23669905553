"""Switching the extension on, drawing nothing, loading a file and switching it off: no network, nothing written."""

import json
import sys
from pathlib import Path

import pytest

WATCH = Path(__file__).resolve().parents[1] / "e2e" / "watch" / "sitecustomize.py"


@pytest.mark.skipif(sys.platform != "linux", reason="the home folder is elsewhere there")
def test_registering_reaches_for_nothing(in_blender, tmp_path):
    home, events = tmp_path / "home", tmp_path / "events.jsonl"
    home.mkdir()
    ours = in_blender(
        """
import importlib.util, os, sys, time
sys.dont_write_bytecode = True
os.environ["HOME"] = given["home"]
for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SJC_BACKEND_PYTHON"):
    os.environ.pop(name, None)
spec = importlib.util.spec_from_file_location("watch", given["watch"])
watch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(watch)
watch.watch(given["events"])
open(given["home"] + "/watched", "w").close()
import sjc_blender
sjc_blender.register()
from sjc_blender import api, places
from sjc_blender.ui import ui_state
ui_state.start()
ui_state.refresh_history()
bpy.ops.wm.read_homefile(use_empty=True)
time.sleep(1)
sjc_blender.unregister()
result = places.user_folder().as_posix()
""",
        home=home,
        events=events,
        watch=WATCH,
    )
    lines = [json.loads(line) for line in events.read_text("utf-8").splitlines()]
    assert ["open", str(home / "watched")] in [[event, path] for event, _, path in lines], "the watch sees something"
    allowed = [Path(ours), home / "watched", Path("/dev/null"), tmp_path / "blender" / "answer.json"]
    # What Blender itself makes on the way to a folder of an extension.
    parents = set(Path(ours).parents)
    outside = [
        [event, path]
        for event, _, path in lines
        if event.startswith("socket.")
        or not (any(Path(path).is_relative_to(place) for place in allowed) or Path(path) in parents)
    ]
    assert outside == []
    assert [path.name for path in home.rglob("*")] == ["watched"]

"""What tells a person that a job runs and has ended: the status bar, and one notice when nothing is left to do."""

from tests.blender.conftest import RECORDER


def test_one_notice_for_all_and_the_status_bar(ui):
    got = ui(
        RECORDER
        + """
from types import SimpleNamespace
from sjc_blender.ui import keys, notices
shown, played = [], []
notices.notice.show = lambda title, text: shown.append([title, text])
notices.notice.play = lambda: played.append(1)
chosen = SimpleNamespace(notify=True, notify_sound=True)
notices.bpy = SimpleNamespace(app=SimpleNamespace(background=False))
real, places.preferences = places.preferences, lambda: chosen
def status():
    bar = Layout()
    notices.draw_status(SimpleNamespace(layout=bar), bpy.context)
    return [named["text"] for _name, _given, named in bar.calls if "text" in named]
fake("ok")
idle = status()
bars = []
job = api.generate("a blue tree", preset="test", block=False, on_progress=lambda job: bars.extend(status()))
second = api.generate("a red tree", preset="test", block=False)
job.wait(); second.wait()
both = list(shown)
shown.clear()
api.free_memory()
fake("memory")
api.generate("a green tree " + "and another one " * 5, preset="test", block=False).wait()
failed = [*shown, len(played)]
shown.clear()
chosen.notify = chosen.notify_sound = False
notices.note("x", well=True)
notices.tell("finished")
places.preferences = real
bpy.context.window_manager.keyconfigs.update()
hotkey = Layout()
keys.draw(hotkey, bpy.context)
result = {"idle": idle, "bars": bars, "both": both, "failed": failed, "silent": [*shown, len(played)],
          "operator": hasattr(bpy.types, "SJC_OT_add"), "keys": len(keys._items),
          "hotkey": len(hotkey.calls), "addon keys": bpy.context.window_manager.keyconfigs.addon is not None}
api.close()
"""
    )
    assert got["idle"] == []
    assert any(text.startswith("a blue tree ") and text.endswith("%") for text in got["bars"])
    assert got["both"] == [["The queue is done", "2 finished, 0 failed"]]
    assert got["failed"][0][0] == "The job failed"
    assert got["failed"][1] == 2, "a sound each time"
    assert got["silent"] == [2]
    assert got["keys"] == int(got["addon keys"])
    assert got["hotkey"] > 0

"""Where colours are a preview, the panel says so."""

import sys
from pathlib import Path

RECORDER = Path(__file__).with_name("recorder.py").read_text("utf-8")

ON = """
import os
from pathlib import Path
import sjc_blender
from sjc_blender import api, live
from sjc_blender.install import environment

os.environ["SJC_BACKEND_PYTHON"] = given["backend"]
sjc_blender.register()
from sjc_blender.ui.panels import main, settings
bpy.ops.wm.save_as_mainfile(filepath=str(Path(given["home"]) / "scene.blend"))
runtime = bpy.context.window_manager.sjc

def fake(fault):
    api.queue().command = lambda: [*environment.worker_command(given["backend"]), "--fake", fault]
"""


def test_colours_are_called_a_preview_only_where_they_are_one(in_blender, tmp_path):
    """A latent model's volume, its progress box, its mesh; nothing of it for a pixel model."""
    got = in_blender(
        ON
        + RECORDER
        + """
result = {}
for fault in ("latent", "ok"):
    fake(fault)
    states = []
    def look(record, message):
        if message["type"] == "snapshot":
            live.settle()  # as at the end of a turn
            layout = Layout()
            main.draw_running(layout, bpy.context, runtime.jobs[record.id])
            states.append([text for text in layout.texts() if "Colors:" in text])
    live.listeners.append(look)
    job = api.generate("a cube", preset="test", steps=8, snapshot_every=2)
    live.listeners.remove(look)
    shown = {}
    for target in (job.mesh_object, job.volume_object):
        target.hide_set(False)
        bpy.context.view_layer.objects.active = target
        texts = draw(settings.SJC_PT_output, bpy.context).texts()
        shown[target.type] = [text for text in texts if "Colors:" in text]
    result[fault] = [states, shown]
    api.close()
""",
        home=tmp_path,
        backend=sys.executable,
    )
    states, shown = got["latent"]
    assert states
    assert all(texts == ["Colors: preview"] for texts in states)
    assert shown == {"MESH": ["Colors: final"], "VOLUME": ["Colors: preview"]}
    states, shown = got["ok"]
    assert states
    assert not any(states)
    assert shown == {"MESH": [], "VOLUME": []}

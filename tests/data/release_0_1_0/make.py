"""Make this folder's project anew, with the release's own extension, worker and embedded model (see README.md).

Run by the Python of bpy 4.5: `make.py STAGE BACKEND PROJECT` - the staged extension's folder, the Python that has the
engine, and the empty folder to fill.
"""

import os
import shutil
import sys
import time
from pathlib import Path

stage, backend, project = sys.argv[1], sys.argv[2], Path(sys.argv[3])
user = project / "user"
user.mkdir(parents=True)
os.environ["HOME"] = os.environ["BLENDER_USER_RESOURCES"] = str(user)
os.environ["SJC_BACKEND_PYTHON"] = backend
sys.path.insert(0, stage)

import bpy  # noqa: E402 (it reads the environment)

bpy.ops.wm.read_factory_settings(use_empty=True)

import sjc_blender  # noqa: E402
from sjc_blender import api  # noqa: E402

SMALL = {"preset": "test", "steps": 12, "seed": 7, "device": "cpu"}
PAUSE_AT = 6

sjc_blender.register()
bpy.ops.wm.save_as_mainfile(filepath=str(project / "live.blend"))

# A preset, as the plus sign in the list of presets saves one; its values stay in the scene, and so in the .blend.
chosen = bpy.context.scene.sjc
chosen.preset = "quality"
chosen.prompt, chosen.seed = "a red mushroom", 7
chosen.steps, chosen.guidance, chosen.background, chosen.background_color = (250, 3.5, "fixed", (0.25, 0.5, 0.75))
chosen.turntable, chosen.mesh_faces, chosen.view_words = False, 5000, "paper"
bpy.ops.sjc.preset_add(name="Blue Ground")
(saved,) = user.rglob("presets/sjc_blender/*.py")
(project / "presets").mkdir()
shutil.copy(saved, project / "presets" / saved.name)

# Four jobs: finished, failed (a PC has no such device), stopped half-way, and one that still waits.
api.generate("a red mushroom", folder="//sjc/finished", **SMALL)
api.generate("a yellow duck", folder="//sjc/failed", location=(3, 0, 0), **{**SMALL, "device": "mps"})
half = api.generate("a red mushroom", folder="//sjc/half", location=(1.5, 0, 0), block=False, **SMALL)
api.generate(
    "a blue chair with a yellow seat", folder="//sjc/waiting", location=(4.5, 0, 0), block=False, preset="quality",
    seed=11, steps=250, guidance=3.5, negative_prompt="a red ball", background="fixed",
    background_color=(0.25, 0.5, 0.75), turntable=False,
)  # fmt: skip
while half.record.step < PAUSE_AT:
    api.pump()
    time.sleep(0.002)
half.pause()
for _ in range(20):  # the step that was begun, and its snapshot
    api.pump()
    time.sleep(0.1)
print([(job.prompt, job.state, job.record.step, len(job.record.snapshots)) for job in api.jobs()])
bpy.ops.wm.save_mainfile(compress=True)
api.close()  # as quitting Blender does
shutil.rmtree(user)
(project / "live.blend1").unlink()
sys.stdout.flush()
os._exit(0)  # Blender's module may hang when an interpreter that holds it ends

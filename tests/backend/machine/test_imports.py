"""Which packages a job brings into its process: only those that it uses."""

import json
import os
import subprocess
import sys

# What a job of the embedded model does not need. peft is for LoRA files and for models without an adapter that is built
# in; the others are for training, sounds, tables and notebooks. torch's compiler (torch._dynamo, with sympy) is not in
# the list, though it takes as long to import as torch: torch's own optimisers import it. diffusers is not, as the first
# job on a computer writes the network down as a graph (tests/backend/models/test_onnx.py has the jobs after it).
NEVER = (
    "peft", "IPython", "pandas", "sklearn", "tensorflow", "jax", "torchvision", "torchaudio", "datasets", "wandb",
    "tensorboard", "bpy", "pytest", "sjc.experiments", "sjc.check",
)  # fmt: skip
NOT_BEFORE_THE_END = ("matplotlib", "skimage", "xatlas", "imageio", "imageio_ffmpeg")

JOB = """
import json, sys
from pathlib import Path
from sjc.job import run
from sjc.settings import resolve

early = []
def report(event):
    if event["type"] == "status" and event["stage"] == "export":
        early.extend(sys.modules)
chosen = resolve("test", {"prompt": "a red mushroom", "steps": 2, "device": "cpu", "snapshot_every": 0})
run.JobRun(Path(sys.argv[1]), chosen, report).run()
print(json.dumps({"early": early, "all": sorted(sys.modules)}))
"""


def modules_of(code, *arguments):
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_job_imports_what_it_uses(tmp_path):
    got = modules_of(JOB, tmp_path / "job")
    assert got["early"], "it was asked when the export began"
    assert [name for name in NEVER if name in got["all"]] == []
    assert [name for name in NOT_BEFORE_THE_END if name in got["early"]] == []
    assert {"torch", "warp"} <= set(got["early"])

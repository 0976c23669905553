"""The doors that files and lines from outside come through: what a good one looks like, and how it is taken in."""

import contextlib
import json
import random
import shutil

import torch
from safetensors.torch import save_file

from sjc import foreign
from sjc.errors import SjcError
from sjc.job import batch, checkpoint, run
from sjc.job import folder as job_folder
from sjc.job.pointer import read_pointer, write_pointer
from sjc.models import lora, model_files, single_file
from sjc.models.families import STABLE_DIFFUSION
from sjc.models.loading import load_denoiser
from sjc.optimize import Optimization
from sjc.output import files
from sjc.output.npz import read_npz, write_npz
from sjc.output.vdb import write_live_vdb, write_vdb
from sjc.settings import from_json, resolve
from sjc.worker import fake, protocol
from sjc_blender.backend.sjc import errors as extension_errors
from sjc_blender.models import lookup
from sjc_blender.queue import queue_file
from sjc_blender.queue.records import JobRecord, State
from sjc_blender.scene import glb, history, vdb
from tests.backend import single_files, tiny_families
from tests.backend.stubs import StubDenoiser, bent, settings
from tests.fuzz.mutations import ODD

CPU = torch.device("cpu")
ERRORS = (SjcError, extension_errors.SjcError)  # the extension has the engine's sources under a name of its own
EVIL = "from pathlib import Path\nPath({marker!r}).touch()\nclass Evil: pass\n"


# ------------------------------------------------------------------------------------------------- a good one of each


def make_job(folder):
    """A job folder at step 4 of 8, with snapshots and a mesh."""
    s = settings(steps=8)
    job_folder.write_settings(folder, s)
    optimization = Optimization(s, StubDenoiser(bent), CPU)
    optimization.advance()
    checkpoint.save(folder, optimization.state(), {"history": {"loss": [1.0]}, "seconds": 1.0})
    for step in (2, 4):
        density, color = fake.ball(step / 8)
        path = job_folder.next_snapshot(folder)
        write_live_vdb(path.with_suffix(".vdb"), density, color)
        write_npz(path, density, color, meta={"step": step, "steps": 8, "prompt": "a"}, half=True, compress=step == 4)
    files.write_bytes(folder / "mesh.glb", fake.cube("a"))
    write_vdb(folder / "field.vdb", *fake.ball(1.0))
    write_npz(folder / "field.npz", *fake.ball(1.0), meta={"step": 8})
    files.write_json(folder / "run.json", {"settings": json.loads((folder / "job.json").read_text()), "mesh": {}})
    write_pointer(folder, "a")
    (folder / "run.json").unlink()


def make_list(folder):
    """A list of three jobs."""
    jobs = [JobRecord(resolve("test", {"prompt": "a"}), folder / f"job-{i}", state=State.STOPPED) for i in range(3)]
    queue_file.save(folder / "sjc_queue.json", jobs)


def make_batch(folder):
    """A list of prompts, and settings."""
    (folder / "prompts.txt").write_text('a red mushroom\n{"prompt": "a boat", "steps": 8}\n# no\n', "utf-8")
    (folder / "settings.json").write_text('{"prompt": "a boat", "steps": 8, "background_color": [1, 1, 1]}')


def make_model(folder):
    """A model folder, with a program beside its configurations."""
    tiny_families.stable_diffusion().save_pretrained(folder)
    (folder / "sjc.json").write_text(json.dumps({"view_words": "fine", "max_words": 9, "words": {"objects": ["a"]}}))
    for name in ("", "tokenizer", "text_encoder", "unet"):
        (folder / name / "evil.py").write_text(EVIL.format(marker=str(folder.parent / "ran")))


def make_lora(folder):
    """A LoRA of the model's network."""
    tensors = {}
    for layer in ("to_q", "to_v"):
        name = f"unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.{layer}"
        tensors |= {f"{name}.lora_A.weight": torch.ones(2, 16), f"{name}.lora_B.weight": torch.ones(16, 2)}
    adapter = {"unet.r": 2, "unet.lora_alpha": 2, "unet.target_modules": ["to_q", "to_v"]}
    save_file(tensors, folder / "a.safetensors", {"format": "pt", "lora_adapter_metadata": json.dumps(adapter)})


def make_single(folder):
    """A checkpoint in one file."""
    single_files.checkpoint(folder / "model.safetensors", dtype=torch.float16)


def make_lines(folder):
    """Nothing: lines are made up."""


# ------------------------------------------------------------------------------------------------------- taking it in


def take_resume(folder, _generator):
    """Go on with a job folder, up to the first step."""
    chosen = run.reopen(folder)
    if (folder / job_folder.CHECKPOINT).exists():
        Optimization(chosen, StubDenoiser(bent), CPU).load_state(checkpoint.load(folder)[0])


def take_import(folder, _generator):
    """Import a job folder: what Blender's side reads of it, and the conversion of a volume."""
    for path in folder.glob("*.sjc"):
        read_pointer(path)
    record = queue_file.read_folder(folder)
    queue_file.save(folder / "list.json", [record])
    newest = history.newest(folder)
    if newest is not None and newest.suffix == ".npz":
        field = read_npz(newest)
        write_live_vdb(newest.with_suffix(".vdb"), field.density, field.color, bounds=field.bounds)


def take_field(folder, _generator):
    """Every reader of a volume or a mesh."""
    for path in sorted(folder.rglob("*")):
        reader = {".npz": read_npz, ".vdb": vdb.read_header, ".glb": glb.read}.get(path.suffix)
        if reader:
            reader(path)
        if path.suffix == ".npz":
            job_folder.snapshot_meta(path)


def take_list(folder, _generator):
    """Read the list of jobs, and write it again."""
    queue_file.save(folder / "again.json", queue_file.load(folder / "sjc_queue.json"))


def take_batch(folder, _generator):
    """Read a list of prompts, and settings."""
    with contextlib.suppress(OSError):  # said by the command line
        text = batch.decode(foreign.read_bytes(folder / "prompts.txt", foreign.RECORD_BYTES))
        batch.read_batch(text, lambda given: resolve(None, given))
    with contextlib.suppress(OSError):
        from_json(foreign.read_text(folder / "settings.json", foreign.SETTINGS_BYTES))


def take_model(folder, _generator):
    """Look at a model folder, as the picker does."""
    lookup.look(str(folder))
    model_files.read_card(folder)
    model_files.check(folder)


def take_loading(folder, _generator):
    """Load it, and ask it about a prompt."""
    denoiser = load_denoiser(str(folder))
    denoiser.check_prompt("a red mushroom")
    with torch.no_grad():
        denoiser.conditioned(["a"], guidance=2.0)(torch.zeros(1, 4, 8, 8), torch.tensor([1.0]))


_unets = {}


def take_lora(folder, _generator):
    """Check a LoRA, and add it to a network."""
    if not _unets:
        _unets["unet"] = tiny_families.stable_diffusion().unet
    loras = lora.check(str(folder / "a.safetensors"))
    lora.record(loras)
    lora.fuse(loras, STABLE_DIFFUSION, _unets)


def take_single(folder, _generator):
    """Look at a checkpoint in one file."""
    path = folder / "model.safetensors"
    if not foreign.kind(path):
        return
    lookup.look(str(path))
    single_file.describe(path)


def take_lines(folder, generator):
    """Messages of a worker that lies, and lines that are none, to the end of Blender's side."""
    job = JobRecord(resolve("test", {"prompt": "a"}), folder / "job", state=State.RUNNING)
    for _ in range(20):
        kind = generator.choice(sorted(protocol.DOWN))
        usual = {int: 3, float: 0.5, str: "a", dict: {}, list: []}
        message = {"type": kind, **{name: usual[types[0]] for name, types in protocol.DOWN[kind].items()}}
        for name in message:
            if generator.random() < 0.3:
                message[name] = generator.choice([*ODD, {"loss": 10**400, "\ud800": 1}])
        line = bytearray(json.dumps(message).encode())
        if generator.random() < 0.3:
            line[generator.randrange(len(line))] = generator.randrange(256)
        for known in (protocol.DOWN, protocol.UP):
            try:
                decoded = protocol.decode(bytes(line), known)
            except ERRORS:
                continue
            if known is protocol.DOWN:
                job.take(decoded)
                if decoded["type"] == "snapshot":
                    queue_file.snapshot_of(job.folder, decoded["path"], decoded["step"])
    queue_file.save(folder / "list.json", [job])


DOORS = {
    "resume": (make_job, take_resume, 5),
    "import": (make_job, take_import, 5),
    "field": (make_job, take_field, 6),
    "list": (make_list, take_list, 3),
    "batch": (make_batch, take_batch, 3),
    "model": (make_model, take_model, 8),
    "loading": (make_model, take_loading, 3),
    "lora": (make_lora, take_lora, 4),
    "single": (make_single, take_single, 2),
    "lines": (make_lines, take_lines, 4),
}
"""Name -> (makes a good one in a folder, takes it in, its share of the cases)."""


def door_of(number, chosen=None):
    """The door of a case."""
    if chosen:
        return chosen
    names = [name for name, (_, _, share) in DOORS.items() for _ in range(share)]
    return names[number % len(names)]


def warm(folder):
    """Let every library be loaded, by a good one through every door; returns what each door's good one is."""
    made = {}
    for name, (make, take, _) in DOORS.items():
        made[name] = folder / name
        made[name].mkdir(parents=True)
        make(made[name])
        trial = folder / f"{name}-trial"
        shutil.copytree(made[name], trial)
        take(trial, random.Random(0))
        shutil.rmtree(trial)
    return made

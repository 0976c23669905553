"""The command line: files and exit status for what is good, one clear line and nothing lost for what is not."""

import errno
import gc
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import safetensors.torch
import torch

from sjc import commands
from sjc.cli import main
from sjc.job import checkpoint, locks
from sjc.job import folder as job_folder
from sjc.job import run as job_run
from sjc.job.folder import CHECKPOINT
from sjc.models import loading
from sjc.output import npz
from tests.backend.stubs import StubDenoiser, bent
from tests.backend.tiny_models import CARD, tiny_unet, word_model

PROMPT = "a red mushroom"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


@pytest.fixture
def stub(monkeypatch, tiny):
    """Skips loading: every model folder is this denoiser, which knows all words but "zebra"."""
    from sjc.errors import SjcError

    class Picky(StubDenoiser):
        def check_prompt(self, text):
            if "zebra" in text:
                raise SjcError('The stub does not know "zebra".')
            return text

    denoiser = Picky(bent)
    monkeypatch.setattr(loading, "load_denoiser", lambda _model, **_: denoiser)
    return denoiser


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working folder, empty; the preview and the curves are small, for speed."""
    from sjc.job import export

    monkeypatch.setattr(export, "SHEET_SIZE", 24)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sjc(*arguments):
    try:
        return main([str(a) for a in arguments])
    except SystemExit as end:
        return end.code


def options(tiny, *more):
    return "--model", tiny, "--preset", "test", "--device", "cpu", "--steps", 4, *more


def refused(capsys, *arguments):
    """Exit 2 and one line on standard error -> that line."""
    capsys.readouterr()
    assert sjc(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if not line.startswith("loading the model")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert lines[0].startswith("sjc")
    return lines[0]


def tree(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---------------------------------------------------------------------------------------------------------- generate


def test_generate_makes_the_files_and_prints_where_they_are(here, tiny, capsys):
    assert sjc("generate", "A red  Mushroom", *options(tiny)) == 0
    out, err = capsys.readouterr()
    folder = here / "outputs" / "a-red-mushroom-0"
    assert out.splitlines() == [f"outputs/a-red-mushroom-0/{name}" for name in ("mesh.glb", "preview.png")]
    assert "optimise 4/4" in err
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"] == {**record["settings"], "prompt": "A red Mushroom", "steps": 4, "grid": 16, "seed": 0}
    assert record["model"] == {
        "source": str(tiny),
        "revision": None,
        "loras": [],
        "guidance_built_in": None,
        "mv_adapter": None,
        "control": None,
    }
    assert record["device"].startswith("cpu")
    assert record["final"]["step"] == 4
    assert record["mesh"]["watertight"] is True
    assert record["mesh"]["faces"] > 100
    for name in ("field.npz", "field.vdb", "curves.png", "checkpoint.safetensors", "a-red-mushroom.sjc"):
        assert (folder / name).stat().st_size > 0
    assert len(job_folder.snapshots(folder)) == 2
    # The same again takes the next free folder.
    assert sjc("generate", "a red mushroom", *options(tiny, "--seed", 0)) == 0
    assert (here / "outputs" / "a-red-mushroom-0-2" / "mesh.glb").is_file()


def test_json_means_json_lines_only(here, stub, tiny, capfd):
    assert sjc("generate", PROMPT, "--json", "--out", "j", *options(tiny, "--renderer", "warp")) == 0
    events = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    kinds = [event["type"] for event in events]
    assert kinds.count("progress") == 4
    assert kinds.count("snapshot") == 1
    assert kinds[-1] == "result"
    assert sjc("generate", PROMPT, "--json", "--out", "j", *options(tiny)) == 2
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line)["type"] == "error"
    assert "--overwrite" in json.loads(line)["text"]


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("mushroom " * 1111 + "!", "10000 characters are too many"),
        ("a red\x07mushroom", "U+0007"),
        ("a red\nmushroom", "U+000A"),
        ("a \x1b[31mred mushroom", "U+001B"),
        ("a \ud800 mushroom", "U+D800"),
    ],
)
def test_bad_prompts(here, tiny, capsys, prompt, says):
    assert says in refused(capsys, "generate", prompt, *options(tiny))
    assert tree(here) == {}


@pytest.mark.parametrize(("prompt", "word"), [("a red zebra", '"zebra"'), ("빨간 버섯", '"빨간", "버섯"')])
def test_words_the_model_does_not_know(here, tiny, capsys, prompt, word):
    line = refused(capsys, "generate", prompt, *options(tiny))
    assert f"does not know {word}" in line
    assert "it knows objects: mushroom; colours: red, blue" in line
    assert "choose a bigger model" in line
    assert tree(here) == {}, "a refused prompt leaves no folder that looks unfinished"


@pytest.mark.parametrize(
    ("flag", "value", "says"),
    [
        ("--steps", "0", "steps"),
        ("--steps", "many", "not a whole number"),
        ("--steps", "1e99", "steps"),
        ("--grid", "7", "8 to 512"),
        ("--grid", "100000", "8 to 512"),
        ("--grid", "-1", "8 to 512"),
        ("--seed", "-1", "seed"),
        ("--seed", "1.5", "not a whole number"),
        ("--seed", str(2**31), "seed"),
        ("--guidance", "nan", "not a number"),
        ("--guidance", "inf", "not a number"),
        ("--guidance", "-1", "guidance"),
        ("--guidance", "strong", "not a number"),
        ("--preset", "best", "unknown; use one of embedded"),
        ("--device", "nonsense", "auto, cpu, cuda"),
        ("--sigma-min", "50", "sigma_min"),
    ],
)
def test_bad_settings(here, tiny, capsys, flag, value, says):
    assert says in refused(capsys, "generate", PROMPT, *options(tiny), f"{flag}={value}")
    assert tree(here) == {}


@pytest.mark.parametrize("arguments", [[], ["generate"], ["generate", PROMPT, "--stepz", "3"], ["make"], ["resume"]])
def test_bad_usage_is_one_line_too(here, capsys, arguments):
    assert "--help" in refused(capsys, *arguments)


@pytest.mark.parametrize("device", ["cuda", "cuda:9", "mps"])
def test_a_device_that_is_not_there(here, stub, tiny, capsys, monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    line = refused(capsys, "generate", PROMPT, *options(tiny), "--device", device)
    assert f"device {device} is not there" in line
    assert tree(here) == {}


# ------------------------------------------------------------------------------------------------------ output folder


def test_results_are_never_lost(here, stub, tiny, capsys):
    """Refused without --overwrite; with it, only replaced when model and prompt have proved good."""
    assert sjc("generate", PROMPT, "--out", "j", *options(tiny)) == 0
    (here / "j" / "notes.txt").write_text("mine")
    before = tree(here)
    assert "--overwrite" in refused(capsys, "generate", PROMPT, "--out", "j", *options(tiny))
    assert "zebra" in refused(capsys, "generate", "a zebra", "--out", "j", "--overwrite", *options(tiny))
    assert "cuda:99" in refused(
        capsys, "generate", PROMPT, "--out", "j", "--overwrite", *options(tiny), "--device", "cuda:99"
    )
    assert tree(here) == before
    assert sjc("generate", "a blue mushroom", "--out", "j", "--overwrite", *options(tiny, "--seed", 3)) == 0
    assert (here / "j" / "notes.txt").read_text() == "mine"
    assert not (here / "j" / "a-red-mushroom.sjc").exists()
    record = json.loads((here / "j" / "run.json").read_text())
    assert (record["settings"]["prompt"], record["settings"]["seed"]) == ("a blue mushroom", 3)


def test_a_folder_that_another_program_works_in_is_left_alone(here, unfinished, stub, tiny, capsys):
    """The extension's lock counts here, too; a batch goes on with the rest, and a dead holder holds nothing."""
    (here / "list.txt").write_text(f"{PROMPT}\na blue mushroom\n")
    batch = ("batch", "list.txt", "--out", "many", *options(tiny))
    taken = [here / "j", here / "many/001-a-red-mushroom-0"]
    lock = {"host": socket.gethostname(), "holders": {str(os.getppid()): locks.birth(os.getppid())}}
    for folder in taken:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").write_text(json.dumps(lock))
    before = tree(here)
    for command in (("resume", "j"), ("generate", PROMPT, "--out", "j", "--overwrite", *options(tiny))):
        assert f"j is in use by another program (process {os.getppid()})" in refused(capsys, *command)
    assert tree(here) == before
    assert sjc(*batch) == 2
    assert "1 of 2 jobs failed" in capsys.readouterr().err
    assert (here / "many/002-a-blue-mushroom-0/run.json").exists()
    lock["holders"] = {str(os.getppid()): "1"}  # an earlier process with the same number
    for folder in taken:
        (folder / ".lock").write_text(json.dumps(lock))
    assert sjc("resume", "j") == sjc(*batch) == 0
    assert not any(name.endswith(".lock") for name in tree(here))


def test_a_batch_goes_on_with_a_folder_whose_job_file_was_being_written(here, stub, tiny):
    """As a kill leaves it: nothing in there is a job file yet."""
    (here / "list.txt").write_text(PROMPT)
    folder = here / "many/001-a-red-mushroom-0"
    folder.mkdir(parents=True)
    (folder / ".job.4711~.json").write_text("{")
    assert sjc("batch", "list.txt", "--out", "many", *options(tiny)) == 0
    assert (folder / "run.json").exists()
    assert not (folder / ".job.4711~.json").exists()


def test_a_result_without_its_pointer_is_repaired(here, stub, tiny, capsys):
    """By resume, which has nothing else to do then, and by the batch that it belongs to."""
    (here / "list.txt").write_text(PROMPT)
    batch = ("batch", "list.txt", "--out", "many", *options(tiny))
    assert sjc(*batch) == 0
    folder = here / "many/001-a-red-mushroom-0"
    before = tree(folder)
    for command in (("resume", folder), batch):
        (folder / "a-red-mushroom.sjc").unlink()
        assert sjc(*command) == 0
        assert tree(folder) == before
    assert "nothing to resume" in refused(capsys, "resume", folder)


def test_foreign_folders_stay(here, stub, tiny, capsys):
    (here / "j").mkdir()
    (here / "j" / "mesh.glb").write_text("somebody's")
    before = tree(here)
    for more in ((), ("--overwrite",)):
        assert "not a job folder" in refused(capsys, "generate", PROMPT, "--out", "j", *more, *options(tiny))
    assert tree(here) == before
    (here / "k").mkdir()
    (here / "k" / "job.json").write_text("{}")
    assert "sjc resume k" in refused(capsys, "generate", PROMPT, "--out", "k", *options(tiny))


def test_a_folder_that_cannot_be(here, stub, tiny, capsys):
    (here / "file").write_text("mine")
    assert "is a file" in refused(capsys, "generate", PROMPT, "--out", "file", *options(tiny))
    assert "could not be written" in refused(capsys, "generate", PROMPT, "--out", "file/below", *options(tiny))
    assert tree(here) == {"file": b"mine"}


@pytest.mark.parametrize("allowed", [0, 1, 4, 8])
def test_a_full_disk_is_one_line_and_resumable(here, stub, tiny, capsys, monkeypatch, allowed):
    replace, count = os.replace, []

    def full(source, target):
        count.append(target)
        if len(count) > allowed:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        capsys.readouterr()
        assert sjc("generate", PROMPT, "--out", "j", *options(tiny)) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("sjc: ")]
    assert len(lines) == 1
    assert "The disk is full" in lines[0]
    assert not any("~" in name for name in tree(here)), "no half file stays"
    if allowed:
        assert sjc("resume", "j") == 0
        assert (here / "j" / "run.json").is_file()
        assert [npz.read_npz(p).meta["step"] for p in job_folder.snapshots(here / "j")] == [2, 4]


# ------------------------------------------------------------------------------------------------------------- model


def broken(tiny, folder, change):
    shutil.copytree(tiny, folder)
    change(folder)
    return folder


def drop(*parts):
    return lambda folder: folder.joinpath(*parts).unlink()


def pickled(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(safetensors.torch.load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()


def cut(folder):
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def misshapen(folder):
    unet = tiny_unet(block_out_channels=(8, 24))
    safetensors.torch.save_file(unet.state_dict(), folder / "unet" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (drop("model_index.json"), "no model_index.json"),
        (drop("unet", "config.json"), "config.json is missing"),
        (drop("unet", "diffusion_pytorch_model.safetensors"), "safetensors is missing"),
        (drop("text_encoder", "model.safetensors"), "safetensors is missing"),
        (drop("scheduler", "scheduler_config.json"), "scheduler_config.json is missing"),
        (drop("tokenizer", "tokenizer.json"), "tokenizer"),
        (pickled, "pickled weights can run any program"),
        (cut, "cut short"),
        (misshapen, "unet"),
    ],
)
def test_models_that_cannot_be_used(here, tiny, capsys, change, says):
    folder = broken(tiny, here / "model", change)
    before = tree(here)
    assert says in refused(capsys, "generate", PROMPT, "--out", "j", *options(folder))
    assert tree(here) == before


def test_a_model_that_is_not_there(here, capsys):
    assert "no model folder" in refused(capsys, "generate", PROMPT, "--model", "./nowhere")
    assert "local model cache" in refused(capsys, "generate", PROMPT, "--model", "nobody/nothing")


# ------------------------------------------------------------------------------------------------------------ resume


@pytest.fixture
def unfinished(here, stub, tiny, monkeypatch, capsys):
    """A job stopped by Ctrl-C after two of its four steps."""

    class Presses(commands.CtrlC):
        asked_for = 0

        def __call__(self):
            self.asked_for += 1
            if self.asked_for == 3:
                self._handle()
            return super().__call__()

    with monkeypatch.context() as patch:
        patch.setattr(commands, "CtrlC", Presses)
        assert sjc("generate", PROMPT, "--out", "j", *options(tiny)) == 130
    assert "go on with: sjc resume j" in capsys.readouterr().err
    assert int(checkpoint.load(here / "j")[0]["step"]) == 2
    return here / "j"


def test_ctrl_c_then_resume_equals_an_uninterrupted_run(here, unfinished, tiny, capsys):
    assert not (unfinished / "run.json").exists()
    assert sjc("resume", "j") == 0
    assert "resuming at step 2 of 4" in capsys.readouterr().err
    assert sjc("generate", PROMPT, "--out", "whole", *options(tiny)) == 0
    one, two = (npz.read_npz(here / name / "field.npz") for name in ("j", "whole"))
    np.testing.assert_array_equal(one.density, two.density)
    np.testing.assert_array_equal(one.color, two.color)
    assert (here / "j/mesh.glb").read_bytes() == (here / "whole/mesh.glb").read_bytes()
    assert "is finished" in refused(capsys, "resume", "j")


def test_resuming_what_is_none(here, capsys):
    assert "not a job folder" in refused(capsys, "resume", "nowhere")
    (here / "empty").mkdir()
    assert "not a job folder" in refused(capsys, "resume", "empty")


@pytest.mark.parametrize("kind", ["cut", "foreign", "newer", "another grid"])
def test_resuming_from_a_bad_checkpoint_loses_nothing(unfinished, capsys, kind):
    path = unfinished / CHECKPOINT
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif kind == "foreign":
        safetensors.torch.save_file({"x": torch.zeros(2)}, path)
    elif kind == "newer":
        safetensors.torch.save_file({"x": torch.zeros(2)}, path, {"sjc": '{"version": 99}'})
    else:
        text = (unfinished / "job.json").read_text()
        (unfinished / "job.json").write_text(text.replace('"grid": 16', '"grid": 24'))
    before = tree(unfinished)
    line = refused(capsys, "resume", unfinished)
    assert {"cut": "damaged", "foreign": "not a checkpoint", "newer": "newer", "another grid": "24^3"}[kind] in line
    assert tree(unfinished) == before


# ------------------------------------------------------------------------------------------------------------- batch


def test_batch_goes_on_where_it_stopped(here, stub, tiny, capsys):
    lines = ["# two sorts", "", PROMPT, '{"prompt": "a zebra"}', '{"prompt": "a blue mushroom", "seed": 4, "steps": 2}']
    (here / "list.txt").write_text("\n".join(lines))
    command = ("batch", "list.txt", "--out", "many", *options(tiny))
    assert sjc(*command) == 2
    err = capsys.readouterr().err
    assert "sjc: many/002-a-zebra-0: The stub does not know" in err
    assert "1 of 3 jobs failed" in err
    folders = sorted(p.name for p in (here / "many").glob("0*"))
    assert folders == ["001-a-red-mushroom-0", "003-a-blue-mushroom-4"]
    own = json.loads((here / "many/003-a-blue-mushroom-4/run.json").read_text())["settings"]
    assert (own["seed"], own["steps"], own["grid"]) == (4, 2, 16)

    before = tree(here / "many/001-a-red-mushroom-0")
    shutil.rmtree(here / "many/003-a-blue-mushroom-4")
    assert sjc(*command) == 2
    assert "already there" in capsys.readouterr().err
    assert tree(here / "many/001-a-red-mushroom-0") == before, "what is finished is not made again"
    assert (here / "many/003-a-blue-mushroom-4/run.json").exists()


SAME = ("field.npz", "mesh.glb", "preview.png", "curves.png", "snapshots/f_0001.npz")


def test_batch_loads_a_model_once_and_makes_what_single_runs_make(here, tiny, capsys, monkeypatch):
    """Also after a line that fails, one that steers otherwise, and one with another model in between."""
    loads = []
    monkeypatch.setattr(
        loading, "load_denoiser", lambda model, load=loading.load_denoiser, **o: loads.append(model) or load(model, **o)
    )
    other = shutil.copytree(tiny, here / "other")
    jobs = [
        {"prompt": "a zebra"},
        {"prompt": PROMPT},
        {"prompt": "a blue mushroom", "seed": 4, "negative_prompt": "red"},
        {"prompt": PROMPT, "steps": 6, "views_per_step": 2},
        {"prompt": PROMPT, "model": str(other)},
        {"prompt": PROMPT},
    ]
    (here / "list.txt").write_text("\n".join(json.dumps(job) for job in jobs))
    assert sjc("batch", "list.txt", "--out", "many", *options(tiny)) == 2
    assert '"zebra"' in capsys.readouterr().err
    assert loads == [str(tiny), str(other), str(tiny)]
    made = sorted((here / "many").glob("0*"))
    assert [folder.name[:3] for folder in made] == ["002", "003", "004", "005", "006"]
    for folder, job in zip(made, jobs[1:], strict=True):
        own = [f"--{name.replace('_', '-')}={value}" for name, value in job.items() if name != "prompt"]
        assert sjc("generate", job["prompt"], *options(tiny), *own, "--out", "alone", "--overwrite") == 0
        for name in SAME:
            assert (folder / name).read_bytes() == (here / "alone" / name).read_bytes(), (job, name)


def test_batch_lets_a_model_go_before_it_loads_another(here, tiny, monkeypatch):
    """There may be no room for two."""
    alive = []

    def load(model, **_):
        gc.collect()
        assert [one for one in alive if one()] == []
        denoiser = StubDenoiser(bent)
        alive.append(weakref.ref(denoiser))
        return denoiser

    monkeypatch.setattr(loading, "load_denoiser", load)
    other = shutil.copytree(tiny, here / "other")
    (here / "list.txt").write_text(f'{PROMPT}\n{{"prompt": "a tree", "model": "{other}"}}\n')
    assert sjc("batch", "list.txt", *options(tiny)) == 0
    assert len(alive) == 2


def test_batch_from_standard_input_after_ctrl_c(here, stub, tiny, capsys, monkeypatch):
    class Presses(commands.CtrlC):
        count = 0

        def __call__(self):
            Presses.count += 1
            return Presses.count == 3

    def run():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{PROMPT}\na blue mushroom [/b]\n".encode())))
        return sjc("batch", "-", "--out", "many", *options(tiny))

    with monkeypatch.context() as patch:
        patch.setattr(commands, "CtrlC", Presses)
        assert run() == 130
    assert "the same command goes on" in capsys.readouterr().err
    assert [p.name for p in (here / "many").glob("0*")] == ["001-a-red-mushroom-0"]
    assert run() == 0
    assert "resuming at step 2" in capsys.readouterr().err
    assert len(list((here / "many").glob("*/run.json"))) == 2


def test_batch_names_bad_lines_before_it_starts(here, tiny, capsys):
    lines = ["# comment", PROMPT, '{"prompt": "x", "steps": 0}', "", '{"prompt": ', '{"stepz": 1, "prompt": "x"}', "{}"]
    (here / "list.txt").write_text("\n".join(lines))
    assert sjc("batch", "list.txt", "--out", "many", *options(tiny)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["line 3", "line 5", "line 6", "line 7"]
    assert "steps" in err
    assert "not a setting" in err
    assert not (here / "many").exists()


@pytest.mark.parametrize("content", [b"", b"# nothing\n\n", b"\xff\xfe\x00"])
def test_a_list_without_prompts(here, capsys, content):
    (here / "list.txt").write_bytes(content)
    refused(capsys, "batch", "list.txt")
    refused(capsys, "batch", "nowhere.txt")


# ---------------------------------------------------------------------------------------------------- models, doctor


def test_models_and_doctor(tiny, capsys):
    assert sjc("models", "info", tiny) == 0
    assert "IFPipeline" in capsys.readouterr().out
    assert sjc("models", "info", tiny, "--json") == 0
    assert {row["name"] for row in json.loads(capsys.readouterr().out)} >= {"model", "size", "objects"}
    assert "no model folder" in refused(capsys, "models", "info", "./nowhere")
    code = sjc("doctor", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert code == (0 if all(row["ok"] for row in rows) else 2)
    assert sjc("doctor") == code
    text = capsys.readouterr().out.splitlines()
    assert len(text) == len(rows)
    assert all(line.startswith(("ok  ", "FIX ")) for line in text)


def test_help_is_light():
    """A second process: nothing heavy is imported, and it is quick (0.2 s of processor time on an idle machine)."""
    code = """
import sys, time
from sjc.cli import main
try: main(sys.argv[1:])
except SystemExit as end: assert end.code == 0
heavy = {"torch", "numpy", "diffusers", "transformers", "warp", "matplotlib", "rich", "PIL"} & set(sys.modules)
assert not heavy, heavy
print(time.process_time(), file=sys.stderr)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for arguments in (["--help"], ["generate", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert float(done.stderr) < 2
        assert "sjc" in done.stdout


def test_ctrl_c_twice_ends_at_once():
    with commands.CtrlC() as stop:
        assert not stop()
        os.kill(os.getpid(), 2)
        time.sleep(0.01)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), 2)
            time.sleep(1)


def test_an_interrupt_outside_the_loop_is_130(tiny, here, monkeypatch, capsys):
    def interrupted(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(job_run, "check_early", interrupted)
    assert sjc("generate", PROMPT, *options(tiny)) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), ValueError("a mistake of ours")]
)
def test_a_full_memory_is_one_line_and_a_mistake_is_none(here, tiny, monkeypatch, capsys, error):
    def full(*_):
        raise error

    monkeypatch.setattr(job_run, "check_early", full)
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="of ours"):
            sjc("generate", PROMPT, *options(tiny))
        return
    line = refused(capsys, "generate", PROMPT, *options(tiny))
    assert "ran out of memory" in line
    assert "--grid" in line
    assert sjc("generate", PROMPT, "--json", *options(tiny)) == 2
    assert [json.loads(event)["type"] for event in capsys.readouterr().out.splitlines()] == ["error"]


def test_a_reader_that_goes_away_ends_no_job(here, tiny):
    """As `sjc generate --json | head -1`, and so for the bar: the job goes on to its end, without a word."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = {}
    for closed, more in (("stdout", ["--json"]), ("stderr", [])):  # both at once: each takes its time to start
        given = ["generate", PROMPT, "--out", closed, *options(tiny), *more]
        processes[closed] = subprocess.Popen(
            [sys.executable, "-m", "sjc", *map(str, given)], env=environment, **streams
        )
    for closed, process in processes.items():
        pipe = getattr(process, closed)
        assert pipe.readline()
        pipe.close()
        other = (process.stderr if closed == "stdout" else process.stdout).read()
        assert process.wait(120) == 0, other
        assert b"Traceback" not in other
        assert b"BrokenPipe" not in other
        assert (here / closed / "run.json").exists()


def test_a_table_whose_reader_goes_away_is_no_error(here):
    code = "import time; time.sleep(0.5)\nfrom sjc.cli import main; raise SystemExit(main(['models', 'info']))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, **streams)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0


@pytest.mark.parametrize("door", ["check_early", "load"])
def test_a_full_memory_is_an_event_for_machines_also_while_loading(here, tiny, monkeypatch, capsys, door):
    def full(*_):
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr(job_run if door == "check_early" else job_run.JobRun, door, full)
    assert sjc("generate", PROMPT, *options(tiny), "--json") == 2
    captured = capsys.readouterr()
    event = json.loads(captured.out.splitlines()[-1])
    assert (event["type"], event["code"]) == ("error", "memory")
    assert "--grid" in event["text"]
    assert "Traceback" not in captured.err

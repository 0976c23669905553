"""What the engine says fits where a person is: nobody in Blender is told to type something in a shell."""

import ast
import re
from pathlib import Path

import pytest

from sjc import errors
from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.models import hub, model_files, single_file
from sjc.settings import resolve
from sjc.worker import serve

ENGINE = Path(errors.__file__).parent
ADD_ON = Path(__file__).resolve().parents[2] / "sjc_blender"
# What a shell alone can do: flags, our own command, the build script, installers, the hub's command.
SHELL = re.compile(
    r"(?<![\w-])--[a-z]|build\.py|\bpip install|\bsjc (generate|resume|batch|models|doctor|experiment)\b|hf auth"
)
# Whoever reads these has a shell: the command line, what it alone starts, and how its arguments are made.
IN_A_SHELL = {"cli.py", "commands.py", "convert.py", "agents", "batch", "experiments", "handover"}
ASKED = {"Nothing is removed: nobody can be asked here; sjc models remove ", " --yes does it."}  # Blender asks itself


def shell_words(tree):
    """(line, text) of every sentence with words for a shell that somebody in Blender could read."""
    hidden = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):  # docstrings
            hidden.add(id(node.value))
        called = getattr(getattr(node, "func", None), "id", "")
        for part in node.args[:1] if called == "here" else node.args[3:] if called == "Cause" else ():
            hidden |= {id(inner) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
        exempt = text.startswith(("import ", "from ")) or text in ASKED
        if " " in text.strip() and not exempt and id(node) not in hidden and SHELL.search(text):
            yield node.lineno, text


def parsed(path):
    return ast.parse(path.read_text("utf-8"))


def test_no_sentence_that_can_reach_blender_has_words_for_a_shell():
    paths = [p for p in sorted(ENGINE.rglob("*.py")) if not IN_A_SHELL & {p.name, p.parent.name}]
    paths += sorted(ADD_ON.rglob("*.py"))
    assert len(paths) > 150
    sentences = [f"{path.name}:{line}: {text!r}" for path in paths for line, text in shell_words(parsed(path))]
    assert not sentences, "\n" + "\n".join(sentences)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('raise SjcError(f"{x} is full; choose another --out.")', 1),
        ('raise SjcError("x" + here("add --overwrite to it", "choose another folder."))', 0),
        ('raise SjcError("x" + here("y", f"run sjc resume {folder} again"))', 1),
        ('def f():\n    """With --model."""', 0),
        ('Cause("a", "b", "c", "then sjc resume it", "d")', 0),
        ('Cause("a", "b", "then sjc resume it", "c", "d")', 1),
        ('flags = ["--query-gpu=name"]', 0),
        ('answer(f"{x}: pip install onnx")', 1),
    ],
)
def test_a_forgotten_sentence_would_be_noticed(source, count):
    assert len(list(shell_words(ast.parse(source)))) == count


@pytest.fixture(params=[False, True], ids=["shell", "blender"])
def in_blender(request, monkeypatch):
    monkeypatch.setattr(errors, "in_blender", request.param)
    return request.param


def test_a_folder_that_is_taken(in_blender, tmp_path):
    settings = resolve("test", {"prompt": "a red mushroom"})
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(SjcError) as refused:
        job_folder.check_folder(tmp_path, settings)
    line = serve.error_fields(refused.value)["text"]
    assert ("choose another output folder" if in_blender else "choose another --out") in line
    assert ("--" in line) != in_blender


def test_models_that_are_not_here(in_blender, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SjcError, match="press Download Model" if in_blender else "sjc models fetch nobody/nothing"):
        model_files.locate("nobody/nothing")
    (tmp_path / "old.ckpt").write_bytes(b"PK")
    with pytest.raises(SjcError, match=r"take its \.safetensors" if in_blender else "sjc models convert"):
        single_file.describe(tmp_path / "old.ckpt")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SjcError, match="restart Blender" if in_blender else "--offline"):
        hub.check_online()


def test_programs_that_blender_starts_know_where_they_are():
    """The worker, the doctor and the downloads; Blender's own copy is told when the add-on is switched on."""
    from sjc_blender.install import environment
    from sjc_blender.models import fetching

    for code in (environment.DOCTOR, environment.COMPILE, fetching.MODELS):
        assert code.index("errors.in_blender = True") < code.rindex("import")
    for source in (ENGINE.parent / "sjc_worker.py", ADD_ON / "registration.py"):
        assert "errors.in_blender = True" in source.read_text("utf-8")

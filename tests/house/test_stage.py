"""The stage is the one tree that runs: what it holds, how it follows the sources, with links and without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import sjc
from tools.environment import Environment
from tools.stage import stage


@pytest.fixture
def tree(tmp_path):
    """A small project to stage."""
    for name, text in {
        "backend/sjc/__init__.py": "one = 1\n",
        "backend/sjc/field/grid.py": "size = 2\n",
        "backend/sjc_worker.py": "",
        "sjc_blender/__init__.py": "",
        "sjc_blender/ui/panels/main.py": "",
        "blender_manifest.toml": 'id = "sjc"\n',
        "LICENSE": "free",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def refuse(*_arguments, **_options):
    raise OSError("links are not for you")


def held(target):
    """Return {place: text} of every file in the stage, through links."""
    return {
        Path(folder, name).relative_to(target).as_posix(): Path(folder, name).read_text("utf-8")
        for folder, _, names in os.walk(target, followlinks=True)
        for name in names
    }


def test_tests_and_the_installed_package_run_on_the_stage(stage_folder):
    assert Path(sjc.__file__) == stage_folder / "backend" / "sjc" / "__init__.py"
    done = subprocess.run(
        [Environment().python, "-c", "import sjc; print(sjc.__file__)"],
        cwd="/",
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == stage_folder / "backend" / "sjc" / "__init__.py"


@pytest.mark.parametrize("link", [os.symlink, refuse], ids=["links", "copies"])
def test_stage_holds_addon_and_backend(tree, link):
    target = stage(tree, link=link)
    assert held(target) == {
        "LICENSE": "free",
        "__init__.py": "",
        "blender_manifest.toml": 'id = "sjc"\n',
        "ui/panels/main.py": "",
        "backend/sjc/__init__.py": "one = 1\n",
        "backend/sjc/field/grid.py": "size = 2\n",
        "backend/sjc_worker.py": "",
    }


@pytest.mark.parametrize("link", [os.symlink, refuse], ids=["links", "copies"])
def test_stage_follows_changes_additions_and_removals(tree, link):
    stage(tree, link=link)
    (tree / "backend/sjc/__init__.py").write_text("one = 111\n", "utf-8")
    (tree / "backend/sjc/field/grid.py").unlink()
    (tree / "backend/sjc/field/cameras.py").write_text("", "utf-8")
    (tree / "backend/sjc_worker.py").unlink()
    (tree / "sjc_blender/api.py").write_text("", "utf-8")
    files = held(stage(tree, link=link))
    assert files["backend/sjc/__init__.py"] == "one = 111\n"
    assert {"backend/sjc/field/cameras.py", "api.py"} <= set(files)
    assert not {"backend/sjc/field/grid.py", "backend/sjc_worker.py"} & set(files)


def test_copies_touch_only_what_differs(tree):
    target = stage(tree, link=refuse)
    same, other = target / "backend/sjc/field/grid.py", target / "backend/sjc/__init__.py"
    before = same.stat().st_ino, other.stat().st_ino
    (tree / "backend/sjc/__init__.py").write_text("one = 2\n", "utf-8")
    stage(tree, link=refuse)
    assert same.stat().st_ino == before[0]
    assert other.stat().st_ino != before[1]


def test_links_replace_copies_and_copies_replace_links(tree):
    package = stage(tree, link=refuse) / "backend" / "sjc"
    assert not package.is_symlink()
    stage(tree)
    assert package.is_symlink()
    package.unlink()
    stage(tree, link=refuse)
    assert not package.is_symlink()
    assert (tree / "backend/sjc/__init__.py").exists()


def test_removing_from_the_stage_leaves_the_sources(tree):
    target = stage(tree)
    stray = target / "backend" / "old"
    stray.symlink_to(tree / "backend" / "sjc", target_is_directory=True)
    stage(tree)
    assert not stray.is_symlink()
    assert (tree / "backend/sjc/field/grid.py").exists()


def test_an_old_stage_whose_backend_is_one_link_is_rebuilt(tree):
    target = tree / "build/stage/sjc_blender"
    target.mkdir(parents=True)
    (target / "backend").symlink_to(tree / "backend", target_is_directory=True)
    stage(tree)
    assert not (target / "backend").is_symlink()
    assert (tree / "backend/sjc/__init__.py").exists()


def test_setuptools_note_of_the_editable_install_stays(tree):
    note = stage(tree) / "backend" / "sjc.egg-info" / "PKG-INFO"
    note.parent.mkdir()
    note.write_text("Name: sjc\n", "utf-8")
    stage(tree)
    assert note.exists()


def test_byte_code_of_copies_is_not_swept_away(tree):
    cache = stage(tree, link=refuse) / "backend" / "sjc" / "__pycache__"
    cache.mkdir()
    stage(tree, link=refuse)
    assert cache.exists()


if sys.platform == "win32":
    pytestmark = pytest.mark.xfail(reason="needs the right to make links", strict=False)

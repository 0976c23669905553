"""The extension's zip: what ships, the same bytes twice, and refusals in one line."""

import zipfile

import pytest

from tools import package
from tools.common import ROOT, BuildError


@pytest.fixture
def tree(tmp_path):
    """A project with all that must ship and much that must not."""
    for name in (
        "LICENSE", "sjc_blender/__init__.py", "sjc_blender/ui/panels/main.py", "sjc_blender/ui/.hidden",
        "sjc_blender/__pycache__/a.pyc", "backend/sjc/__init__.py", "backend/sjc/embedded/model/weights.safetensors",
        "backend/sjc/__pycache__/b.pyc", "backend/.mypy_cache/c.json", "backend/sjc.egg-info/PKG-INFO",
        "backend/training/train.py", "backend/sjc_worker.py", "tests/test_a.py", "build.py",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, "utf-8")
    (tmp_path / "blender_manifest.toml").write_text((ROOT / "blender_manifest.toml").read_text("utf-8"), "utf-8")
    return tmp_path


@pytest.fixture
def with_tool(tree, monkeypatch):
    """The same tree with Blender's real tool, lent by this project."""
    tool = package.tool()
    monkeypatch.setattr(package, "tool", lambda _root=None: tool)
    return tree


def test_what_ships(tree):
    assert list(package.contents(tree)) == [
        "LICENSE",
        "__init__.py",
        "backend/sjc/__init__.py",
        "backend/sjc/embedded/model/weights.safetensors",
        "backend/sjc_worker.py",
        "blender_manifest.toml",
        "ui/panels/main.py",
    ]


def test_a_missing_licence_is_one_line(tree):
    (tree / "LICENSE").unlink()
    with pytest.raises(BuildError, match="LICENSE must ship"):
        package.contents(tree)


def test_the_project_ships_addon_backend_and_model_and_nothing_compiled():
    names = set(package.contents())
    assert {"registration.py", "ui/panels/main.py", "backend/sjc_worker.py", "backend/requirements.txt"} <= names
    assert {
        "backend/sjc/embedded/model/unet/diffusion_pytorch_model.safetensors",
        "backend/sjc/field/cpp/walk.h",
    } <= names
    endings = {name.rpartition(".")[2] for name in names - {"backend/sjc/models/clip_merges.txt.gz"}}
    assert endings <= {"py", "toml", "txt", "md", "json", "jsonl", "safetensors", "LICENSE", "model", "h"}
    assert not [name for name in names if "training/" in name or "test_" in name]


def test_the_same_sources_give_the_same_bytes(with_tool):
    first = package.build_zip(with_tool)
    data = first.read_bytes()
    (with_tool / "sjc_blender" / "__init__.py").touch()
    assert package.build_zip(with_tool).read_bytes() == data
    with zipfile.ZipFile(first) as archive:
        assert archive.namelist() == list(package.contents(with_tool))
        assert {entry.date_time for entry in archive.infolist()} == {package.EPOCH}
        for name, source in package.contents(with_tool).items():
            assert archive.read(name) == source.read_bytes()


def test_an_older_zip_stays_when_the_new_one_is_refused(with_tool):
    data = package.build_zip(with_tool).read_bytes()
    manifest = with_tool / "blender_manifest.toml"
    manifest.write_text(manifest.read_text("utf-8").replace('"Add Mesh"', '"Artificial"'), "utf-8")
    with pytest.raises(BuildError, match="Artificial"):
        package.build_zip(with_tool)
    assert (with_tool / "dist" / f"sjc_blender-{package.version()}.zip").read_bytes() == data


def test_too_large_is_refused(with_tool, monkeypatch):
    monkeypatch.setattr(package, "LIMIT", 1000)
    with pytest.raises(BuildError, match="ship less"):
        package.build_zip(with_tool)
    assert not list((with_tool / "dist").iterdir())


def test_the_repository_names_the_zip_by_its_hash(with_tool):
    import hashlib
    import json

    folder = package.build_repository(with_tool)
    (entry,) = json.loads((folder / "index.json").read_text("utf-8"))["data"]
    archive = folder / entry["archive_url"]
    assert entry["id"] == "sjc_blender"
    assert entry["archive_hash"] == "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest()
    assert entry["archive_size"] == archive.stat().st_size

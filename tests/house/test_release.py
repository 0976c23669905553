"""A release: the zip, its notes and its sums; refusals in one line, before anything is built."""

import datetime as dt
import hashlib
import json
import re
import shutil

import pytest

from tools import bill, package, release
from tools.common import ROOT, BuildError
from tools.environment import read_lock


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A small project at version 3.2.1, with Blender's real tool lent by this one."""
    tool = package.tool()
    monkeypatch.setattr(package, "tool", lambda _root=None: tool)
    for folder in ("sjc_blender", "backend/sjc"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "__init__.py").write_text("", "utf-8")
    shutil.copyfile(ROOT / "LICENSE", tmp_path / "LICENSE")
    manifest = (ROOT / "blender_manifest.toml").read_text("utf-8")
    ours = f'version = "{package.version()}"'
    assert ours in manifest
    (tmp_path / "blender_manifest.toml").write_text(manifest.replace(ours, 'version = "3.2.1"'), "utf-8")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "3.2.1"\n', "utf-8")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [3.2.1] - 2030-01-02\n\n### Added\n\n- Mushrooms glow.\n\n## [3.2.0]\n\n- Trees grow.\n",
        "utf-8",
    )
    return tmp_path


def test_zip_notes_and_sums_stand_in_dist(tree):
    archive, notes, parts, sums, repository = release.build_release(tree)
    names = ["sjc_blender-3.2.1.zip", "RELEASE_NOTES.md", "sjc_blender-3.2.1.cdx.json", "SHA256SUMS", "repo"]
    assert [path.name for path in (archive, notes, parts, sums, repository)] == names
    line = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  sjc_blender-3.2.1.zip\n"
    own = f"{hashlib.sha256(parts.read_bytes()).hexdigest()}  sjc_blender-3.2.1.cdx.json\n"
    assert sums.read_bytes() == (line + own).encode()
    assert (repository / archive.name).read_bytes() == archive.read_bytes()
    (entry,) = json.loads((repository / "index.json").read_text("utf-8"))["data"]
    assert (entry["id"], entry["version"]) == ("sjc_blender", "3.2.1")
    text = notes.read_text("utf-8")
    assert line in text
    assert "- Mushrooms glow." in text
    assert "Trees grow" not in text
    assert [text.count(f"\n{step}. ") for step in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert {path.name for path in (tree / "dist").iterdir()} == set(names)


def test_the_bill_of_materials_names_every_part(tree):
    (tree / "backend/requirements.txt").write_text(
        '# pins\ntorch==2.13.0\nhttpcore2==2.16.2 ; (sys_platform != "emscripten")\n', "utf-8"
    )
    model = tree / "backend/sjc/embedded/model/unet"
    model.mkdir(parents=True)
    (model / "weights.safetensors").write_bytes(b"weights")
    archive = tree / "some.zip"
    archive.write_bytes(b"zip")
    text = bill.bill(archive, tree)
    assert text == bill.bill(archive, tree)
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["version"] == "3.2.1"
    assert document["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256(b"zip").hexdigest()
    model, torch, core = document["components"]
    assert (model["type"], model["hashes"][0]["content"]) == (
        "machine-learning-model", hashlib.sha256(b"weights").hexdigest()
    )  # fmt: skip
    assert (torch["purl"], torch["scope"]) == ("pkg:pypi/torch@2.13.0", "required")
    assert core["scope"] == "optional"
    assert document["dependencies"][0]["dependsOn"] == [part["bom-ref"] for part in (model, torch, core)]


def test_this_projects_bill_has_every_pin():
    pins = read_lock(ROOT / bill.PINS)
    document = json.loads(bill.bill(ROOT / "LICENSE"))
    purls = {part.get("purl") for part in document["components"]}
    assert {f"pkg:pypi/{name}@{version}" for name, version in pins.items()} <= purls
    weights = {part["name"] for part in document["components"] if part["type"] == "machine-learning-model"}
    assert {"model/unet/diffusion_pytorch_model.safetensors", "views/four_views.safetensors"} <= weights


def test_a_number_becomes_the_version_everywhere_and_dates_its_section(tree):
    (tree / "backend/sjc/__init__.py").write_text('"""The engine."""\n\n__version__ = "3.2.1"\n', "utf-8")
    release.set_version("3.2.1", dt.date(2031, 1, 2), tree)
    changes = (tree / "CHANGELOG.md").read_text("utf-8")
    assert "## [3.2.1] - 2031-01-02\n" in changes
    (tree / "CHANGELOG.md").write_text(
        changes.replace("## [3.2.1]", "## [Unreleased]\n\n- New.\n\n## [3.2.1]"), "utf-8"
    )
    release.set_version("3.3.0", dt.date(2031, 5, 6), tree)
    assert release.agreed_version(tree) == "3.3.0"
    assert '__version__ = "3.3.0"' in (tree / "backend/sjc/__init__.py").read_text("utf-8")
    assert 'schema_version = "1.0.0"' in (tree / "blender_manifest.toml").read_text("utf-8")
    assert release.changes_of("3.3.0", tree) == "- New."
    assert "## [3.2.1] - 2031-01-02" in (tree / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("number", "message"),
    [("4.0", "no version"), ("3.2.0", "lower than the version"), ("3.3.0", "0 sections for version 3.3.0")],
)
def test_a_version_that_cannot_be_changes_nothing(tree, number, message):
    (tree / "backend/sjc/__init__.py").write_text('__version__ = "3.2.1"\n', "utf-8")
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    with pytest.raises(BuildError, match=message):
        release.set_version(number, root=tree)
    assert before == {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}


def test_this_project_has_its_version_where_releases_look_for_it():
    for name, pattern in release.VERSIONS.items():
        assert re.findall(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE) == [package.version()], name


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("CHANGELOG.md", "## [3.2.1] - 2030-01-02", "## [3.2.2]", "no section for version 3.2.1"),
        ("CHANGELOG.md", "### Added\n\n- Mushrooms glow.\n", "", "says nothing under version 3.2.1"),
        ("pyproject.toml", "3.2.1", "3.2.2", "blender_manifest.toml has version 3.2.1, pyproject.toml 3.2.2"),
    ],
    ids=["no section", "empty section", "two versions"],
)
def test_a_release_without_its_words_is_refused_before_it_is_built(tree, file, old, new, message):
    text = (tree / file).read_text("utf-8")
    assert old in text
    (tree / file).write_text(text.replace(old, new), "utf-8")
    with pytest.raises(BuildError, match=message) as error:
        release.build_release(tree)
    assert "\n" not in str(error.value)
    assert not (tree / "dist").exists()


def test_this_projects_version_has_its_section():
    assert release.changes_of(release.agreed_version())

"""A release: the zip, its notes and its sums; refusals in one line, before anything is built."""

import hashlib
import shutil

import pytest

from tools import package, release
from tools.common import ROOT, BuildError


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
    archive, notes, sums = release.build_release(tree)
    assert [path.name for path in (archive, notes, sums)] == ["sjc_blender-3.2.1.zip", "RELEASE_NOTES.md", "SHA256SUMS"]
    line = f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  sjc_blender-3.2.1.zip\n"
    assert sums.read_bytes() == line.encode()
    text = notes.read_text("utf-8")
    assert line in text
    assert "- Mushrooms glow." in text
    assert "Trees grow" not in text
    assert [text.count(f"\n{step}. ") for step in (1, 2, 3, 4)] == [1, 1, 1, 0]
    assert {path.name for path in (tree / "dist").iterdir()} == {archive.name, notes.name, sums.name}


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

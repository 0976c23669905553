"""What stands in more than one place says the same everywhere."""

import re
import tomllib
from pathlib import Path

import pytest

import sjc
from tools.environment import read_lock
from tools.extras import MODULES, lock_of

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGES = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def test_torch_is_pinned_for_every_kind_of_device():
    assert re.search(r"^torch==2\.13\.0$", LOCK, re.MULTILINE)


@pytest.mark.parametrize("name", ["requirements.lock", *map(lock_of, MODULES)])
def test_no_pin_has_a_local_version_a_hash_or_an_address(name):
    pins = [line for line in (ROOT / name).read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(pins) > 10
    bad = [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; \(.+\))?", pin)]
    assert not bad


def test_every_dependency_is_pinned_within_its_bounds():
    from packaging.requirements import Requirement

    pins = read_lock(ROOT / "requirements.lock")
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(pins[normal(requirement.name)]), text


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_is_pinned_within_its_bounds_beside_the_other_lock_and_in_no_other(extra):
    from packaging.requirements import Requirement

    (package,) = map(Requirement, PROJECT["optional-dependencies"][extra])
    pins, others = read_lock(ROOT / lock_of(extra)), read_lock(ROOT / "requirements.lock")
    assert package.specifier.contains(pins[MODULES[extra]])
    assert not pins.keys() & others.keys(), "one pin of each package"
    assert not pins.keys() & read_lock(ROOT / "backend" / "requirements.txt").keys(), "Install Backend has no extra"


def test_extras_can_be_installed_together():
    locks = [read_lock(ROOT / lock_of(extra)) for extra in MODULES]
    both = set.intersection(*(set(pins) for pins in locks))
    assert all(len({pins[name] for pins in locks}) == 1 for name in both)


def test_version_is_the_same_everywhere():
    version = PROJECT["version"]
    assert sjc.__version__ == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    manifest = ROOT / "blender_manifest.toml"
    if manifest.exists():
        assert tomllib.loads(manifest.read_text("utf-8"))["version"] == version


def test_licence_is_whole():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["license"] == "GPL-3.0-or-later"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md", *PAGES])
def test_links_within_the_documents_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text("utf-8"))
    missing = [link for link in links if not (ROOT / name).parent.joinpath(link).exists()]
    assert not missing


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", *PAGES])
def test_files_named_in_the_documents_are_there(name):
    """A module that moves takes its name along on every page: `backend/sjc/job/run.py`, `tests/blender/` ..."""
    parts = r"(?:backend|sjc_blender|tests|benchmarks|experiments|tools|docs)"
    paths = re.findall(rf"`({parts}/[\w/.-]+(?:\.\w+|/))`", (ROOT / name).read_text("utf-8"))
    assert name != "docs/for-developers.md" or len(paths) > 50
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_commands_in_the_documents_exist():
    import build

    known = set(build.parser()._subparsers._group_actions[0].choices)
    pages = ("README.md", "CONTRIBUTING.md", "docs/benchmarks.md", "docs/for-researchers.md")
    for name in pages:
        named = re.findall(r"python3 build\.py ([a-z-]+)", (ROOT / name).read_text("utf-8"))
        assert named
        assert set(named) <= known


def test_the_page_of_blenders_names_every_version_and_every_test():
    page = (ROOT / "docs" / "blender.md").read_text("utf-8")
    source = (ROOT / "tests" / "blender" / "venvs.py").read_text("utf-8")
    tested = re.search(r"^REQUIRED, WHERE_POSSIBLE = (.+)$", source, re.MULTILINE)[1]
    versions = re.findall(r"\d+\.\d+\.\d+", tested) + re.findall(r'^DEFAULT = "(.+)"$', source, re.MULTILINE)
    assert len(versions) == 3
    assert all(version in page for version in versions)
    files = {path.name for path in (ROOT / "tests" / "blender").glob("test_*.py")}
    assert set(re.findall(r"`(test_\w+\.py)`", page)) == files
    for name in files:
        row = next(line for line in page.splitlines() if line.startswith("| `test") and f"`{name}`" in line)
        everywhere = "each_blender" in (ROOT / "tests" / "blender" / name).read_text("utf-8")
        assert (row.split("|")[2].strip().startswith("every")) is everywhere, name


def test_the_page_of_benchmarks_quotes_the_experiments_pages():
    """Every decimal number of a row stands on the page that the row names."""
    page = (ROOT / "docs" / "benchmarks.md").read_text("utf-8")
    rows = re.findall(r"^\| \[\w+\]\((experiments/\w+\.md)\)(.+)\|$", page, re.MULTILINE)
    assert len(rows) >= 6
    for page, words in rows:
        numbers = re.findall(r"\d+\.\d+", words)
        assert numbers
        on_page = set(re.findall(r"\d+\.\d+", (ROOT / "docs" / page).read_text("utf-8")))
        assert set(numbers) <= on_page, (page, set(numbers) - on_page)

"""Models in the hub's cache: listed in columns, removed with what is theirs alone, and nothing outside of the cache."""

import io
import json
import re
import shutil

import pytest

from sjc import cli
from sjc.models import model_files, model_list
from sjc.models.curated import CURATED
from tests.backend.tiny_models import word_model

ID, OLD, NEW = "some-people/some-model", "a" * 40, "b" * 40


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = word_model(tmp_path_factory.mktemp("model"))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    return folder


@pytest.fixture
def cache(saved, tmp_path, monkeypatch):
    """Two revisions in the hub's own layout: files are links to blobs, and all but the UNet's weights are shared."""
    folder = tmp_path / "hub" / "models--some-people--some-model"
    for revision in (OLD, NEW):
        for path in (p for p in saved.rglob("*") if p.is_file()):
            name = path.relative_to(saved)
            own = revision if name.parts[0] == "unet" and path.suffix == ".safetensors" else "both"
            blob = folder / "blobs" / f"{'-'.join(name.parts)}-{own}"
            blob.parent.mkdir(parents=True, exist_ok=True)
            if not blob.exists():
                shutil.copyfile(path, blob)
            link = folder / "snapshots" / revision / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(NEW)
    (folder / "refs" / "v1").write_text(OLD)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def asked(*arguments):
    return cli.main(["models", *arguments])


def refused(capsys, *arguments):
    assert asked(*arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.startswith("sjc: ") for line in lines] in ([True], [False, True])
    return lines[-1]


def bytes_below(folder):
    return sum(p.lstat().st_size for p in (folder / "models--some-people--some-model" / "blobs").iterdir())


def test_the_list_is_a_table(cache, capsys, saved):
    assert asked("list") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    starts = [head.index(name) for name in ("model", "family", "state", "licence", "revision")]
    assert head.split() == list(model_list.HEAD)
    size = f"{model_files.check(saved).weight_bytes / 1e6:.1f} MB"
    for line, name, revision in zip(lines[2:4], (ID, f"{ID}@v1"), (NEW, OLD), strict=True):
        assert [line[at:].split()[0] for at in starts] == [name, "pixel", "cached", "mit", revision]
        assert size in line
    assert lines[0].split()[0] == "embedded"
    assert asked("list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["model"], row["licence"], row["revision"]) for row in rows[2:4]] == [
        (ID, "mit", NEW), (f"{ID}@v1", "mit", OLD)
    ]  # fmt: skip
    assert [(row["model"], row["state"]) for row in rows[4:]] == [(one.model, "to fetch") for one in CURATED]


@pytest.mark.parametrize("columns", ["60", "160"])
def test_a_terminal_gets_it_as_wide_as_it_is(cache, capsys, monkeypatch, columns):
    """Nothing is cut off: what has no room goes on below, and what is wrong stands under the table."""
    (cache / "models--some-people--some-model" / "snapshots" / NEW / "unet" / "config.json").unlink()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", columns)
    assert asked("list") == 0
    lines = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out).splitlines()  # its colours
    assert max(map(len, lines)) <= int(columns)
    bars = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert "".join(cells[0] for cells in bars).startswith("embeddedembedded-views" + ID + f"{ID}@v1" + CURATED[0].model)
    assert "".join(cells[-1] for cells in bars).startswith(NEW + OLD)
    below = "".join(lines[next(i for i, line in enumerate(lines) if line.startswith("└")) + 1 :])
    assert below.startswith(f"{ID}: ")
    assert "config.json" in below


def test_what_is_wrong_with_one_stands_below_it(cache, capsys):
    (cache / "models--some-people--some-model" / "snapshots" / NEW / "unet" / "config.json").unlink()
    assert asked("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "bad" in lines[3]
    assert lines[4].startswith("  ")
    assert "is missing" in lines[4]


def test_one_revision_goes_and_takes_only_its_own(cache, capsys):
    before = bytes_below(cache)
    weights = cache / "models--some-people--some-model/snapshots" / OLD / "unet/diffusion_pytorch_model.safetensors"
    own = weights.stat().st_size
    assert asked("remove", f"{ID}@v1", "--yes") == 0
    printed = capsys.readouterr()
    assert f"{ID}@v1: 1 revision, {own / 1e6:.1f} MB in {cache}" in printed.err
    assert printed.out == "removed\n"
    assert before - bytes_below(cache) == own
    assert model_list.cached(cache) == [ID]
    assert model_files.check(model_list.snapshot(cache, ID))


def test_all_of_a_model_goes(cache, capsys):
    (cache / "models--other--model").mkdir()
    total = bytes_below(cache)
    assert asked("remove", ID, "--yes", "--json") == 0
    printed = capsys.readouterr()
    assert f"{ID}: 2 revisions, {total / 1e6:.1f} MB" in printed.err
    assert json.loads(printed.out)["freed_bytes"] == pytest.approx(total, rel=0.01)
    assert [path.name for path in cache.iterdir()] == ["models--other--model"]
    assert "is not in the local model cache" in refused(capsys, "remove", ID, "--yes")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("answer", "stays"), [("n\n", True), ("\n", True), ("", True), ("y\n", False), ("YES \n", False)]
)
def test_it_asks(cache, capsys, monkeypatch, answer, stays):
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert asked("remove", ID) == 0
    assert capsys.readouterr().out.endswith("kept\n" if stays else "removed\n")
    assert model_list.cached(cache) == ([ID, f"{ID}@v1"] if stays else [])


def test_without_a_terminal_nothing_goes(cache, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert f"sjc models remove {ID} --yes does it" in refused(capsys, "remove", ID)
    assert model_list.cached(cache) == [ID, f"{ID}@v1"]


@pytest.mark.parametrize("named", ["embedded", "../../etc", "some-people/some-model@..", "/etc", "."])
def test_what_is_no_model_of_the_cache(cache, capsys, named):
    assert "not a hub id" in refused(capsys, "remove", named, "--yes")


@pytest.mark.parametrize("named", ["some-people/other", f"{ID}@v2"])
def test_what_is_not_there(cache, capsys, named):
    assert f'"{named}" is not in the local model cache' in refused(capsys, "remove", named, "--yes")
    assert model_list.cached(cache) == [ID, f"{ID}@v1"]


def test_links_that_lead_out_of_the_cache(cache, tmp_path, capsys):
    outside = tmp_path / "mine.safetensors"
    outside.write_text("precious")
    link = cache / "models--some-people--some-model" / "snapshots" / OLD / "extra.safetensors"
    link.symlink_to(outside)
    assert "lies outside of the model cache" in refused(capsys, "remove", f"{ID}@v1", "--yes")
    assert outside.read_text() == "precious"
    assert model_list.cached(cache) == [ID, f"{ID}@v1"]
    assert asked("remove", ID, "--yes") == 0  # all of it: the links go, not what they lead to
    assert outside.read_text() == "precious"
    assert not model_list.cached(cache)


def test_a_damaged_entry(cache, capsys):
    shutil.rmtree(cache / "models--some-people--some-model" / "snapshots")
    assert "delete that folder by hand" in refused(capsys, "remove", ID, "--yes")

"""What is known of a chosen model, by the worker's own rules; and that a panel may ask at any time."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

from sjc.models import model_files
from sjc_blender.install import environment
from sjc_blender.models import catalogue, fetching, lookup
from tests.addon.helpers import until

ID, REVISION = "some-people/some-model", "0123456789abcdef0123456789abcdef01234567"
OWN = [("embedded", "embedded"), ("embedded-views", "embedded")]


@pytest.fixture
def folder(tmp_path):
    """A copy of the embedded model, to break."""
    return shutil.copytree(model_files.EMBEDDED, tmp_path / "a mödel")


@pytest.fixture
def cache(tmp_path):
    """The variables of an empty hub cache."""
    return {"HF_HUB_CACHE": str(tmp_path / "hub")}


@pytest.fixture
def cached(cache, folder):
    """A hub model in it, as the hub's library lays it down; -> its snapshot."""
    repository = lookup.hub_folder(cache) / "models--some-people--some-model"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    return shutil.copytree(folder, repository / "snapshots" / REVISION)


def test_the_embedded_model():
    info = lookup.look("embedded")
    assert (info.kind, info.licence, info.problem) == ("embedded", "gpl-3.0", "")
    assert info.folder.is_dir()
    weights = sum(path.stat().st_size for path in info.folder.glob("*/*.safetensors"))
    assert info.size == weights > 1e6


def test_a_folder_and_what_is_wrong_with_it(folder):
    good = lookup.look(f"  {folder} ")
    assert (good.kind, good.folder, good.licence) == ("folder", folder, "gpl-3.0")
    (folder / "README.md").write_text("---\nlicense: other\nlicense_name: deepfloyd-if\n---\nlicense: mit\n")
    assert lookup.look(str(folder)).licence == "deepfloyd-if"
    (folder / "README.md").write_text("# A card without a head\nlicense: mit\n")
    assert lookup.look(str(folder)).licence == ""
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    pickled = lookup.look(str(folder))
    assert pickled.kind == "bad"
    assert "refused: pickled weights" in pickled.problem
    weights.with_suffix(".bin").unlink()
    assert "diffusion_pytorch_model.safetensors is missing" in lookup.look(str(folder)).problem
    (folder / "model_index.json").unlink()
    assert "no model_index.json" in lookup.look(str(folder)).problem


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("", "No model is chosen"), ("nowhere at all", "no model folder"),
        ("a\0b", "no model folder"), (__file__, "is no model: give a checkpoint"),
    ],
)  # fmt: skip
def test_what_is_no_model(named, message):
    info = lookup.look(named)
    assert info.kind == "bad"
    assert message in info.problem
    assert "\n" not in info.problem
    lookup.stamp(named)


def test_a_hub_model_that_is_here(cache, cached):
    info = lookup.look(ID, cache)
    assert (info.kind, info.folder, info.licence) == ("cached", cached, "gpl-3.0")
    assert info.size > 1e6
    (cached / "unet" / "config.json").unlink()
    assert "is missing" in lookup.look(ID, cache).problem


GB = 10**9


@pytest.mark.parametrize(
    ("on_cpu", "free", "fits", "texts_there", "decoder_there"),
    [
        (False, None, True, True, True),
        (False, 24 * GB, True, True, True),
        (False, int(3.2 * GB), True, False, True),
        (False, int(2.6 * GB), True, False, False),
        (False, 1 * GB, True, False, False),  # the network in pieces
        (False, GB // 2, False, False, False),
        (True, 24 * GB, True, True, True),
        (True, 2 * GB, False, True, True),
    ],
)
def test_the_memory_of_a_model_by_the_workers_rule(on_cpu, free, fits, texts_there, decoder_there):
    numbers = {"unet": GB, "text_encoder": 2 * GB, "vae": GB // 4}
    info = lookup.ModelInfo("folder", lookup.Path(), size=7 * GB, numbers=numbers)
    plan = lookup.memory(info, on_cpu, free)
    assert plan.dtype == ("float32" if on_cpu else "float16")
    assert (plan.fits, not plan.texts_on_host, not plan.decoder_on_host) == (fits, texts_there, decoder_there)
    assert lookup.look("embedded").numbers["unet"] > 1e6


def test_a_hub_model_that_is_not(cache, cached, tmp_path):
    assert lookup.look("some-people/other", cache) == lookup.ModelInfo("missing", tmp_path / "hub")
    shutil.rmtree(cached)  # a download that had only begun
    assert lookup.look(ID, cache).kind == "missing"


def test_it_agrees_with_the_hubs_own_library(cache, cached, monkeypatch):
    """Where the worker looks without a network is where we look."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", cache["HF_HUB_CACHE"])
    assert model_files.locate(ID) == lookup.look(ID, cache).folder
    code = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    for variables in (
        {},
        {"HF_HOME": "/a"},
        {"XDG_CACHE_HOME": "/b"},
        {"HF_HUB_CACHE": "/c", "HF_HOME": "/a"},
        {"HUGGINGFACE_HUB_CACHE": "/d"},
    ):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_CACHE", "HUGGINGFACE_HUB_"))}
        done = subprocess.run(
            [sys.executable, "-c", code], env=inherited | variables, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == str(lookup.hub_folder(variables)), variables


def test_what_keeps_the_hub_offline():
    assert lookup.hub_offline({}) == lookup.hub_offline({"HF_HUB_OFFLINE": "0"}) == ""
    assert lookup.hub_offline({"HF_HUB_OFFLINE": "1"}) == "HF_HUB_OFFLINE"
    assert lookup.hub_offline({"TRANSFORMERS_OFFLINE": "yes"}) == "TRANSFORMERS_OFFLINE"


def test_the_stamp_changes_with_the_disk(cache, cached, folder):
    def changed(model, change):
        before = lookup.stamp(model, cache)
        assert lookup.stamp(model, cache) == before
        time.sleep(0.02)
        change()
        return lookup.stamp(model, cache) != before

    assert changed(str(folder), (folder / "unet" / "config.json").unlink)
    assert changed(str(folder), lambda: (folder / "model_index.json").write_text("{}"))
    assert changed(ID, (cached / "unet" / "config.json").unlink)
    assert changed("a/b", lambda: (lookup.hub_folder(cache) / "models--a--b" / "refs").mkdir(parents=True))


def test_the_cache_looks_in_threads_and_only_when_something_changed():
    looked, now, disk, threads = [], [0.0], ["as it was"], []

    def look(model):
        looked.append(model)
        threads.append(threading.current_thread())
        return lookup.ModelInfo("folder", lookup.Path(model), size=len(looked))

    model_cache = lookup.ModelCache(look, lambda _model: (disk[0],), lambda: now[0])
    assert model_cache.known("m") is None
    assert model_cache.stale("m")
    assert looked == []  # asking whether it is known looks nowhere
    model_cache.ask("m")
    model_cache.join()
    assert (model_cache.known("m").size, model_cache.stale("m"), model_cache.busy) == (1, False, False)
    now[0] = lookup.RECHECK_SECONDS + 1
    assert model_cache.stale("m")
    model_cache.ask("m")
    model_cache.join()
    assert looked == ["m"]
    assert not model_cache.stale("m")
    disk[0] = "changed"
    model_cache.ask("m")
    model_cache.join()
    assert model_cache.known("m").size == 2
    model_cache.forget()
    assert model_cache.known("m") is None
    assert threading.current_thread() not in threads


def test_a_slow_disk_is_asked_once_and_stops_nobody():
    gate, looked = threading.Event(), []

    def look(model):
        looked.append(model)
        gate.wait(30)
        return lookup.ModelInfo("missing", lookup.Path())

    model_cache = lookup.ModelCache(look, lambda _model: ())
    began = time.monotonic()
    for _ in range(3):
        model_cache.ask("m")
    assert time.monotonic() - began < 5
    assert (model_cache.busy, model_cache.stale("m"), model_cache.known("m")) == (True, False, None)
    gate.set()
    model_cache.join()
    assert looked == ["m"]
    assert model_cache.known("m").kind == "missing"


# --------------------------------------------------------------------------------------------------------------- picker


def test_the_picker_lists_what_can_be_chosen(cache, cached, folder, tmp_path):
    hub = lookup.hub_folder(cache)
    language = hub / "models--some-people--words" / "snapshots" / REVISION  # no pipeline: not for this list
    language.mkdir(parents=True)
    (language / "config.json").write_text("{}")
    (language.parents[1] / "refs").mkdir()
    (language.parents[1] / "refs" / "main").write_text(REVISION)
    used = ["embedded", str(folder), str(tmp_path / "gone"), "some-people/other", ID, "", str(folder)]
    entries = catalogue.listing(catalogue.key_of(used), cache)
    assert [(name, info.kind) for name, info in entries] == [
        *OWN, (ID, "cached"), (str(folder), "folder"), ("some-people/other", "missing"),
    ]  # fmt: skip
    family = model_files.check(folder).family.name
    assert [info.family for _, info in entries] == [family, family, family, family, ""]
    (cached / "unet" / "config.json").unlink()
    broken = dict(catalogue.listing("", cache))[ID]
    assert broken.kind == "bad"  # it is here, so it stays on the list, with its reason
    assert "is missing" in broken.problem
    assert [name for name, _ in catalogue.listing("", {"HF_HUB_CACHE": str(tmp_path / "none")})] == list(dict(OWN))


def test_the_pickers_stamp_changes_with_the_cache(cache, cached):
    before = catalogue.stamp("", cache)
    assert catalogue.stamp("", cache) == before
    shutil.rmtree(cached)
    assert catalogue.stamp("", cache) != before


def test_the_command_line_lists_the_same(cache, cached, monkeypatch, capsys):
    from sjc import cli

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", cache["HF_HUB_CACHE"])
    assert cli.main(["models", "list", "--json"]) == 0
    rows = [row for row in json.loads(capsys.readouterr().out) if row["state"] != "to fetch"]
    assert [(row["model"], row["state"]) for row in rows] == [*OWN, (ID, "cached")]
    assert rows[2]["folder"] == str(cached)
    assert rows[0]["size"] == rows[2]["size"] == lookup.look(ID, cache).size
    assert rows[0]["family"]
    (cached / "unet" / "config.json").unlink()
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("embedded")
    assert "MB" in lines[1]
    assert lines[2].split()[:3] == ["embedded-views", "pixel", "(multi-view)"]
    assert lines[3].split() == [ID, "bad", cached.name]
    assert "is missing" in lines[4]


# ------------------------------------------------------------------------------------------------------------- download


def test_the_command_line_fetches_and_tells(folder, monkeypatch, capsys):
    """`sjc models fetch`, which the worker's advice names and the Download button runs."""
    from huggingface_hub.hf_api import RepoFile

    from sjc import cli

    asked = {}
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):  # the hub is a stand-in here
        monkeypatch.delenv(name, raising=False)

    class Hub:
        @staticmethod
        def list_repo_tree(model, *, recursive, revision):
            assert recursive
            asked.update(model=model, revision=revision)
            files = [path for path in folder.rglob("*") if path.is_file()]
            return [
                RepoFile(path=path.relative_to(folder).as_posix(), size=path.stat().st_size, oid="") for path in files
            ]

    def download(model, *, revision, allow_patterns):
        asked.update(wanted=allow_patterns)
        return str(folder)

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    cached = str(folder / "model_index.json")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: cached)
    assert cli.main(["models", "fetch", ID]) == 0
    assert asked["model"] == ID
    assert {"model_index.json", "README.md", "unet/diffusion_pytorch_model.safetensors"} <= set(asked["wanted"])
    message = capsys.readouterr()
    assert str(folder) in message.out
    assert f"{ID}: " in message.err
    assert " MB, as far as it is not here yet" in message.err


def fetch(tmp_path, lines):
    """A download by a program that stands in for the backend's Python."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n" + lines, "utf-8")
    program.chmod(0o755)
    return fetching.Fetch(program, ID).start()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
def test_a_download_ends_well_or_says_why_not(tmp_path):
    log = tmp_path / "log"
    done = fetch(tmp_path, f'printf "%s\\n" "$@" > "{log}"\n')
    until(lambda: done.poll().state != "running")
    assert done.poll().state == "done"
    assert log.read_text().splitlines()[-3:] == [str(environment.PACKAGE), "fetch", ID]
    failed = fetch(tmp_path, 'echo noise >&2\necho "sjc: The model could not be fetched: no network." >&2\nexit 2\n')
    until(lambda: failed.poll().state != "running")
    assert (failed.poll().state, failed.poll().text) == ("failed", "The model could not be fetched: no network.")
    missing = fetching.Fetch(tmp_path / "nowhere", ID).start()
    until(lambda: missing.poll().state != "running")
    assert "does not start" in missing.poll().text


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for Python")
def test_a_download_can_be_cancelled(tmp_path):
    running = fetch(tmp_path, "exec sleep 60\n")
    until(lambda: running.process is not None)
    running.cancel()
    running.thread.join(10)
    assert running.poll().state == "cancelled"
    assert running.process.returncode != 0


def test_the_real_backend_works_offline(tmp_path):
    """The whole way through `sjc models fetch`, as far as the missing network."""
    job = fetching.Fetch(sys.executable, ID)
    job.start()
    until(lambda: job.poll().state != "running")
    assert job.poll().state == "failed"
    assert job.poll().text.startswith(f'The model "{ID}" could not be fetched')


def test_the_card_is_read_only_at_its_head(folder):
    (folder / "README.md").write_bytes(b"---\nlicense: \xff\xfe\n---\n" + b"x" * 10**6)
    assert lookup.look(str(folder)).kind == "folder"
    (folder / "model_index.json").write_text(json.dumps({"unet": 3}))
    assert lookup.look(str(folder)).kind == "bad"


def test_of_two_snapshots_the_one_that_counts(cache, cached):
    """An older download lies beside it; refs/main says which is meant."""
    older = shutil.copytree(cached, cached.with_name("0" * 40))
    (older / "unet" / "config.json").unlink()
    info = lookup.look(ID, cache)
    assert (info.kind, info.folder) == ("cached", cached)


def test_a_checkpoint_in_one_file_is_described_from_its_head(tmp_path):
    """And nothing is written: Blender has no torch to make a model folder of it."""
    from tests.backend.models.test_single_file import head_alone, shapes_of

    path = head_alone(tmp_path / "model.safetensors", shapes_of("XL"))
    info = lookup.look(f" {path} ")
    assert (info.kind, info.folder, info.family, info.problem) == ("file", path, "SDXL", "")
    assert set(info.numbers) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    assert all(info.numbers.values())
    assert lookup.memory(info, True, 2**40).fits
    path.write_bytes(path.read_bytes()[:-1])
    assert "damaged" in lookup.look(str(path)).problem
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]

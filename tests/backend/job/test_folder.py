"""The job folder, which engine and extension read alike: names, settings, snapshots, begin or go on."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from sjc.errors import SjcError
from sjc.job import folder as job_folder
from sjc.output.npz import read_npz, write_npz
from tests.backend.stubs import settings


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red Mushroom!", "a-red-mushroom"),
        ("  ../../etc/passwd ", "etc-passwd"),
        ("버섯 하나", "버섯-하나"),
        ("!?", "untitled"),
        ("x" * 500, "x" * 60),
        ("a\\b:c", "a-b-c"),
        ("\U00020000" * 60, "\U00020000" * 45),
    ],
)
def test_slug(prompt, name):
    assert job_folder.slug(prompt) == name


def test_a_free_folder_takes_the_next_free_name(tmp_path):
    s = settings(seed=5)
    assert job_folder.free_folder(tmp_path, s).name == "a-red-mushroom-5"
    (tmp_path / "a-red-mushroom-5").mkdir()
    assert job_folder.free_folder(tmp_path, s).name == "a-red-mushroom-5-2", "a waiting job reserves an empty folder"
    (tmp_path / "a-red-mushroom-5-2").write_text("a file")
    assert job_folder.free_folder(tmp_path, s).name == "a-red-mushroom-5-3"
    assert job_folder.free_folder(tmp_path, s, [tmp_path / "a-red-mushroom-5-3"]).name == "a-red-mushroom-5-4"


@pytest.mark.parametrize(
    ("there", "overwrite", "match"),
    [
        (["run.json", "mesh.glb", "job.json"], False, "already holds a result; add --overwrite"),
        (["job.json"], False, "continue it with sjc resume"),
        (["job.json", "run.json"], False, "continue it with sjc resume"),
        (["photo.jpg"], False, "not a job folder"),
        (["photo.jpg"], True, "nothing there is overwritten"),
        (["run.json", "photo.jpg"], True, "nothing there is overwritten"),
    ],
)
def test_used_folders_are_left_alone(tmp_path, there, overwrite, match):
    for name in there:
        (tmp_path / name).write_text(name)
    with pytest.raises(SjcError, match=match) as caught:
        job_folder.prepare_folder(tmp_path, settings(overwrite=overwrite))
    assert "\n" not in str(caught.value)
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {name: name for name in there}


def test_overwriting_removes_the_old_result_and_nothing_else(tmp_path):
    old = [*job_folder.RESULTS, job_folder.CHECKPOINT, "old.sjc", "snapshots/f_0001.npz", "snapshots/f_0001.vdb"]
    mine = ["notes.txt", "snapshots/photo.png", "snapshots/f_notes.txt", "sub/mesh.glb", "mesh.blend", ".rc~"]
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "sub").mkdir()
    for name in [*old, *mine, "job.json"]:
        (tmp_path / name).write_text(name)
    s = settings(overwrite=True)
    job_folder.prepare_folder(tmp_path, s)
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert left == {*mine, "job.json"}
    assert job_folder.read_settings(tmp_path) == replace(s, overwrite=False)
    job_folder.clear_unfinished(tmp_path, None)
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == left


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SjcError, match="is a file"):
        job_folder.prepare_folder(tmp_path / "file", settings())
    with pytest.raises(SjcError, match="could not be written"):
        job_folder.prepare_folder(tmp_path / "file" / "below", settings())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"steps": -3}', '{"stepz": 3}', b"\xff\xfe"])
def test_a_broken_job_file_is_one_line(tmp_path, text):
    (tmp_path / "job.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SjcError) as caught:
        job_folder.read_settings(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_job_file_is_one_line(tmp_path):
    with pytest.raises(SjcError, match="not a job folder"):
        job_folder.read_settings(tmp_path / "nowhere")


def test_settings_are_read_from_the_result_where_that_alone_is_left(tmp_path):
    s = settings(seed=3)
    (tmp_path / "run.json").write_text(json.dumps({"settings": asdict(s), "seconds": {}}))
    assert job_folder.read_settings(tmp_path) == s
    job_folder.write_settings(tmp_path, replace(s, seed=4))
    assert job_folder.read_settings(tmp_path).seed == 4, "job.json comes first"
    (tmp_path / "job.json").unlink()
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SjcError, match=r"run\.json cannot be read"):
        job_folder.read_settings(tmp_path)


def test_every_bad_value_of_a_job_file_is_a_line(tmp_path):
    (tmp_path / "job.json").write_text('{"steps": -3, "grid": 1}')
    with pytest.raises(SjcError) as caught:
        job_folder.read_settings(tmp_path)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{tmp_path / 'job.json'} cannot be read: steps")
    assert second.startswith(f"{tmp_path / 'job.json'} cannot be read: grid")
    assert job_folder.stored_settings(tmp_path) == {"steps": -3, "grid": 1}


@pytest.mark.parametrize(
    ("files", "finished", "resumable"),
    [
        ([], False, False),
        (["job.json"], False, True),
        (["job.json", "mesh.glb"], False, True),
        (["job.json", "run.json"], False, True),
        (["job.json", "run.json", "mesh.glb"], True, False),
        (["run.json", "mesh.glb"], True, False),
        (["run.json"], False, False),
    ],
)
def test_finished_or_to_be_resumed(tmp_path, files, finished, resumable):
    for name in files:
        (tmp_path / name).write_text("{}")
    assert (job_folder.finished(tmp_path), job_folder.resumable(tmp_path)) == (finished, resumable)


# ------------------------------------------------------------------------------------------------- after a kill


def test_a_folder_whose_job_file_was_being_written_is_no_strangers(tmp_path):
    for name in (".job.4711~.json", ".lock.4711~", ".lock", "worker.log"):
        (tmp_path / name).write_text("{")
    job_folder.prepare_folder(tmp_path, settings())
    assert {path.name for path in tmp_path.iterdir()} == {"job.json", ".lock", "worker.log"}


@pytest.mark.parametrize("content", [b"", b"\0" * 900])
def test_a_settings_file_that_a_power_cut_has_emptied_is_none(tmp_path, content):
    """Alone, it is in nobody's way; beside anything else it is left to a person, or the result says the settings."""
    (tmp_path / "job.json").write_bytes(content)
    assert not job_folder.resumable(tmp_path)
    job_folder.prepare_folder(tmp_path, settings(seed=3))
    assert job_folder.read_settings(tmp_path).seed == 3
    (tmp_path / "run.json").write_text(json.dumps({"settings": asdict(settings(seed=4))}))
    (tmp_path / "job.json").write_bytes(content)
    assert job_folder.read_settings(tmp_path).seed == 4
    with pytest.raises(SjcError, match="unfinished job"):
        job_folder.check_folder(tmp_path, settings())


def test_what_was_being_written_is_removed_files_and_folders(tmp_path):
    """Also what the safetensors library left in folders of version 0.1, under names of its own."""
    ours = [".field.4711~.npz", ".tmpAb3xQ9", ".history.4711~/f_0001.vdb", ".checkpoint.4711~/.tmpAb3xQ9"]
    ours.append("snapshots/.f_0001.4711~.vdb")
    theirs = [".tmp", ".tmp-of-mine", ".rc~", "notes~", ".a.b~", "snapshots/.tmpAb3xQ9"]
    for name in [*ours, *theirs]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("half")
    (tmp_path / ".link.4711~").symlink_to(tmp_path / "snapshots")
    job_folder.clear_temporary(tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == set(theirs)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["snapshots"]


# --------------------------------------------------------------------------------------------------------- snapshots


FIELD = np.ones((6, 6, 6), "f4"), np.ones((6, 6, 6, 3), "f4")


def test_snapshots_are_numbered_without_gaps(tmp_path):
    for number in (1, 2, 3):
        path = job_folder.next_snapshot(tmp_path)
        assert path == tmp_path / "snapshots" / f"f_000{number}.npz"
        assert job_folder.snapshot_number(path) == number
        write_npz(path, *FIELD)
    assert [path.name for path in job_folder.snapshots(tmp_path)] == ["f_0001.npz", "f_0002.npz", "f_0003.npz"]


def test_a_gap_is_filled_and_strangers_do_not_count(tmp_path):
    (tmp_path / "snapshots").mkdir()
    for name in ("f_0001.npz", "f_0003.npz", "f_0002.vdb", ".f_0002.77~.npz", "f_2.npz", "f_0002.npz.bak"):
        (tmp_path / "snapshots" / name).touch()
    assert job_folder.next_snapshot(tmp_path).name == "f_0002.npz"
    assert [path.name for path in job_folder.snapshots(tmp_path)] == ["f_0001.npz"]
    assert job_folder.numbered(tmp_path / "snapshots", ".vdb") == []


def test_numbers_beyond_four_digits(tmp_path):
    assert job_folder.snapshot_stem(12345) == "f_12345"
    assert job_folder.snapshot_number(tmp_path / "f_12345.vdb") == 12345
    assert job_folder.snapshot_number(tmp_path / "f_123.vdb") is None


def test_meta_is_read_without_numpy(tmp_path):
    meta = {"step": 7, "steps": 9, "prompt": "ein großer Pilz 버섯 🍄", "color": "preview"}
    write_npz(tmp_path / "a.npz", *FIELD, meta=meta)
    assert job_folder.snapshot_meta(tmp_path / "a.npz") == read_npz(tmp_path / "a.npz").meta
    data = (tmp_path / "a.npz").read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"PK"):
        (tmp_path / "a.npz").write_bytes(damaged)
        assert job_folder.snapshot_meta(tmp_path / "a.npz") is None
    assert job_folder.snapshot_meta(tmp_path / "nowhere.npz") is None


def test_what_will_be_made_again_is_removed(tmp_path):
    """Of steps 1 to 4 the checkpoint has the first two; a damaged one stays, so that the numbers have no gap."""
    for step in (1, 2, 3, 4):
        path = job_folder.next_snapshot(tmp_path)
        for suffix in (".vdb", ".png"):
            path.parent.mkdir(exist_ok=True)
            path.with_suffix(suffix).touch()
        write_npz(path, *FIELD, meta={"step": step, "steps": 9})
    (tmp_path / "snapshots" / "f_0001.npz").write_bytes(b"PK")
    job_folder.clear_unfinished(tmp_path, 2)
    names = {path.name for path in (tmp_path / "snapshots").iterdir()}
    assert names == {f"f_000{number}{suffix}" for number in (1, 2) for suffix in (".npz", ".vdb", ".png")}
    job_folder.clear_unfinished(tmp_path, None)
    assert list((tmp_path / "snapshots").iterdir()) == []


def snapshot(folder, step, **more):
    """One more snapshot, of 9 steps, with its volume."""
    path = job_folder.next_snapshot(folder)
    write_npz(path, *FIELD, meta={"step": step, "steps": 9, **more})
    path.with_suffix(".vdb").touch()
    return path


def flipped(data, at, bits=0xFF):
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def test_a_damaged_snapshot_is_never_in_the_way(tmp_path):
    """Every byte of its directory turned over, one after the other: a resume goes on, and no number is missing."""
    for step in (1, 2, 3):
        snapshot(tmp_path, step)
    path = tmp_path / "snapshots" / "f_0002.npz"
    whole = path.read_bytes()
    assert job_folder.snapshot_meta(path)["step"] == 2
    start = whole.index(b"PK\x01\x02")
    for at in range(start, len(whole)):
        path.write_bytes(flipped(whole, at))
        job_folder.clear_unfinished(tmp_path, 3)
        assert [p.name for p in job_folder.snapshots(tmp_path)] == ["f_0001.npz", "f_0002.npz", "f_0003.npz"]


def test_damaged_snapshots_at_the_end_make_room(tmp_path):
    """Whether they were of before the checkpoint nobody can tell; what comes takes their numbers."""
    paths = [snapshot(tmp_path, step) for step in (1, 2, 3)]
    for path in paths[1:]:
        path.write_bytes(b"PK")
    job_folder.clear_unfinished(tmp_path, 3)
    assert sorted(p.name for p in (tmp_path / "snapshots").iterdir()) == ["f_0001.npz", "f_0001.vdb"]


def test_snapshots_behind_a_gap_do_not_come_back(tmp_path):
    """As a killed clearing leaves them: with the gap filled, they would stand behind what is made anew."""
    for step in (1, 2, 3, 4):
        snapshot(tmp_path, step)
    (tmp_path / "snapshots/f_0003.npz").unlink()
    job_folder.clear_unfinished(tmp_path, 2)
    assert sorted(p.name for p in (tmp_path / "snapshots").glob("*.npz")) == ["f_0001.npz", "f_0002.npz"]


@pytest.mark.parametrize("step", [None, -1, 1.5, True, "7", [1]])
def test_a_step_that_is_none_is_a_damaged_snapshot(tmp_path, step):
    assert job_folder.snapshot_meta(snapshot(tmp_path, step)) is None


def test_a_huge_meta_is_not_read(tmp_path):
    path = snapshot(tmp_path, 1, prompt="x" * 300_000)  # 1.2 MB: four bytes a character
    assert job_folder.snapshot_meta(path) is None

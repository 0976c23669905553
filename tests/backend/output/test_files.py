"""Files are whole or not there, hold what was given, and a broken or foreign one gives one clear line."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from sjc.errors import SjcError
from sjc.output import files, npz


@pytest.fixture
def field():
    rng = np.random.default_rng(0)
    return rng.exponential(5, (6, 6, 6)).astype("f4"), rng.random((6, 6, 6, 3), "f4")


def leftovers(folder):
    return sorted(path.name for path in folder.rglob("*"))


# ------------------------------------------------------------------------------------------------------------ atomicity
def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), files.replacing(tmp_path / "mesh.glb") as temporary:
        temporary.write_bytes(b"half a me")
        raise RuntimeError
    assert leftovers(tmp_path) == []


def test_a_failed_write_keeps_what_was_there(tmp_path):
    target = tmp_path / "run.json"
    files.write_json(target, {"step": 1})
    with pytest.raises(KeyboardInterrupt), files.replacing(target) as temporary:
        temporary.write_text("{")
        raise KeyboardInterrupt
    assert files.read_json(target) == {"step": 1}
    assert leftovers(tmp_path) == ["run.json"]


def test_the_temporary_file_is_in_the_same_folder_with_the_same_extension(tmp_path):
    with files.replacing(tmp_path / "new" / "field.npz") as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path / "new", ".npz")
        assert temporary.name != "field.npz"
        temporary.write_bytes(b"1")
    assert leftovers(tmp_path) == ["field.npz", "new"]


def test_a_full_disk_says_so_and_leaves_nothing(tmp_path, monkeypatch, field):
    """The disk fills up in the middle of the file: some bytes are written, then write() fails."""
    real = Path.open

    class Full:
        def __init__(self, stream):
            self.stream, self.room = stream, 1000

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def write(self, data):
            self.room -= len(data)
            if self.room < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.stream.write(data)

    monkeypatch.setattr(Path, "open", lambda self, *a, **k: Full(real(self, *a, **k)))
    with pytest.raises(SjcError, match=r"disk is full: .*f_0001\.npz.*Free some space"):
        npz.write_npz(tmp_path / "f_0001.npz", *field)
    monkeypatch.undo()
    assert leftovers(tmp_path) == []
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EBUSY])
def test_a_refusal_that_passes_is_waited_for(tmp_path, monkeypatch, code):
    """As while a virus scanner or a cloud's client reads the file that is to be replaced."""
    tries, replace = [], os.replace

    def refuse(*given):
        tries.append(given)
        if len(tries) < 4:
            raise OSError(code, os.strerror(code))
        replace(*given)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(files.time, "sleep", lambda _seconds: None)
    files.write_json(tmp_path / "run.json", {"step": 1})
    assert files.read_json(tmp_path / "run.json") == {"step": 1}
    assert len(tries) == 4
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(code, os.strerror(code))))
    with pytest.raises(SjcError, match="could not be written"):
        files.write_json(tmp_path / "run.json", {"step": 2})
    assert files.read_json(tmp_path / "run.json") == {"step": 1}
    assert leftovers(tmp_path) == ["run.json"]


def test_the_contents_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *given: (calls.append("fsync"), fsync(*given)))
    monkeypatch.setattr(os, "replace", lambda *given: (calls.append("replace"), replace(*given)))
    files.write_bytes(tmp_path / "mesh.glb", b"1")
    assert calls == ["fsync", "replace"]


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SjcError, match=r"could not be written: .*Choose another output folder"):
        files.write_json(tmp_path / "out" / "run.json", {})


# ------------------------------------------------------------------------------------------------------------------ npz
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("latent", [None, 4])
def test_npz_comes_back(tmp_path, field, half, latent):
    density, color = field
    latents = None if latent is None else np.random.default_rng(1).normal(size=(6, 6, 6, latent)).astype("f4")
    meta = {"step": 120, "prompt": "ein roter Pilz – 蘑菇", "colour": "preview"}
    npz.write_npz(tmp_path / "a.npz", density, color, meta=meta, latent=latents, half=half)
    back = npz.read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.density, density)
    assert back.density.dtype == np.float32
    assert back.color.dtype == (np.float16 if half else np.float32)
    np.testing.assert_array_equal(back.color, color.astype(back.color.dtype))
    np.testing.assert_array_equal(back.bounds, [[-1, -1, -1], [1, 1, 1]])
    assert back.meta == {"version": 1} | meta
    if latents is None:
        assert back.latent is None
    else:
        np.testing.assert_array_equal(back.latent, latents.astype(back.color.dtype))


def test_npz_holds_no_objects(tmp_path, field):
    """Every member is a plain array: a reader that refuses pickles reads them all."""
    npz.write_npz(tmp_path / "a.npz", *field)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as table:
        assert {name: table[name].dtype.kind for name in table.files} == {
            "density": "f",
            "color": "f",
            "bounds": "f",
            "meta": "U",
        }


class Poison:
    def __reduce__(self):
        return (Path.touch, (Path("poisoned"),))


def test_an_npz_with_objects_is_refused_unread(tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "a.npz", density=np.array([Poison()]), color=field[1], bounds=npz.UNIT_BOX, meta="{}")
    with pytest.raises(SjcError, match="cannot be read as a field"):
        npz.read_npz(tmp_path / "a.npz")
    assert not Path("poisoned").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "cannot be read as a field"),
        (b"PK\x03\x04 garbage", "cannot be read as a field"),
        ("cut", "cannot be read as a field"),
        ({"foo": np.zeros(3)}, "not a field of this program"),
        ({"density": np.zeros((4, 4, 4)), "color": np.zeros((4, 4, 4)), "bounds": npz.UNIT_BOX, "meta": "{}"}, "needs"),
        (
            {"density": np.zeros((4, 4, 4)), "color": np.zeros((4, 4, 4, 3)), "bounds": npz.UNIT_BOX}
            | {"meta": '{"version": 99}'},
            "newer version",
        ),
    ],
)
def test_bad_npz_is_one_clear_line(tmp_path, field, content, message):
    path = tmp_path / "a.npz"
    if content == "cut":
        npz.write_npz(path, *field)
        path.write_bytes(path.read_bytes()[:-200])
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(SjcError, match=message) as caught:
        npz.read_npz(path)
    assert "\n" not in str(caught.value)


def test_shapes_are_checked_before_anything_is_written(tmp_path, field):
    density, color = field
    with pytest.raises(SjcError, match=r"needs density \[N,N,N\]"):
        npz.write_npz(tmp_path / "a.npz", density, color[..., :2])
    assert leftovers(tmp_path) == []


# ----------------------------------------------------------------------------------------------------------------- json
def test_json_is_utf8_and_strict(tmp_path):
    files.write_json(tmp_path / "run.json", {"prompt": "Möhre"})
    assert "Möhre" in (tmp_path / "run.json").read_text("utf-8")
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "bad.json", {"loss": float("nan")})
    assert leftovers(tmp_path) == ["run.json"]


def test_missing_and_broken_json_are_one_clear_line(tmp_path):
    with pytest.raises(SjcError, match="is missing"):
        files.read_json(tmp_path / "job.json")
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(SjcError, match="cannot be read as JSON"):
        files.read_json(tmp_path / "job.json")

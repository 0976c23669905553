"""Files on their way into the scene, without Blender: heads of .vdb, mesh.glb, histories, conversion."""

import itertools
import os
import subprocess

import numpy as np
import pytest

from sjc.output.glb import read_glb, to_gltf, write_glb
from sjc.output.mesh import Mesh, extract_mesh
from sjc.output.npz import write_npz
from sjc.output.vdb import write_vdb
from sjc_blender.backend.sjc.errors import SjcError
from sjc_blender.scene import convert, glb, history, vdb


def ball(n=16, radius=0.5, middle=(0.2, -0.1, 0.3)):
    """density and colour of a ball off the centre, painted by position."""
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    p = np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1)
    density = 100 * np.clip((radius - np.linalg.norm(p - middle, axis=-1)) * n / 2 + 0.5, 0, 1)
    return density.astype("f4"), (p * 0.5 + 0.5).astype("f4")


def snapshot(folder, number, n=16):
    """One snapshot as the worker leaves it."""
    density, color = ball(n)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"f_{number:04d}.npz"
    write_vdb(path.with_suffix(".vdb"), density, color, half=True, compress=False)
    write_npz(path, density, color, meta={"step": number}, half=True, compress=False)
    return path


# ----------------------------------------------------------------------------------------------------------------- vdb
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_head_of_our_vdb(tmp_path, half, compress):
    write_vdb(tmp_path / "a.vdb", *ball(20), half=half, compress=compress)
    assert vdb.read_header(tmp_path / "a.vdb") == vdb.Header(("density", "color"), pytest.approx(0.1))


def test_a_vdb_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.vdb"
    write_vdb(path, *ball(), half=True, compress=False)
    data = path.read_bytes()
    for length in [0, 5, 8, 20, 57, 70, 100, 200, 400, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(SjcError) as refusal:
            vdb.read_header(path)
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_what_is_no_vdb(tmp_path):
    (tmp_path / "a.vdb").write_bytes(b"PK\x03\x04" + bytes(500))
    with pytest.raises(SjcError, match="not an OpenVDB file"):
        vdb.read_header(tmp_path / "a.vdb")
    with pytest.raises(SjcError, match="cannot be read"):
        vdb.read_header(tmp_path / "missing.vdb")


# ----------------------------------------------------------------------------------------------------------------- glb
@pytest.fixture
def mesh():
    return extract_mesh(*ball(24), threshold=50)


def test_our_glb_is_read_as_the_engine_reads_it(tmp_path, mesh):
    write_glb(tmp_path / "a.glb", mesh, "ball", {"prompt": "ball"})
    got, expected = glb.read(tmp_path / "a.glb"), read_glb(tmp_path / "a.glb")
    np.testing.assert_allclose(got.points, expected.vertices, atol=1e-6)
    np.testing.assert_allclose(got.points, mesh.vertices, atol=1e-6)
    np.testing.assert_array_equal(got.faces, mesh.faces)
    np.testing.assert_allclose(got.colors[:, :3], np.clip(mesh.colors, 0, 1), atol=1e-5)
    assert (got.colors[:, 3] == 1).all()


def test_an_inverted_mesh_is_turned_and_its_broken_faces_are_left_out(tmp_path, mesh):
    turned = np.concatenate([mesh.faces[:, ::-1], [[0, 0, 1], [5, 6, 5]]]).astype("i4")
    write_glb(tmp_path / "a.glb", Mesh(mesh.vertices, turned, mesh.colors))
    got = glb.read(tmp_path / "a.glb")
    a, b, c = (got.points[got.faces[:, i]].astype(float) for i in range(3))
    assert len(got.faces) == len(mesh.faces)
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6 == pytest.approx(4 / 3 * np.pi * 0.5**3, rel=0.1)


def test_a_glb_cut_anywhere_is_refused(tmp_path, mesh):
    path = tmp_path / "mesh.glb"
    write_glb(path, mesh)
    data = path.read_bytes()
    for length in [0, 3, 12, 19, 20, 60, 400, len(data) // 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(SjcError) as refusal:
            glb.read(path)
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)


def test_a_foreign_or_damaged_glb_is_one_line(tmp_path, mesh):
    path = tmp_path / "a.glb"
    write_glb(path, mesh)
    whole = path.read_bytes()
    cases = {
        "other names": whole.replace(b"COLOR_0", b"COLOR_9"),
        "moved": whole.replace(b'"nodes":[{"mesh":0', b'"nodes":[{"scale":0'),
        "no JSON": whole.replace(b'JSON{"', b'JSON["'),
        "lines": whole.replace(b'"mode":4', b'"mode":1'),
        "half a point": whole[:-2] + b"\xff\xff",  # an index far beyond the points
        "no GLB": b"x" * 100,
    }
    for name, data in cases.items():
        assert data != whole, name
        path.write_bytes(data)
        with pytest.raises(SjcError, match=r"not a mesh of this add-on|damaged|not a glTF"):
            glb.read(path)
    points = to_gltf(mesh.vertices).astype("<f4").tobytes()
    path.write_bytes(whole.replace(points[:12], np.array([np.nan] * 3, "<f4").tobytes(), 1))
    with pytest.raises(SjcError, match="damaged"):
        glb.read(path)


# ------------------------------------------------------------------------------------------------------------- history
def test_the_newest_whole_snapshot(tmp_path):
    folder = tmp_path / "snapshots"
    assert history.newest(tmp_path) is None
    first, second, third = (snapshot(folder, n) for n in (1, 2, 3))
    assert history.newest(tmp_path) == third.with_suffix(".vdb")
    third.with_suffix(".vdb").write_bytes(third.with_suffix(".vdb").read_bytes()[:-10])
    assert history.newest(tmp_path) == third  # to be converted
    third.write_bytes(third.read_bytes()[:-500])
    assert history.newest(tmp_path) == second.with_suffix(".vdb")
    for path in (second, second.with_suffix(".vdb")):
        path.write_bytes(b"")
    assert history.newest(tmp_path) == first.with_suffix(".vdb")


@pytest.fixture
def long_history(tmp_path):
    """250 files of 1000 bytes that hold their own number."""
    folder = tmp_path / "job" / "snapshots"
    folder.mkdir(parents=True)
    for n in range(1, 251):
        (folder / f"f_{n:04d}.vdb").write_bytes(f"{n:4d}".encode() * 250)
    return folder


def numbers(folder):
    return [int(path.read_bytes()[:4]) for path in history.volumes(folder)]


def test_thinned_evenly_into_a_new_folder(long_history):
    half = long_history.parent / ".history.4711~"  # of a Blender that was killed
    half.mkdir()
    (half / "f_0001.vdb").write_bytes(b"x")
    thinned = history.thin(long_history, max_files=100)
    chosen = numbers(thinned)
    assert thinned == long_history.parent / "history"
    assert [path.name for path in history.volumes(thinned)] == [f"f_{n:04d}.vdb" for n in range(1, 101)]
    assert (chosen[0], chosen[-1]) == (1, 250)
    assert {b - a for a, b in itertools.pairwise(chosen)} == {2, 3}
    assert numbers(long_history) == list(range(1, 251))
    assert not list(long_history.parent.glob(".*~"))


def test_thinned_by_bytes(long_history):
    chosen = numbers(history.thin(long_history, max_files=1000, max_bytes=20_500))
    assert len(chosen) == 20
    assert (chosen[0], chosen[-1]) == (1, 250)
    assert numbers(history.thin(long_history, max_bytes=10)) == [250]


def test_a_second_thinning_gets_a_folder_of_its_own(long_history):
    first = history.thin(long_history, max_files=10)
    again = history.thin(long_history, max_files=5)
    assert (first.name, again.name) == ("history", "history-2")
    assert len(numbers(again)) == 5


def test_a_short_history_stays(long_history):
    assert history.thin(long_history, max_files=250) == long_history
    assert not (long_history.parent / "history").exists()


def test_dropping_the_long_one_leaves_the_thinned(long_history):
    (long_history / "f_0001.npz").write_bytes(b"x")
    thinned = history.thin(long_history, max_files=10)
    before = numbers(thinned)
    history.drop(long_history)
    assert [path.name for path in long_history.iterdir()] == ["f_0001.npz"]
    assert numbers(thinned) == before


def test_without_links_there_are_copies(long_history, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(os, "link", refuse)
    assert len(numbers(history.thin(long_history, max_files=7))) == 7


def test_a_folder_that_cannot_be_written_is_one_line(long_history):
    (long_history.parent / "history").write_text("in the way")
    with pytest.raises(SjcError, match="history could not be written"):
        history.thin(long_history, max_files=3)
    assert not list(long_history.parent.glob(".*~"))


def test_a_gap_ends_a_history(long_history):
    (long_history / "f_0007.vdb").unlink()
    assert numbers(long_history) == [1, 2, 3, 4, 5, 6]


# ------------------------------------------------------------------------------------------------------------- convert
def test_conversion_in_a_process_of_its_own(tmp_path):
    npz = snapshot(tmp_path, 1)
    direct = npz.with_suffix(".vdb").read_bytes()
    npz.with_suffix(".vdb").unlink()
    done = subprocess.run(convert.command(npz, npz.with_suffix(".vdb")), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    converted = npz.with_suffix(".vdb").read_bytes()
    uuid = slice(21, 57)  # every file has one of its own
    assert converted[: uuid.start] + converted[uuid.stop :] == direct[: uuid.start] + direct[uuid.stop :]


def test_conversion_of_a_damaged_field_is_one_line(tmp_path):
    (tmp_path / "f_0001.npz").write_bytes(b"PK")
    command = convert.command(tmp_path / "f_0001.npz", tmp_path / "f_0001.vdb")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "f_0001.npz" in done.stderr
    assert not (tmp_path / "f_0001.vdb").exists()

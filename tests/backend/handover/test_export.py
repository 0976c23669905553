"""`sjc export`: what the files hold, and one line for what cannot be."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from sjc.cli import main
from sjc.handover.closest import Closest
from sjc.handover.export import export
from sjc.handover.options import Options
from sjc.job import folder as job_folder
from sjc.output.colour import linear_to_srgb
from sjc.output.glb import read_glb, write_glb
from sjc.output.measures import is_closed, mesh_volume
from sjc.output.mesh import Mesh
from sjc.settings import resolve_job

PAGE = Path(__file__).parents[3] / "docs" / "for-scripters.md"
EXAMPLES = re.findall(
    r"^sjc export outputs/.*", PAGE.read_text("utf-8").split("### Hand a result over")[1], re.MULTILINE
)
RED, BLUE = (0.8, 0.05, 0.05), (0.05, 0.05, 0.8)


def pill():
    """A ball of radius 0.5 about (0.3, 0, 0.1), its upper half red and its lower half blue."""
    solid = trimesh.creation.icosphere(4, 0.5)
    solid.apply_translation([0.3, 0, 0.1])
    colors = np.where(solid.vertices[:, 2:] > 0.1, RED, BLUE).astype(np.float32)
    return Mesh(solid.vertices.astype(np.float32), solid.faces.astype(np.int32), colors)


@pytest.fixture
def result(tmp_path):
    """A folder as of a finished job."""
    folder = tmp_path / "pill"
    folder.mkdir()
    job_folder.write_settings(folder, resolve_job({"prompt": "a red pill", "preset": "test"}))
    write_glb(folder / job_folder.MESH, pill(), "a red pill")
    return folder


def sjc(*arguments):
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return end.code


def test_size_origin_and_faces(result, capsys):
    assert sjc("export", result, "--size", 0.2, "--faces", 200, "--lods", 2, "--format", "glb,stl") == 0
    out = result / "export"
    names = ["a-red-pill", "a-red-pill-lod1", "a-red-pill-lod2"]
    assert sorted(path.name for path in out.iterdir()) == sorted(f"{n}.{e}" for n in names for e in ("glb", "stl"))
    assert capsys.readouterr().out.splitlines()[0] == str(out / "a-red-pill.glb")
    for name, faces in zip(names, (200, 100, 50), strict=True):
        mesh = read_glb(out / f"{name}.glb")
        assert len(mesh.faces) <= faces
        assert is_closed(mesh.faces)
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        assert (high - low).max() == pytest.approx(0.2, rel=0.05)
        assert low[2] == pytest.approx(0, abs=0.01)  # fewer faces cut corners
        assert (low + high)[:2] == pytest.approx([0, 0], abs=0.01)
        millimetres = trimesh.load_mesh(out / f"{name}.stl")
        assert millimetres.volume == pytest.approx(1e9 * mesh_volume(mesh.vertices, mesh.faces), rel=1e-4)


def test_all_faces_are_the_mesh_itself(result):
    export(result, Options(size=0, origin="keep"))
    mesh, whole = read_glb(result / "export/a-red-pill.glb"), pill()
    np.testing.assert_allclose(mesh.vertices, whole.vertices, atol=1e-6)
    np.testing.assert_allclose(mesh.colors, whole.colors, atol=1e-4)
    assert (mesh.faces == whole.faces).all()


def test_few_faces_with_a_texture_show_the_dense_colours(result):
    export(result, Options(faces=60, texture=256, size=0, origin="keep"))
    mesh = read_glb(result / "export/a-red-pill.glb", keep_uv=True)
    assert len(mesh.faces) <= 60
    assert mesh.texture.picture.shape == (256, 256, 3)
    points = pill().vertices
    away = np.abs(points[:, 2] - 0.1) > 0.1  # from the border of the colours
    shown = linear_to_srgb(Closest(mesh).colors(points[away]))
    np.testing.assert_allclose(shown, linear_to_srgb(pill().colors[away]), atol=0.05)


def test_the_texture_of_a_result_stays(result):
    export(result, Options(faces=60, texture=256, size=0, origin="keep"))
    textured = result / "export/a-red-pill.glb"
    export(textured, Options(formats=("obj",), size=0, origin="keep"))
    assert (result / "export/export/a-red-pill.png").is_file()
    assert (result / "export/export/a-red-pill.mtl").is_file()


def test_the_nearest_place_and_its_distance():
    closest = Closest(pill())
    points = np.array([[0.3, 0, 2.1], [2.3, 0, 0.1]])
    assert closest.distances(points) == pytest.approx([1.5, 1.5], abs=2e-3)
    np.testing.assert_allclose(closest.colors(points[:1]), [RED], atol=1e-3)


def test_the_print_report_as_json(result, capsys):
    assert sjc("export", result, "--size", 0.05, "--format", "3mf", "--print-report", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["files"] == [str(result / "export/a-red-pill.3mf")]
    assert record["print"]["closed"] is True
    assert record["print"]["smallest_wall"] == pytest.approx(50, rel=0.02)
    assert record["print"]["volume"] == pytest.approx(4 / 3 * np.pi * 2.5**3, rel=0.02)


def test_many_and_a_sheet(result, tmp_path, capsys):
    Image.new("RGB", (64, 16), "red").save(result / job_folder.PREVIEW)
    (tmp_path / "empty").mkdir()
    assert sjc("export", result, tmp_path / "empty", "--out", tmp_path / "out", "--sheet") == 2
    out, err = capsys.readouterr()
    assert (tmp_path / "out/pill/a-red-pill.glb").is_file()
    assert str(tmp_path / "out/sheet.png") in out
    assert "empty is not a job folder" in err
    assert Image.open(tmp_path / "out/sheet.png").getpixel((8, 8))[:2] == (255, 0)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_the_documents(result, tmp_path, monkeypatch, capsys, example):
    """As they stand there, with a smaller picture."""
    (tmp_path / "outputs").mkdir()
    result.rename(tmp_path / "outputs/mushroom-7")
    Image.new("RGB", (64, 16), "red").save(tmp_path / "outputs/mushroom-7" / job_folder.PREVIEW)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(example.replace("--texture 1024", "--texture 256"), comments=True)[1:]
    assert sjc(*(path for word in words for path in (Path().glob(word) if "*" in word else [word]))) == 0
    files = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("outputs", "for-the-game"))]
    assert len(files) == (3 if "--lods" in words else 2 if {"--sheet", "stl,3mf"} & set(words) else 1)
    assert all((tmp_path / name).is_file() for name in files)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--format", "usd"], "written by Blender"),
        (["--format", "ply"], '"ply" is unknown'),
        (["--faces", 3], "faces: 3 is out of range"),
        (["--size", -1], "size: -1.0 is out of range"),
        (["--size", "nan"], "size: nan is out of range"),
        (["--lods", 99], "lods: 99 is out of range"),
        (["--texture", 7], "texture: 7 is out of range"),
    ],
)
def test_bad_words_are_one_line(result, capsys, arguments, line):
    assert sjc("export", result, *arguments) == 2
    err = capsys.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not (result / "export").exists()


def test_an_open_surface_is_named(tmp_path, capsys):
    half = pill()
    upper = half.faces[half.vertices[half.faces].max(1)[:, 2] > 0.1]
    write_glb(tmp_path / "half.glb", Mesh(half.vertices, upper, half.colors))
    assert sjc("export", tmp_path / "half.glb", "--faces", 100) == 0
    err = capsys.readouterr().err
    assert "The surface is open" in err
    assert err.count("\n") == 1


def test_what_is_there_is_not_replaced_unasked(result, capsys):
    assert sjc("export", result) == 0
    before = (result / "export/a-red-pill.glb").read_bytes()
    assert sjc("export", result, "--size", 3) == 2
    assert "exists already; add --overwrite" in capsys.readouterr().err
    assert (result / "export/a-red-pill.glb").read_bytes() == before
    assert sjc("export", result, "--size", 3, "--overwrite") == 0
    assert (result / "export/a-red-pill.glb").read_bytes() != before


def test_an_unfinished_job_and_a_broken_mesh(result, tmp_path, capsys):
    (result / job_folder.MESH).write_bytes(b"not a mesh at all, but long enough")
    assert sjc("export", result) == 2
    assert "is not a glTF 2.0 binary file" in capsys.readouterr().err
    (result / job_folder.MESH).unlink()
    assert sjc("export", result) == 2
    assert "has no mesh yet; finish it with sjc resume" in capsys.readouterr().err
    assert sjc("export", tmp_path / "nothing.glb") == 2
    assert "does not exist" in capsys.readouterr().err

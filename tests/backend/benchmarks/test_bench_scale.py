"""The benchmarks of growth and of files measure what they say, at sizes that take seconds; comparing two results."""

import json

import pytest
import torch

from benchmarks import compare, export, scale
from benchmarks.render import floor, formed_object, speeds
from sjc.errors import SjcError
from sjc.field import cameras
from sjc.field.grid import VoxelField
from sjc.field.render_reference import lattice

RAYS = tuple(x.reshape(-1, 3) for x in cameras.rays(cameras.look_at(30.0, 25.0, 3.0, 36.0), 16, 16))


def field_of(density):
    field = VoxelField(24, 4, density_shift=-20.0)
    with torch.no_grad():
        field.density.fill_(density)
    return field


def test_nothing_is_visited_in_an_empty_field():
    assert scale.visited(field_of(0.0), *RAYS, 0.04) == 0


def test_thin_fog_is_visited_everywhere():
    """Every sample of every ray: the fog is thick enough to count and too thin to stop a ray."""
    _, counts = lattice(*RAYS, 0.04)
    assert scale.visited(field_of(20.0 + torch.tensor(0.1).expm1().log().item()), *RAYS, 0.04) == counts.sum()


def test_a_wall_stops_the_ray():
    """At 460 per unit length and 0.04 a sample one sample leaves e^-18: each ray that hits visits one."""
    _, counts = lattice(*RAYS, 0.04)
    assert 1 <= scale.visited(field_of(480.0), *RAYS, 0.04) / (counts > 0).sum() <= 2


def test_the_floor_counts_what_must_be_moved_and_done():
    field = field_of(20.0 + torch.tensor(0.1).expm1().log().item())
    samples = scale.visited(field, *RAYS, field.voxel / 2)
    limits = floor(field, RAYS, {"bytes_per_s": 1e9, "operations_per_s": 1e9})
    assert limits["visited"] == samples > 0
    assert limits["memory_ms"] == pytest.approx(4 * 5 * (4 * min(samples, 24**3) + 24**3) / 1e6, abs=0.01)
    assert limits["arithmetic_ms"] == pytest.approx(samples * 300 / 1e6, abs=0.01)
    assert limits["ms"] == max(limits["memory_ms"], limits["arithmetic_ms"])
    assert min(speeds(torch.device("cpu"), 1).values()) > 1e6


def test_growth_is_told_by_visited_samples():
    record = scale.benchmark(quick=True, sizes=(scale.Size(8, 16), scale.Size(16, 16)))
    first, last = record["rows"]
    assert last["visited"] > 2.5 * first["visited"] > 0
    assert record["summary"]["visited"] == pytest.approx(last["visited"] / first["visited"], abs=0.01)
    assert "16 x 16" in scale.text(record)
    assert formed_object(16).size == 16


def test_views_channels_and_memory_grow_too(tmp_path):
    sizes = (scale.Size(16, 48), scale.Size(16, 48, views=4), scale.Size(16, 48, channels=16))
    record = scale.benchmark(quick=True, sizes=sizes)
    one, views, channels = record["rows"]
    assert 2 < views["visited"] / one["visited"] < 8
    assert channels["visited"] == one["visited"]
    assert channels["field_mib"] == pytest.approx(17 / 5 * one["field_mib"], abs=0.01)
    assert channels["peak_mib"] is None or channels["peak_mib"] > 0.9 * channels["field_mib"], "its gradient"
    assert [r["views"] for r in scale.along(record["rows"], "views")] == [1, 4]
    assert scale.along(record["rows"], "pixels") == [one]
    scale.draw(record, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").stat().st_size > 10_000


@pytest.fixture
def results(tmp_path):
    def write(name, **changed):
        record = {"benchmark": "step", "settings": {"grid": 64}, "summary": {"step_ms": 10.0, "best": "onnx"}}
        path = tmp_path / name
        path.write_text(json.dumps({**record, **changed}), "utf-8")
        return path

    return write


def test_compare_names_conditions_and_ratios(results):
    a = results("a.json")
    b = results("b.json", settings={"grid": 96}, summary={"step_ms": 25.0, "best": "torch", "new": 1})
    lines = compare.text(a, b).splitlines()
    assert any("settings.grid" in line and "64" in line and "96" in line for line in lines)
    assert any("step_ms" in line and "2.500" in line for line in lines)
    assert any("best" in line and "onnx" in line and "torch" in line for line in lines)
    assert any("new" in line and "-" in line for line in lines)
    assert "same conditions" in compare.text(a, a)


def test_compare_refuses_results_of_different_kinds(results, tmp_path):
    with pytest.raises(SjcError, match="compare two of one kind"):
        compare.text(results("a.json"), results("b.json", benchmark="job"))
    with pytest.raises(SjcError, match="does not exist"):
        compare.text(results("a.json"), tmp_path / "none.json")
    with pytest.raises(SjcError, match="no result of a benchmark"):
        (tmp_path / "c.json").write_text("[]")
        compare.text(results("a.json"), tmp_path / "c.json")


def test_files_of_a_field_are_timed():
    row = export.measure(20, 1)
    assert row["seconds"] == pytest.approx(row["volumes_s"] + row["mesh_s"], abs=0.011)
    assert row["faces"] > 300
    record = {"rows": [row], "summary": {}}
    assert "20^3" in export.text(record)
    density, color = export.field(20)
    assert 0.08 < (density > 10).mean() < 0.25  # a ball, neither a speck nor the box
    assert color.shape == (20, 20, 20, 3)

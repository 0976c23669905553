"""VDB files by the format's layout: a second, independent reading of the bytes; the real OpenVDB reads in
tests/blender.
"""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.output import files, vdb


class Reader:
    """Reads a file of version 224 node by node, as OpenVDB's Archive, Tree and LeafNode do."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, layout):
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values[0] if len(values) == 1 else values

    def raw(self, size):
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size : self.at]

    def text(self):
        return self.raw(self.take("I")).decode()

    def metadata(self):
        table = {}
        for _ in range(self.take("I")):
            key, kind, size = self.text(), self.text(), self.take("I")
            table[key] = self.raw(size).decode() if kind == "string" else {"bool": bool}[kind](self.raw(size)[0])
        return table

    def mask(self, bits):
        return np.unpackbits(np.frombuffer(self.raw(bits // 8), np.uint8), bitorder="little").astype(bool)

    def values(self, count, width, half, flags):
        assert self.raw(1) == b"\0"
        kind, size = ("<f2", 2) if half else ("<f4", 4)
        if half and not count:
            return np.zeros((0, width))
        if flags & 1:
            length = self.take("q")
            data = zlib.decompress(self.raw(length)) if length > 0 else self.raw(-length)
        else:
            data = self.raw(count * width * size)
        assert len(data) == count * width * size
        return np.frombuffer(data, kind).reshape(count, width)

    def grid(self, shape):
        name, kind, parent = self.text(), self.text(), self.text()
        start, blocks, end = self.take("qqq")
        assert (parent, start) == ("", self.at)
        half, width = kind.endswith("_HalfFloat"), 3 if "vec3s" in kind else 1
        flags, metadata = self.take("I"), self.metadata()
        assert self.text() == "UniformScaleTranslateMap"
        translation, scale, size, inverse, square, twice = (self.take("3d") for _ in range(6))
        assert scale == size
        np.testing.assert_allclose(
            [inverse, square, twice], [1 / np.array(scale), np.array(scale) ** -2, 0.5 / np.array(scale)]
        )
        assert self.take("i") == 1
        assert np.count_nonzero(self.take(f"{width}f")) == 0
        tiles, children = self.take("II")
        assert tiles == 0
        assert children <= 1
        leaves = []
        for _ in range(children):
            assert self.take("3i") == (0, 0, 0)
            for corner in self.inner(32, 128, width, half, flags):
                for leaf in self.inner(16, 8, width, half, flags):
                    leaves.append((corner + leaf, self.mask(512)))
        assert self.at == blocks
        out, active = np.zeros((*shape, width), "f4"), np.zeros(shape, bool)
        for corner, mask in leaves:
            assert (self.mask(512) == mask).all()
            cells = corner + np.stack(np.unravel_index(np.flatnonzero(mask), (8, 8, 8)), 1)
            out[tuple(cells.T)] = self.values(mask.sum(), width, half, flags)
            active[tuple(cells.T)] = True
        assert self.at == end
        return name, metadata, translation, scale[0], out, active

    def inner(self, size, step, width, half, flags):
        children, tiles = self.mask(size**3), self.mask(size**3)
        assert not tiles.any()
        self.values(0, width, half, flags)
        return np.stack(np.unravel_index(np.flatnonzero(children), (size,) * 3), 1) * step


def read(path, shape):
    reader = Reader(path.read_bytes())
    assert reader.raw(8) == b" BDV\0\0\0\0"
    assert reader.take("I") == 224
    assert reader.take("II?")[2] is True
    assert len(reader.raw(36).decode().split("-")) == 5
    assert reader.metadata() == {"creator": "sjc_blender"}
    grids = [reader.grid(shape) for _ in range(reader.take("I"))]
    assert reader.at == len(reader.data)
    return {grid[0]: grid[1:] for grid in grids}


@given(
    shape=st.tuples(*[st.sampled_from([1, 7, 8, 9, 17])] * 3),
    share=st.sampled_from([0, 0.01, 0.5, 1]),
    half=st.booleans(),
    compress=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_block_comes_back(tmp_path_factory, shape, share, half, compress, seed):
    rng = np.random.default_rng(seed)
    density = rng.exponential(10, shape).astype("f4") * (rng.random(shape) < share)
    color = rng.random((*shape, 3), "f4")
    bounds = np.array([[-2, 0, 5], np.array([-2, 0, 5]) + 0.25 * np.array(shape)])
    path = tmp_path_factory.mktemp("vdb") / "a.vdb"
    vdb.write_vdb(path, density, color, bounds=bounds, half=half, compress=compress)
    grids = read(path, tuple(-(-n // 8) * 8 for n in shape))
    there = density > vdb.INVISIBLE
    inside = tuple(slice(n) for n in shape)
    for name, values in (("density", density[..., None]), ("color", color)):
        metadata, translation, scale, out, active = grids[name]
        rounded = values.astype("f2" if half else "f4").astype("f4")
        np.testing.assert_array_equal(out[inside], np.where(there[..., None], rounded, 0))
        np.testing.assert_array_equal(active[inside], there)
        assert active.sum() == there.sum(), "nothing outside the block"
        assert metadata["name"] == name
        assert metadata["is_saved_as_half_float"] is half
        np.testing.assert_allclose(translation, [-1.875, 0.125, 5.125])
        assert scale == pytest.approx(0.25)
    assert grids["density"][0]["class"] == "fog volume"


@pytest.mark.parametrize("n", [129, 256])
def test_more_than_one_inner_node(tmp_path, n):
    density = np.zeros((n, n, n), "f4")
    places = np.random.default_rng(0).integers(0, n, (200, 3))
    density[tuple(places.T)] = 1 + np.arange(200)
    vdb.write_vdb(tmp_path / "a.vdb", density, np.repeat(density[..., None], 3, -1))
    out = read(tmp_path / "a.vdb", (-(-n // 8) * 8,) * 3)
    np.testing.assert_array_equal(out["density"][3][:n, :n, :n, 0], density)
    np.testing.assert_array_equal(out["color"][3][:n, :n, :n, 2], density)


def test_what_is_invisible_costs_nothing(tmp_path):
    """A ball in thin air: voxels below the threshold are not stored, in either grid."""
    n = 64
    centers = (np.arange(n) + 0.5) * 2 / n - 1
    distance = np.linalg.norm(np.stack(np.meshgrid(centers, centers, centers, indexing="ij"), -1), axis=-1)
    density = np.where(distance < 0.5, 50.0, 1e-5).astype("f4")
    color = np.random.default_rng(0).random((n, n, n, 3), "f4")
    vdb.write_vdb(tmp_path / "a.vdb", density, color, compress=False)
    assert (tmp_path / "a.vdb").stat().st_size < 0.15 * (density.nbytes + color.nbytes)
    assert read(tmp_path / "a.vdb", (n, n, n))["color"][4].sum() == (distance < 0.5).sum()


@pytest.mark.parametrize("n", [10, 9])
def test_coarser_blocks_are_means_where_they_were(tmp_path, n):
    """Density by volume, colour by density; the voxels of both grids start at the box's corner."""
    rng = np.random.default_rng(n)
    density, color = rng.random((n, n, n)), rng.random((n, n, n, 3))
    density[:4, :4, :4] = 0
    vdb.write_vdb(tmp_path / "a.vdb", density, color, coarser=(2, 4))
    grids = read(tmp_path / "a.vdb", (8, 8, 8))
    for name, step in (("density", 2), ("color", 4)):
        _, translation, scale, out, active = grids[name]
        assert scale == pytest.approx(step * 2 / n)
        np.testing.assert_allclose(translation, -1 + scale / 2)
        size = -(-n // step)
        assert active.sum() == size**3 - (4 // step) ** 3, "blocks of nothing are not stored"
        for at in ((1, 1, 1), (size - 1, 1, 0)):
            block = tuple(slice(step * i, step * (i + 1)) for i in at)
            mass = density[block].sum()
            tint = (color[block] * density[block][..., None]).sum((0, 1, 2)) / max(mass, 1e-12)
            np.testing.assert_allclose(out[at], mass / step**3 if name == "density" else tint, rtol=1e-5)


@pytest.mark.parametrize(("n", "sizes"), [(64, (64, 64)), (100, (100, 50)), (200, (100, 50)), (257, (86, 52))])
def test_a_live_volume_has_so_many_voxels_at_most(tmp_path, n, sizes):
    density = np.zeros((n, n, n), "f4")
    density[-1, 0, 0] = 800
    vdb.write_live_vdb(tmp_path / "a.vdb", density, np.full((n, n, n, 3), 0.25, "f4"))
    grids = read(tmp_path / "a.vdb", (128,) * 3)
    for name, size in zip(("density", "color"), sizes, strict=True):
        _, _, scale, out, active = grids[name]
        assert np.argwhere(active).tolist() == [[size - 1, 0, 0]], "the last block"
        step = round(scale * n / 2)
        assert out[size - 1, 0, 0, 0] == pytest.approx(800 / step**3 if name == "density" else 0.25, rel=1e-3)


def test_nan_is_left_out(tmp_path):
    density = np.full((8, 8, 8), np.nan, "f4")
    density[1, 2, 3] = 4
    vdb.write_vdb(tmp_path / "a.vdb", density, np.zeros((8, 8, 8, 3)))
    assert read(tmp_path / "a.vdb", (8, 8, 8))["density"][4].sum() == 1


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def failing(self, data):
        with self.open("wb") as stream:
            stream.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", failing)
    with pytest.raises(SjcError, match="disk is full"):
        vdb.write_vdb(tmp_path / "a.vdb", np.ones((8, 8, 8)), np.ones((8, 8, 8, 3)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("density", "color", "options", "message"),
    [
        (np.ones((8, 8)), np.ones((8, 8, 3)), {}, "are needed"),
        (np.ones((8, 8, 8)), np.ones((8, 8, 8)), {}, "are needed"),
        (np.ones((8, 8, 8)), np.ones((8, 8, 8, 3)), {"bounds": [[0, 0, 0], [1, 1, 2]]}, "must be cubes"),
    ],
)
def test_wrong_shapes_are_refused(tmp_path, density, color, options, message):
    with pytest.raises(ValueError, match=message):
        vdb.write_vdb(tmp_path / "a.vdb", density, color, **options)
    assert list(tmp_path.iterdir()) == []

"""Pictures are what they say: sizes, places, colours of the parts, a film that a decoder plays."""

import errno
import os

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from sjc.errors import SjcError
from sjc.output import pictures


def plain(color, size=(32, 24)):
    return np.full((*size, 3), color, np.uint8)


def decoded(path):
    reader = imageio_ffmpeg.read_frames(str(path))
    about = next(reader)
    width, height = about["size"]
    return about, [np.frombuffer(frame, np.uint8).reshape(height, width, 3) for frame in reader]


# ---------------------------------------------------------------------------------------------------------------- sheet
def test_contact_sheet_shows_every_view_and_its_depth(tmp_path):
    colors = [(30 * view, 200, 255 - 30 * view) for view in range(8)]
    depths = np.full((8, 32, 24), 1.0)
    depths[:, 16:] = 3.0
    opacities = np.ones_like(depths)
    opacities[:, :, :12] = 0
    pictures.contact_sheet([plain(color) for color in colors], depths, tmp_path / "preview.png", opacities=opacities)
    sheet = np.asarray(Image.open(tmp_path / "preview.png"))
    step, top, below = 24 + pictures.MARGIN, pictures.LABEL, pictures.LABEL + 32 + pictures.MARGIN
    assert sheet.shape == (pictures.LABEL + 2 * (32 + pictures.MARGIN), pictures.MARGIN + 8 * step, 3)
    for view, color in enumerate(colors):
        left = pictures.MARGIN + view * step
        assert (sheet[top : top + 32, left : left + 24] == color).all()
        depth = sheet[below : below + 32, left : left + 24]
        assert (depth[:, :12] == pictures.PAPER).all()
        assert depth[4, 20].sum() > depth[28, 20].sum() + 200, "near is bright, far is dark"
        assert (sheet[: pictures.LABEL, left : left + 24] < 180).any(), "its azimuth stands above"


def test_contact_sheet_of_emptiness_has_an_empty_depth_row(tmp_path):
    depths = np.full((2, 32, 24), np.nan)
    pictures.contact_sheet([plain(9), plain(9)], depths, tmp_path / "preview.png")
    sheet = np.asarray(Image.open(tmp_path / "preview.png"))
    assert (sheet[pictures.LABEL + 32 + pictures.MARGIN :] == pictures.PAPER[0]).all()


def test_contact_sheet_refuses_shapes_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="are needed"):
        pictures.contact_sheet([plain(0)], np.zeros((1, 8, 8)), tmp_path / "preview.png")


# ---------------------------------------------------------------------------------------------------------------- film
@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_turntable_plays(tmp_path, size):
    frames = [plain((20 * i, 100, 200), size) for i in range(10)]
    pictures.turntable(iter(frames), tmp_path / "turntable.mp4", fps=10)
    about, film = decoded(tmp_path / "turntable.mp4")
    assert about["codec"] == "h264"
    assert about["pix_fmt"].startswith("yuv420p")
    assert about["fps"] == 10
    assert about["size"] == (48, 32)
    assert len(film) == 10
    for frame, shown in zip(frames, film, strict=True):
        assert np.abs(frame[0, 0].astype(int) - shown.mean((0, 1))).max() < 8
    assert [path.name for path in tmp_path.iterdir()] == ["turntable.mp4"]


def test_an_interrupted_turntable_leaves_nothing(tmp_path):
    def frames():
        yield plain(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pictures.turntable(frames(), tmp_path / "turntable.mp4")
    assert list(tmp_path.iterdir()) == []


def test_turntable_refuses_no_frames_and_changing_sizes(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        pictures.turntable([], tmp_path / "turntable.mp4")
    with pytest.raises(ValueError, match="all frames"):
        pictures.turntable([plain(0), plain(0, (8, 8))], tmp_path / "turntable.mp4")
    assert list(tmp_path.iterdir()) == []


def test_a_film_cut_short_does_not_take_the_name(tmp_path, monkeypatch):
    monkeypatch.setattr(imageio_ffmpeg, "count_frames_and_secs", lambda _: (1, 0.1))
    with pytest.raises(SjcError, match="ffmpeg stopped early"):
        pictures.turntable([plain(0), plain(9)], tmp_path / "turntable.mp4")
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------------------------------------------- curves
def test_curves_draw_every_series(tmp_path):
    steps = np.arange(0, 4000, 10)
    history = {"step": steps, "sigma": 50 * 0.99**steps, "emptiness": np.where(steps < 99, np.nan, 1 / (steps + 1))}
    pictures.curves(history, tmp_path / "curves.png", title="a red mushroom")
    two = np.asarray(Image.open(tmp_path / "curves.png").convert("L"))
    pictures.curves({"step": steps, "sigma": steps * 1.0}, tmp_path / "one.png")
    one = np.asarray(Image.open(tmp_path / "one.png").convert("L"))
    assert two.shape[1] > 1.6 * one.shape[1]
    half = two.shape[1] // 2
    assert (two[:, :half] < 120).sum() > 500
    assert (two[:, half:] < 120).sum() > 500


def test_curves_of_nothing_are_still_a_picture(tmp_path):
    pictures.curves({}, tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size[0] > 100


def test_smoothing_keeps_a_line_and_skips_gaps():
    line = np.arange(50.0)
    line[10] = np.nan
    assert pictures._smooth(line, 3)[20:40] == pytest.approx(line[20:40])
    assert np.isfinite(pictures._smooth(line, 3)).all()


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(SjcError, match="disk is full"):
        pictures.contact_sheet([plain(0)], np.zeros((1, 32, 24)), tmp_path / "preview.png")
    assert list(tmp_path.iterdir()) == []

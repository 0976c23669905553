"""Pictures of a result: contact sheet, turntable film, loss curves."""

from __future__ import annotations

import io
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError
from .files import replacing, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = NDArray[np.uint8]

MARGIN = 8
LABEL = 22
PAPER, INK = (250, 250, 250), (70, 70, 70)


def contact_sheet(
    images: Sequence[Picture] | Picture,
    depths: NDArray[np.floating],
    path: str | os.PathLike[str],
    azimuths: Sequence[float] | None = None,
    opacities: NDArray[np.floating] | None = None,
) -> None:
    """Write preview.png: a row of views [V, H, W, 3] u8, a row of their depths [V, H, W] below, azimuths above.

    Depth is coloured near = bright to far = dark over the range that all views share; where `opacities` [V, H, W] (or,
    without them, an infinite or NaN depth) says that nothing stands there, the paper shows. `azimuths` in degrees
    default to an even turn from the front.
    """
    pictures, depth = np.asarray(images), np.asarray(depths, np.float64)
    if pictures.ndim != 4 or pictures.shape[-1] != 3 or depth.shape != pictures.shape[:3]:
        raise ValueError(f"images [V,H,W,3] and depths [V,H,W] are needed, not {pictures.shape} and {depth.shape}")
    views, height, width = depth.shape
    if azimuths is None:
        azimuths = [360 * view / views for view in range(views)]
    rows = [pictures.astype(np.uint8), _colored_depth(depth, None if opacities is None else opacities > 0.5)]
    sheet = np.full((LABEL + 2 * (height + MARGIN), MARGIN + views * (width + MARGIN), 3), PAPER, np.uint8)
    for view in range(views):
        left = MARGIN + view * (width + MARGIN)
        for row, strip in enumerate(rows):
            top = LABEL + row * (height + MARGIN)
            sheet[top : top + height, left : left + width] = strip[view]

    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(sheet)
    pen = ImageDraw.Draw(picture)
    for view, azimuth in enumerate(azimuths):
        middle = MARGIN + view * (width + MARGIN) + width / 2
        pen.text((middle, LABEL / 2), f"{azimuth:.0f}°", fill=INK, font=ImageFont.load_default(13), anchor="mm")
    with replacing(path) as temporary:
        picture.save(temporary)


def write_png(path: str | os.PathLike[str], picture: Picture) -> None:
    """One picture [H,W,3] u8."""
    from PIL import Image

    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary)


def png_bytes(picture: Picture) -> bytes:
    """One picture [H,W,3] u8 as a PNG file's bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()


def read_picture(data: bytes) -> Picture:
    """[H,W,3] u8 of a PNG or JPEG file's bytes. Raises SjcError for anything else."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError) as error:
        raise SjcError("The picture in this file is damaged: it cannot be read.") from error


def _colored_depth(depth: NDArray[np.floating], there: NDArray[np.bool_] | None) -> Picture:
    """[V, H, W] -> [V, H, W, 3]: matplotlib's "magma", near bright, on paper where nothing is there."""
    from matplotlib import colormaps

    there = np.isfinite(depth) if there is None else there & np.isfinite(depth)
    if not there.any():
        return np.broadcast_to(np.array(PAPER, np.uint8), (*depth.shape, 3)).copy()
    near, far = np.percentile(depth[there], [1, 99])
    closeness = (far - np.where(there, depth, far)) / max(far - near, 1e-9)
    colored = (colormaps["magma"](0.1 + 0.85 * closeness.clip(0, 1))[..., :3] * 255 + 0.5).astype(np.uint8)
    return np.where(there[..., None], colored, np.array(PAPER, np.uint8))


def turntable(frames: Iterable[Picture], path: str | os.PathLike[str], fps: int = 30) -> None:
    """Write frames [H, W, 3] u8, taken as they come, as an H.264 film (mp4) that every browser and Blender play.

    H.264 in yuv420p needs even sizes: an odd last row or column is doubled. The ffmpeg that comes with imageio-ffmpeg
    does the work.
    """
    import imageio_ffmpeg

    stream = iter(frames)
    first = next(stream, None)
    if first is None:
        raise ValueError("a turntable needs at least one frame")
    height, width = first.shape[:2]
    size = (width + width % 2, height + height % 2)
    with replacing(path) as temporary:
        writer = imageio_ffmpeg.write_frames(
            str(temporary),
            size,
            fps=fps,
            codec="libx264",
            pix_fmt_out="yuv420p",
            macro_block_size=2,
            output_params=["-crf", "18", "-movflags", "+faststart"],
            ffmpeg_log_level="error",
        )
        sent = 0
        try:
            writer.send(None)
            for frame in itertools.chain([first], stream):
                if frame.shape != (height, width, 3):
                    raise ValueError(f"all frames must be {(height, width, 3)}, not {frame.shape}")
                padded = np.pad(frame, ((0, size[1] - height), (0, size[0] - width), (0, 0)), mode="edge")
                writer.send(np.ascontiguousarray(padded, np.uint8))
                sent += 1
        finally:
            writer.close()
        # ffmpeg may die of a full disk without a word to the writer: only a film with all its frames takes the name.
        if not temporary.exists() or imageio_ffmpeg.count_frames_and_secs(str(temporary))[0] != sent:
            raise SjcError(f"{path} could not be written: ffmpeg stopped early. Is the disk full?")


def curves(history: Mapping[str, Sequence[float]], path: str | os.PathLike[str], title: str = "") -> None:
    """Write curves.png: every series of `history` over history["step"] (or its index), each in a small plot of its own.

    NaN leaves a gap. Positive series that span more than a factor of 100 get a logarithmic axis.
    """
    series = {
        name: np.asarray(values, np.float64) for name, values in history.items() if name != "step" and len(values)
    }
    figure = _figure(max(len(series), 1))
    for axes, (name, values) in zip(figure.axes, series.items(), strict=False):
        steps = np.asarray(history.get("step", range(len(values))))[-len(values) :]
        axes.plot(steps, values, linewidth=1, color="#b0b8c8" if len(values) > 100 else "#2b5fb4")
        if len(values) > 100:
            axes.plot(steps, _smooth(values, len(values) // 50), linewidth=1.6, color="#2b5fb4")
        finite = values[np.isfinite(values)]
        if len(finite) and finite.min() > 0 and finite.max() > 100 * finite.min():
            axes.set_yscale("log")
        axes.set_title(name, loc="left", fontsize=10)
    figure.supxlabel("step", fontsize=10)
    if title:
        figure.suptitle(title, fontsize=11)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())


def _figure(plots: int) -> Figure:
    """A figure with `plots` tidy axes, two a row. Not by pyplot: no global state, no window, safe in any thread."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(plots, 2)
    rows = -(-plots // columns)
    width, height = 4.6 * columns + 0.6, 2.2 * rows + 0.6  # inches, as the margins
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    # Margins of known width: matplotlib's own layouts draw everything once more to find them.
    figure.subplots_adjust(
        left=0.75 / width, right=1 - 0.15 / width, bottom=0.55 / height, top=1 - 0.6 / height, wspace=0.22, hspace=0.4
    )
    for index in range(plots):
        axes: Any = figure.add_subplot(rows, columns, index + 1)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure


def _smooth(values: NDArray[np.floating], half_width: int) -> NDArray[np.floating]:
    """Moving mean over 2 * half_width + 1 values, fewer at the ends; NaN does not count."""
    known = np.isfinite(values)
    window = np.ones(2 * half_width + 1)
    total = np.convolve(np.where(known, values, 0), window, mode="same")
    count = np.convolve(known.astype(float), window, mode="same")
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)

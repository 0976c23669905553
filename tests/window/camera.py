"""Pictures of a desk's screen: whole or in part, small on the disk, and several in a row as an animation."""

import shutil
import subprocess
from dataclasses import dataclass

import PIL.Image
import PIL.ImageChops

from tests.window.desk import PATIENCE

COLORS = 256  # of a still picture's palette
NOISE = 12  # levels by which a void may differ from itself: lit ones are dithered
FRAME, TABS = 6, 36  # pixels of a sidebar that are its frame, and its tabs


@dataclass(frozen=True)
class Frame:
    """One picture of an animation and how long it stands, in milliseconds."""

    image: PIL.Image.Image
    milliseconds: int


def grab(desk):
    """The whole screen as it is now, an RGB picture; Blender's own screenshots are black in software."""
    shot = desk.home / "shot.ppm"
    subprocess.run(
        ["chroot", desk.system, "import", "-window", "root", desk.here / shot.name],
        env=desk.environment, capture_output=True, timeout=PATIENCE, check=True,
    )  # fmt: skip
    with PIL.Image.open(shot) as image:
        return image.convert("RGB")


def sidebar(desk):
    """(left, top, right, bottom) of the viewport's sidebar, its tabs included."""
    left, top, width, height = desk.ask("result = region_of('VIEW_3D')")["box"]
    return left, top, left + width, top + height


def rows(image, box, margin=8):
    """The box, cut below its last row that differs from those at its foot: a panel without the void under it.

    The region's frame and the tabs at its right, which end elsewhere, are not looked at.
    """
    left, top, right, bottom = box
    part = image.crop((left + FRAME, top, right - TABS, bottom - FRAME))
    void = part.crop((0, part.height - 1, part.width, part.height)).resize(part.size)
    differs = PIL.ImageChops.difference(part, void).convert("L").point(lambda level: 255 if level > NOISE else 0)
    panel = differs.getbbox()
    height = panel[3] if panel else part.height
    return left, top, right, min(bottom, top + height + margin)


def save(image, path):
    """Write a PNG with a palette, whole or not at all."""
    partial = path.with_suffix(".partial.png")
    image.quantize(COLORS, method=PIL.Image.Quantize.MEDIANCUT, dither=PIL.Image.Dither.NONE).save(
        partial, optimize=True
    )
    shutil.move(partial, path)
    return path


def save_animation(frames, path, quality):
    """Write an animated WebP that begins again after its end, whole or not at all."""
    partial = path.with_suffix(".partial.webp")
    first, *others = (frame.image for frame in frames)
    first.save(
        partial, save_all=True, append_images=others, duration=[frame.milliseconds for frame in frames], loop=0,
        quality=quality, method=6, allow_mixed=True,
    )  # fmt: skip
    shutil.move(partial, path)
    return path

"""Pictures of a desk's screen: whole or in part, small on the disk, and several in a row as an animation."""

import shutil
import subprocess
from dataclasses import dataclass

import PIL.Image

from tests.window.desk import PATIENCE

COLORS = 256  # of a still picture's palette


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
    """(left, top, right, bottom) of the viewport's sidebar, without the tabs at its right edge."""
    left, top, width, height = desk.ask("result = place('VIEW_3D')")["box"]
    return left, top, left + width, top + height


def rows(image, box, margin=6):
    """The box, cut below the last row of pixels that differs from the one at its foot: a panel without the void under it."""
    part = image.crop(box)
    foot = part.crop((0, part.height - 1, part.width, part.height)).tobytes()
    bottom = part.height
    while bottom > 1 and part.crop((0, bottom - 1, part.width, bottom)).tobytes() == foot:
        bottom -= 1
    return box[0], box[1], box[2], min(box[3], box[1] + bottom + margin)


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

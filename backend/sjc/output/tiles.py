"""A sheet with a small picture of each of many results, and their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .files import replacing

if TYPE_CHECKING:
    from PIL import Image

TILE, LABEL, GAP = 160, 14, 6  # pixels
MOST_COLUMNS = 40


def write_sheet(path: Path, previews: Iterable[tuple[str, Path]]) -> bool:
    """Write the sheet of previews, each with its name; False, and no file, where there is no preview yet."""
    from PIL import Image, ImageDraw

    pictures = [(name, tile) for name, preview in previews if (tile := _tile(preview)) is not None]
    if not pictures:
        return False
    columns = min(MOST_COLUMNS, max(1, round((len(pictures) * 1.2) ** 0.5)))
    lines = -(-len(pictures) // columns)
    width, height = TILE + GAP, TILE + LABEL + GAP
    sheet = Image.new("RGB", (columns * width + GAP, lines * height + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, tile) in enumerate(pictures):
        x, y = GAP + index % columns * width, GAP + index // columns * height
        sheet.paste(tile, (x, y))
        draw.text((x, y + TILE), name.encode("ascii", "replace").decode()[:26], fill="black")
    with replacing(path) as temporary:
        sheet.save(temporary)
    return True


def _tile(path: Path) -> Image.Image | None:
    """The first view of a preview, which shows several beside each other; None where there is none."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            side = min(picture.size)
            height = side // 2 if picture.width > 2 * picture.height else side  # colours above, depths below
            tile = picture.convert("RGB").crop((0, 0, height, height))
            tile.thumbnail((TILE, TILE))
            return tile
    except (OSError, ValueError, Image.DecompressionBombError):
        return None

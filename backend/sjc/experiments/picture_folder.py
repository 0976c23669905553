"""A person's own pictures as the data of an experiment, for models that were trained on such."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SjcError
from .pictures import PictureSource

if TYPE_CHECKING:
    from torch import Tensor

KINDS = (".png", ".jpg", ".jpeg", ".webp")


def folder_source(folder: Path) -> PictureSource:
    """The pictures of a folder and its folders, cut to their middle square; a seed draws which, none twice.

    Its name holds a digest of names and sizes, so that other pictures are measured anew. Raises SjcError for a folder
    without pictures, and when more are drawn than it holds.
    """
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in KINDS and p.is_file())
    if not paths:
        raise SjcError(f"pictures: {folder} holds none; give a folder of {', '.join(KINDS)} files.")
    listing = "".join(f"{path.relative_to(folder).as_posix()} {path.stat().st_size}\n" for path in paths)
    name = re.sub(r"[^\w.-]", "-", folder.resolve().name)

    def draw(count: int, size: int, seed: int) -> Tensor:
        import torch

        if count > len(paths):
            raise SjcError(f"pictures: {folder} holds {len(paths)}, {count} are needed; add some.")
        order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(seed))
        return torch.stack([_read(paths[int(i)], size) for i in order[:count]])

    return PictureSource(f"{name}-{hashlib.sha256(listing.encode()).hexdigest()[:8]}", draw)


def _read(path: Path, size: int) -> Tensor:
    """One picture [3, size, size] in [-1, 1]."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            fitted = ImageOps.fit(opened.convert("RGB"), (size, size), Image.Resampling.LANCZOS)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise SjcError(f"pictures: {path} cannot be read as a picture; take it out of the folder.") from error
    return torch.from_numpy(np.asarray(fitted).copy()).permute(2, 0, 1).float() / 127.5 - 1

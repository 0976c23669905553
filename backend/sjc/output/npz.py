"""A field as a NumPy archive: density, colour, bounds, latents and a line of JSON about them.  No pickle."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import foreign
from ..errors import SjcError
from . import field_archive
from .files import replacing

FIELD_VERSION = 1
UNIT_BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)


@dataclass(frozen=True)
class FieldArrays:
    """One field as the files hold it, in the engine's frame (z up, arrays [x, y, z], cell-centred).

    density [N, N, N] f4, activated, per unit length; color [N, N, N, 3] scene-linear Rec.709, f4 or f2; bounds [2, 3]
    f4, the outer faces of the box; meta, JSON; latent [N, N, N, C] where the model works in one.
    """

    density: NDArray[np.float32]
    color: NDArray[np.floating]
    bounds: NDArray[np.float32] = field(default_factory=UNIT_BOX.copy)
    meta: dict[str, Any] = field(default_factory=dict)
    latent: NDArray[np.floating] | None = None


def _check_shapes(arrays: FieldArrays, path: str | os.PathLike[str]) -> None:
    density, color, latent = arrays.density, arrays.color, arrays.latent
    wrong = (
        density.ndim != 3
        or color.shape != (*density.shape, 3)
        or np.shape(arrays.bounds) != (2, 3)
        or (latent is not None and (latent.ndim != 4 or latent.shape[:3] != density.shape))
    )
    if wrong:
        shapes = f"density {density.shape}, color {color.shape}, bounds {np.shape(arrays.bounds)}"
        raise SjcError(f"{path}: a field needs density [N,N,N], color [N,N,N,3] and bounds [2,3]; this has {shapes}.")


def write_npz(
    path: str | os.PathLike[str],
    density: NDArray[np.floating],
    color: NDArray[np.floating],
    *,
    bounds: NDArray[np.floating] = UNIT_BOX,
    meta: dict[str, Any] | None = None,
    latent: NDArray[np.floating] | None = None,
    half: bool = False,
    compress: bool = True,
) -> None:
    """Write one field. `half` stores color and latent as float16 (for previews); density is float32 always."""
    small = np.float16 if half else np.float32
    arrays = FieldArrays(
        density=np.asarray(density, np.float32),
        color=np.asarray(color, small),
        bounds=np.asarray(bounds, np.float32),
        meta={"version": FIELD_VERSION, **(meta or {})},
        latent=None if latent is None else np.asarray(latent, small),
    )
    _check_shapes(arrays, path)
    table: dict[str, NDArray[Any]] = {
        "density": arrays.density,
        "color": arrays.color,
        "bounds": arrays.bounds,
        "meta": np.array(json.dumps(arrays.meta, ensure_ascii=False, allow_nan=False)),
    }
    if arrays.latent is not None:
        table["latent"] = arrays.latent
    with replacing(path) as temporary, temporary.open("wb") as stream:
        (np.savez_compressed if compress else np.savez)(stream, allow_pickle=False, **table)


def read_npz(path: str | os.PathLike[str]) -> FieldArrays:
    """Read one field. A missing, broken or foreign file, or one that holds objects, raises SjcError."""
    with field_archive.opened(path) as archive:
        field_archive.check_sizes(archive)
        arrays = FieldArrays(
            density=_array(archive, "density").astype(np.float32, copy=False),
            color=_array(archive, "color"),
            bounds=_array(archive, "bounds").astype(np.float32, copy=False),
            meta=field_archive.meta(archive),
            latent=_array(archive, "latent") if "latent.npy" in archive.namelist() else None,
        )
    _check_shapes(arrays, path)
    record = foreign.Record(arrays.meta, f"{path}: meta")
    record.whole("step", 0, foreign.MOST_STEPS, 0)
    version = record.whole("version", 0, 10**6, 0)
    if version > FIELD_VERSION:
        raise SjcError(f"{path} was written by a newer version of this program (field version {version}).")
    return arrays


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array. Raises KeyError without it, ValueError for a damaged one."""
    with archive.open(f"{name}.npy") as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array

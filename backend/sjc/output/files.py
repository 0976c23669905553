"""The job folder's files: whole or not there.

Everything is written to a temporary name in the same folder and renamed, so a reader (Blender's live preview, a resumed
job, a cluster's collector) never meets half a file. No pickle is written or read.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SjcError

FIELD_VERSION = 1
UNIT_BOX = np.array([[-1, -1, -1], [1, 1, 1]], np.float32)
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas here
_SNAPSHOT = re.compile(r"f_(\d{4,})\.npz")


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a temporary path beside `path`; when the block ends well it takes `path`'s place, else it is removed.

    The temporary name keeps the extension, because writers choose their format by it. A full disk, a missing right or
    a folder that cannot be made raise SjcError; what stood at `path` before stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}~{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        if error.errno in _FULL:
            raise SjcError(f"The disk is full: {path} was not written. Free some space and resume the job.") from error
        reason = error.strerror or str(error)
        raise SjcError(f"{path} could not be written: {reason}. Choose another output folder.") from error
    except BaseException:
        _remove(temporary)
        raise


def _replace(temporary: Path, path: Path, tries: int = 10) -> None:
    """os.replace. Windows refuses while another program reads the target, as Blender's preview does for a moment."""
    for attempt in range(tries):
        try:
            os.replace(temporary, path)
            return
        except PermissionError:
            if os.name != "nt" or attempt == tries - 1:
                raise
            time.sleep(0.1)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` whole."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` as indented UTF-8 JSON. NaN and infinity raise ValueError: JSON has no such numbers."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON; a missing or broken file raises SjcError."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SjcError(f"{path} is missing: this is not a whole job folder.") from error
    except (ValueError, OSError) as error:
        raise SjcError(f"{path} cannot be read as JSON ({error}).") from error


# ----------------------------------------------------------------------------------------------------------------- npz
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
    try:
        with np.load(path, allow_pickle=False) as table:
            arrays = FieldArrays(
                density=table["density"].astype(np.float32, copy=False),
                color=table["color"],
                bounds=table["bounds"].astype(np.float32, copy=False),
                meta=json.loads(table["meta"].item()),
                latent=table.get("latent"),
            )
    except FileNotFoundError as error:
        raise SjcError(f"{path} does not exist.") from error
    except KeyError as error:
        raise SjcError(f"{path} is no field of this program: {error.args[0]}") from error
    except (ValueError, TypeError, AttributeError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise SjcError(f"{path} cannot be read as a field ({error}).") from error
    _check_shapes(arrays, path)
    version = arrays.meta.get("version", 0)
    if version > FIELD_VERSION:
        raise SjcError(f"{path} was written by a newer version of this program (field version {version}).")
    return arrays


# ----------------------------------------------------------------------------------------------------------- snapshots
def snapshot_stem(number: int) -> str:
    """1 -> "f_0001". Blender's volume sequences look for numbers without gaps, from 1 on."""
    return f"f_{number:04d}"


def snapshots(folder: str | os.PathLike[str]) -> list[Path]:
    """The snapshots' npz files in `folder`, in order: f_0001, f_0002, ... up to the first gap."""
    folder = Path(folder)
    if not folder.is_dir():
        return []
    numbers = {int(match[1]) for file in folder.iterdir() if (match := _SNAPSHOT.fullmatch(file.name))}
    whole: list[Path] = []
    while len(whole) + 1 in numbers:
        whole.append(folder / f"{snapshot_stem(len(whole) + 1)}.npz")
    return whole


def next_snapshot(folder: str | os.PathLike[str]) -> int:
    """The number that the next snapshot takes. The npz counts: write f_NNNN.vdb first and f_NNNN.npz last."""
    return len(snapshots(folder)) + 1


# ------------------------------------------------------------------------------------------------------------- pointer
POINTER_VERSION = 1
POINTER_FILES = {
    "job": "job.json",
    "run": "run.json",
    "field": "field.npz",
    "volume": "field.vdb",
    "mesh": "mesh.glb",
    "preview": "preview.png",
    "turntable": "turntable.mp4",
    "curves": "curves.png",
    "snapshots": "snapshots",
}


def write_pointer(folder: str | os.PathLike[str], name: str, prompt: str) -> Path:
    """Write NAME.sjc, the small JSON that Blender's file handler opens; it names the files that exist. -> its path.

    Names are relative to the pointer: the folder may be moved or copied whole.
    """
    folder = Path(folder)
    path = folder / f"{name}.sjc"
    there = {key: file for key, file in POINTER_FILES.items() if (folder / file).exists()}
    write_json(path, {"sjc": POINTER_VERSION, "prompt": prompt, "files": there})
    return path


def read_pointer(path: str | os.PathLike[str]) -> dict[str, Any]:
    """{"sjc", "prompt", "files": {kind: absolute Path}} of a NAME.sjc file.

    A file name that leaves the pointer's folder raises SjcError: a pointer may come from a stranger.
    """
    path = Path(path)
    value = read_json(path)
    if not isinstance(value, dict) or not isinstance(value.get("sjc"), int) or not isinstance(value.get("files"), dict):
        raise SjcError(f"{path} is no .sjc file of this program.")
    if value["sjc"] > POINTER_VERSION:
        raise SjcError(f"{path} was written by a newer version of this program.")
    folder = path.parent.resolve()
    files: dict[str, Path] = {}
    for kind, name in value["files"].items():
        target = (folder / str(name)).resolve()
        if not target.is_relative_to(folder):
            raise SjcError(f"{path} names a file outside its folder: {name}")
        files[str(kind)] = target
    return {"sjc": value["sjc"], "prompt": str(value.get("prompt", "")), "files": files}

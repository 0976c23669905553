"""What a job is given in Blender: settings by name, and objects and pictures of the scene that become its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import live, places, user_preferences
from .backend.sjc.errors import SjcError
from .backend.sjc.job.folder import MESH
from .backend.sjc.job.inputs import INPUTS
from .backend.sjc.job.placement import Placement
from .backend.sjc.picture_text import joined
from .backend.sjc.settings import Settings, resolve_job

if TYPE_CHECKING:
    from .scene.blockout import Scan

Picture = tuple[Any, Any]
"""A reference picture: a file or an image data-block, and its view: a name, two angles in degrees, a camera object."""


@dataclass(frozen=True)
class Given:
    """Settings, which name the files of the scene as those of `folder`, and what writes these files in a thread.

    prepare: None where there is nothing to write. stands: where the result will stand, None for where the caller says.
    """

    settings: Settings
    folder: Path
    prepare: Callable[[], None] | None
    stands: Placement | None


def read(
    settings: Mapping[str, Any],
    start: str | Path | Iterable[Any],
    keep: str | Path | Any,
    pictures: Iterable[Picture],
    location: tuple[float, float, float] | None,
    folder_of: Callable[[Settings], Path],
) -> Given:
    """Read the scene's objects and save its images. Raises SjcError for what cannot be used.

    start, keep, pictures, location: as of `api.generate`. folder_of: the folder for these settings.
    """
    from .scene import blockout

    scanned = blockout.scan(_whole(start), _whole(keep))
    chosen = resolved({**settings, **scanned.settings})
    folder = folder_of(chosen)
    if shown := list(pictures):
        text = _picture_text(shown, folder, scanned.stands or _standing(location))
        chosen = resolved({**settings, **scanned.settings, "picture": text})

    def prepare() -> None:
        scanned.write(folder)

    return Given(chosen, folder, prepare if scanned.writes else None, scanned.stands)


def part_of_result(keep: str | Path | Any, parent: Path) -> Scan:
    """What may change of the result in a job folder. Raises SjcError.

    keep: as of `api.refine`; "" for all of it. An object says so by where it stands about the result's mesh.
    """
    from .scene import blockout, glb

    whole = _whole(keep)
    if isinstance(whole, str):
        return blockout.Scan({"keep": whole} if whole else {})
    result = live.mesh_of_folder(parent)
    if result is None:
        raise SjcError(f"Import the result first: only beside its mesh does {keep.name} say which part may change.")
    return blockout.scan_part(keep, result, *glb.bounds(parent / MESH))


def resolved(given: Mapping[str, Any]) -> Settings:
    """Settings by name, over those that the preferences name for all files. Raises SjcError, also without a prompt."""
    chosen = {**user_preferences.defaults(), **given}
    files = {
        name: places.whole_paths(chosen[name])
        for name in ("model", "lora", "mv_adapter", "control")
        if isinstance(chosen.get(name), str)
    }
    return resolve_job({**chosen, **files})


def _standing(location: tuple[float, float, float] | None) -> Placement:
    """Where the engine's box stands of an object that grows at a location, at the panel's size."""
    from .scene.volumes import USUAL_EXTENT

    size = live.output_settings()["size"]
    x, y, z = live.place(location)
    return Placement((x, y, z + size / 2), size / USUAL_EXTENT)


def _picture_text(pictures: Iterable[Picture], folder: Path, stands: Placement) -> str:
    """The setting `picture` of files, images and cameras. Raises SjcError."""
    from .scene import reference_pictures

    texts = []
    for number, (image, view) in enumerate(pictures, 1):
        is_image = hasattr(image, "pixels")
        file = reference_pictures.image_file(image, folder / INPUTS, number) if is_image else places.named_path(image)
        texts.append(f"{file}@{reference_pictures.view_text(view, stands)}")
    return joined(texts)


def _whole(given: Any) -> Any:
    """A path as people write it in Blender as a whole one; "" and objects as they are."""
    is_path = isinstance(given, str | Path) and str(given) != ""
    return str(places.named_path(given).absolute()) if is_path else given

"""Where things are: the backend, its environment, the output folder, the list of jobs, job folders."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from .backend.sjc import foreign
from .backend.sjc.check.place import free_folder
from .backend.sjc.errors import SjcError
from .backend.sjc.job.folder import FIELD, JOB, MESH, RUN, SNAPSHOTS
from .backend.sjc.paths import tidy, user_path
from .install import environment

BACKEND = environment.PACKAGE
OUTPUT_NAME = "sjc"  # beside the .blend, and in the documents
STATE = "sjc_queue.json"
BATCH = "cluster-"  # and a number: the folder of a batch on a cluster


def preferences() -> Any:
    """The add-on's preferences, None where it is used without being switched on (tests, scripts)."""
    import bpy

    addon = bpy.context.preferences.addons.get(__package__)
    return addon.preferences if addon else None


def user_folder(name: str = "") -> Path:
    """A folder for what can be made again (environment, caches); removed with the extension."""
    import bpy

    try:
        return Path(bpy.utils.extension_path_user(__package__, path=name, create=True))
    except ValueError:  # not installed as an extension
        folder = Path(bpy.utils.user_resource("DATAFILES", path=f"sjc_blender/{name}", create=True))
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def backend() -> environment.Backend:
    """What was last written down about the backend's environment; starts no process."""
    chosen = getattr(preferences(), "backend_python", "")
    return environment.stored(user_folder("environment"), chosen)


def worker_command() -> list[str]:
    """How to start the worker. Raises SjcError when the backend is not installed or broken."""
    return environment.worker_command(_ready_python())


def shell_command(name: str) -> list[str]:
    """How to start `sjc NAME`. Raises SjcError as `worker_command`."""
    return environment.shell_command(_ready_python(), name)


def _ready_python() -> str:
    known = backend()
    if known.state == "ready":
        return known.python
    if known.state == "missing":
        raise SjcError(
            "The backend is not installed: use Install Backend in the panel, or choose a Python that has torch."
        )
    raise SjcError(f"The backend is broken ({known.text}): use Install Backend in the panel to repair it.")


def output_folder() -> Path:
    """//sjc beside the saved .blend where that can be written, else `general_folder`."""
    beside = folder_beside()
    return beside if beside and _can_write(beside) else general_folder()


def folder_beside() -> Path | None:
    """//sjc beside the .blend, whether it is there or not; None for a .blend that was never saved."""
    import bpy

    return Path(bpy.data.filepath).parent / OUTPUT_NAME if bpy.data.filepath else None


def general_folder() -> Path:
    """The folder of the preferences, else `sjc` in the user's documents."""
    chosen = getattr(preferences(), "output_folder", "")
    try:
        return named_path(chosen) if chosen else documents() / OUTPUT_NAME
    except SjcError:  # beside a .blend that has no folder yet, or a name that Windows does not take
        return documents() / OUTPUT_NAME


def named_path(given: str | Path) -> Path:
    """A path as people write it in Blender: `//` stands for the folder of the .blend.

    Raises SjcError for such a one while the .blend has no folder, and as `user_path` does.
    """
    import bpy

    blend = Path(bpy.data.filepath).parent if bpy.data.filepath else None
    if blend is None and tidy(str(given)).startswith("//"):
        raise SjcError(f"{given} is relative to the .blend file; save that first, or give the whole path.")
    return user_path(given, blend=blend)


def whole_paths(text: str) -> str:
    """The text of a setting that names files, one or several with commas between, without Blender's `//`.

    As it is where the .blend has no folder: who opens the file will say so.
    """
    import bpy

    if not bpy.data.filepath:
        return text
    folder = Path(bpy.data.filepath).parent.as_posix().rstrip("/")
    return re.sub(r"(^|,)(\s*[\"']?)//", lambda match: f"{match[1]}{match[2]}{folder}/", text)


def why_not_beside() -> str:
    """A sentence for the person where results cannot stand beside the saved .blend; "" where they do."""
    beside = folder_beside()
    if beside is None or _can_write(beside):
        return ""
    text = f"{beside} cannot be written: the results are in {general_folder()}."
    return text


def history_folders() -> list[Path]:
    """Where earlier jobs may lie: the output folder, and the one beside the .blend though it cannot be written."""
    beside = folder_beside()
    return list(dict.fromkeys([output_folder(), *([beside] if beside else [])]))


_writable: dict[Path, bool] = {}


def _can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, or in the nearest one above that is there; tried once a file."""
    if folder not in _writable:
        there = next(path for path in (folder, *folder.parents) if path.exists() or path == path.parent)
        try:
            with tempfile.TemporaryFile(dir=there):
                _writable[folder] = True
        except OSError:
            _writable[folder] = False
    return _writable[folder]


def look_again() -> None:
    """After a .blend was opened or saved: what could be written before may have changed."""
    _writable.clear()


def batch_folder() -> Path:
    """A folder in the output folder, which does not exist yet, for the jobs of a batch on a cluster."""
    parent, number = output_folder(), 1
    while (folder := parent / f"{BATCH}{number}").exists():
        number += 1
    return folder


def report_folder(model: str) -> Path:
    """A folder in the output folder, which does not exist yet, for the report of a model's check."""
    return free_folder(output_folder(), model)


def documents() -> Path:
    """The user's documents folder, or the home folder where there is none."""
    folder = Path.home() / "Documents"
    return folder if folder.is_dir() else Path.home()


def state_file() -> Path:
    """Where the queue remembers its jobs: in the output folder, never inside the add-on."""
    return output_folder() / STATE


def job_folder(path: Path) -> Path:
    """The job folder that a person named, by itself or by a file in it. Raises SjcError."""
    folder = path if foreign.is_folder(path) else path.parent
    if not foreign.kind(path):
        raise SjcError(f"{path} does not exist.")
    if folder.name == SNAPSHOTS:
        folder = folder.parent
    if not any(foreign.is_file(folder / name) for name in (JOB, RUN, MESH, FIELD)):
        raise SjcError(f"{folder} is not a job folder: it contains neither job.json nor mesh.glb.")
    return folder

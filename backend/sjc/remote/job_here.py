"""A job that another computer works on, as it stands here: its folder, and what goes there and comes from there."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import foreign, settings
from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs
from ..output import files
from ..settings import Settings
from . import wire
from .wire import Message


@dataclass(eq=False)
class JobHere:
    """What Blender has asked for.

    sources: what a new job starts from, by its name in the job folder. begun: there is a job folder there, with which a
    new line goes on. started: the worker there has it. tries: to have the line back, since the last step. shown: the
    snapshots that Blender knows of. colors: what the last one said of itself.
    """

    folder: Path
    settings: Settings
    sources: dict[str, Path] = field(default_factory=dict)
    begun: bool = False
    started: bool = False
    paused: bool = False
    cancelled: bool = False
    tries: int = 0
    in_use_until: float = 0.0
    have: wire.Names = field(default_factory=dict)
    shown: set[str] = field(default_factory=set)
    colors: str = "exact"

    @classmethod
    def asked(cls, folder: Path, given: dict[str, Any], resume: bool) -> JobHere:
        """The job of Blender's `start`. Raises SjcError for what a worker here would refuse, too."""
        if resume:
            shown = {path.name for path in job_folder.snapshots(folder)}
            return cls(folder, job_folder.read_settings(folder), begun=True, shown=shown)
        chosen = settings.resolve_job(given)
        job_folder.check_folder(folder, chosen)
        inputs.check(chosen, folder)
        return cls(folder, chosen, inputs.sources(chosen, folder))

    def look(self) -> None:
        """Note in `have` what could be sent."""
        if self.begun:
            have = wire.digests(self.folder)
        else:
            have = {name: wire.digest(path, path.parent) for name, path in self.sources.items()}
        self.have = {name: value for name, value in have.items() if value}

    def name_there(self, host: str) -> str:
        """The name of the job's folder there, which a file in the folder here remembers."""
        path = self.folder / job_folder.REMOTE
        with contextlib.suppress(OSError, SjcError):
            record = foreign.Record(foreign.read_json(path, within=self.folder), path)
            if record.text("host") == host:
                return record.text("name")
        name = f"{job_folder.slug(self.folder.name)}-{secrets.token_hex(6)}"
        files.write_json(path, {"host": host, "name": name})
        return name

    def forget_name(self) -> None:
        """There is nothing there any more."""
        with contextlib.suppress(OSError):
            (self.folder / job_folder.REMOTE).unlink()

    def messages_of(self, wanted: Collection[Any]) -> Iterator[Message]:
        """The files that are wanted there, if they are among those that it was told of. Raises SjcError, OSError."""
        for name in filter(self.have.__contains__, wanted):
            path = self.sources.get(name, self.folder / name)
            with foreign.opened(path, foreign.FIELD_BYTES, None if name in self.sources else self.folder) as stream:
                yield from wire.messages_of(name, stream)

    def begin(self) -> None:
        """There is a job there: only now does its folder here lose what stood in it. Raises SjcError."""
        if not self.begun:
            job_folder.prepare_folder(self.folder, self.settings)
            self.begun = True

    def follow(self, there: Collection[Any]) -> Iterator[Message]:
        """Remove previews that are no longer there; gives the news of those that Blender has not heard of.

        there: all names in the folder there.
        """
        if not self.begun:
            return
        for name in wire.names_in(self.folder):
            preview = name.startswith(f"{job_folder.SNAPSHOTS}/") or name == job_folder.PAINTED
            if preview and name not in there:
                (self.folder / name).unlink(missing_ok=True)
        for path in job_folder.snapshots(self.folder):
            meta = job_folder.snapshot_meta(path)
            if path.name not in self.shown and meta:
                self.shown.add(path.name)
                yield {"type": "snapshot", "step": meta["step"], "path": str(path), "shape": [], "colors": self.colors}

    def snapshot(self, message: Message) -> Message:
        """The news of a snapshot there as that of the one here. Raises SjcError for what is none."""
        name = f"{job_folder.SNAPSHOTS}/{Path(message['path']).name}"
        if not wire.fits(name):
            raise SjcError(f"The other computer tells of a snapshot that no job has, {foreign.shown(name)}.")
        path = self.folder / name
        self.shown.add(path.name)
        self.colors = message["colors"]
        return {**message, "path": str(path)}

"""Where a batch goes: a folder, or an address with a mirror of its small files in a folder of this computer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

from ..errors import SjcError
from ..job import folder as job_folder
from ..job import inputs
from ..output import files
from ..paths import local_path
from . import records, summary
from .address import AddressFolder, is_address
from .borrowing import bring
from .plan import BatchJob

_SMALL = {job_folder.JOB, job_folder.RUN, job_folder.PREVIEW}


class Destination:
    """The parent of a batch's job folders.

    folder: it, or the mirror, in which the large files of a job are empty. address: "" for a folder.
    """

    def __init__(self, folder: Path, storage: AddressFolder | None = None) -> None:
        self.folder, self._storage = folder, storage

    @property
    def address(self) -> str:
        """What a computer of a cluster finds it by."""
        return self._storage.address if self._storage else str(self.folder)

    def placed(self, jobs: Sequence[BatchJob]) -> list[BatchJob]:
        """The jobs, which lie in `folder`, with their addresses; and what stands there already is in the mirror."""
        if not self._storage:
            return list(jobs)
        placed = [replace(job, address=f"{self.address}/{job.folder.name}") for job in jobs]
        sizes = self._storage.sizes()
        if records.JSON in sizes:
            self._storage.fetch(records.JSON, self.folder / records.JSON)
        by_folder: dict[str, dict[str, int]] = {}
        for name, size in sizes.items():
            parent, _, rest = name.partition("/")
            by_folder.setdefault(parent, {})[rest] = size
        for job in placed:
            self._mirror(job, by_folder.get(job.folder.name, {}))
        return placed

    def arrived(self, job: BatchJob) -> None:
        """A job is over: bring what the list of all needs of it."""
        if job.address:
            self._mirror(job, AddressFolder(job.address).sizes())

    def _mirror(self, job: BatchJob, sizes: dict[str, int]) -> None:
        assert self._storage is not None
        for name in sizes:
            if "/" not in name and not name.startswith("."):
                whole = name in _SMALL
                bring(self._storage, f"{job.folder.name}/{name}", job.folder / name, whole=whole)

    def send_inputs(self, job: BatchJob) -> None:
        """Write to the address what a job starts from."""
        if self._storage:
            for path in (job.folder / inputs.INPUTS).glob("*"):
                self._storage.send(path, f"{job.folder.name}/{inputs.INPUTS}/{path.name}")

    def check(self) -> None:
        """Raises SjcError where nothing can be written at the address."""
        if self._storage:
            probe = f".sjc-probe-{token_hex(8)}"
            self.write(probe, b"")
            self.remove(probe)

    def write(self, name: str, data: bytes) -> None:
        """Write a file beside the jobs."""
        if self._storage:
            self._storage.write(name, data)
        else:
            files.write_bytes(self.folder / name, data)

    def remove(self, name: str) -> None:
        """Remove such a file; one that cannot be removed stays."""
        with contextlib.suppress(OSError, SjcError):
            if self._storage:
                self._storage.remove(name)
            else:
                (self.folder / name).unlink()

    def publish(self) -> None:
        """Write the lists and pictures of all from the mirror to the address."""
        for name in (records.JSON, records.CSV, summary.SHEET, summary.PAGE):
            if self._storage and (self.folder / name).is_file():
                self._storage.send(self.folder / name, name)


@contextlib.contextmanager
def opened(out: str | Path, *, absolute: bool = True) -> Iterator[Destination]:
    """A destination; of an address the mirror is gone afterwards.

    absolute: whether a folder's path is made so: the slots of a cluster have other working folders.

    Raises SjcError for an address that cannot be used.
    """
    if not is_address(out):
        yield Destination(local_path(out).absolute() if absolute else local_path(out))
        return
    with tempfile.TemporaryDirectory(prefix="sjc-batch-") as mirror:
        yield Destination(Path(mirror), AddressFolder(str(out)))


def read_there(out: str, name: str, largest: int) -> bytes | None:
    """A file of a destination, as another computer sees it; None where there is none. Raises SjcError, OSError."""
    if is_address(out):
        return AddressFolder(out).read(name, largest)
    path = Path(out) / name
    return path.read_bytes() if path.is_file() else None

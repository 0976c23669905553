"""Files at an address such as s3://bucket/results, by fsspec, which needs a package of its own for each kind.

A batch may lie there. Nothing at such an address can be renamed into place, locked or watched as in a folder, so jobs
are worked in a folder of this computer and written to the address file by file (`borrowing.py`).
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .. import foreign
from ..errors import SjcError, one_line
from ..output import files
from ..paths import tidy

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)")
_NAME = re.compile(r"[^/\\:\0]+(/[^/\\:\0]+){0,2}")
_PARTS_OF_THE_PATH = {".", ".."}


def is_address(text: object) -> bool:
    """Whether it is an address, and no path of this computer; file:// is a path."""
    return isinstance(text, str) and _ADDRESS.fullmatch(tidy(text)) is not None


class AddressFolder:
    """A folder at an address.  Names in it are relative, with slashes.

    Every call may raise SjcError, with the address and what the storage says. Not for two threads at once: each opens
    its own.
    """

    def __init__(self, address: str) -> None:
        self.address = tidy(address).rstrip("/")
        self._files, self._root = _opened(self.address)
        self._made: set[str] = set()

    def sizes(self) -> dict[str, int]:
        """The bytes of every file below, by its name, without names that lead elsewhere; {} where there is nothing."""
        with self._asked():
            self._files.invalidate_cache()
            try:
                listed = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        prefix = self._root.rstrip("/") + "/"
        sizes = {path[len(prefix) :]: entry.get("size") for path, entry in listed.items() if path.startswith(prefix)}
        return {name: size or 0 for name, size in sizes.items() if _is_name(name) and not _is_temporary(name)}

    def read(self, name: str, largest: int) -> bytes | None:
        """What stands in a file of at most `largest` bytes; None where there is none."""
        with self._asked():
            self._files.invalidate_cache()
            try:
                with self._files.open(f"{self._root}/{name}", "rb") as stream:
                    content: bytes = stream.read(largest + 1)
            except FileNotFoundError:
                return None
        if len(content) > largest:
            raise SjcError(f"{self.address}/{name} is larger than such a file can be; it is not read.")
        return content

    def read_json(self, name: str, largest: int = foreign.RECORD_BYTES) -> Any:
        """Its value; None where there is none, or nothing that can be read."""
        content = self.read(name, largest)
        try:
            return None if content is None else foreign.parsed(content.decode("utf-8-sig"))
        except ValueError:
            return None

    def fetch(self, name: str, path: Path) -> None:
        """Bring a file to `path`."""
        with files.replacing(path) as temporary, self._asked():
            self._files.get_file(f"{self._root}/{name}", str(temporary))

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole."""
        with self._replacing(name) as place:
            self._files.pipe_file(place, data)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that is not there; False where there is one.  Not every storage can do both in one."""
        with self._asked():
            self._make_parent(name)
            self._files.invalidate_cache()
            try:
                self._files.pipe_file(f"{self._root}/{name}", data, mode="create")
            except FileExistsError:
                return False
        return True

    def send(self, path: Path, name: str) -> None:
        """Write a file of this computer there, whole."""
        with self._replacing(name) as place:
            self._files.put_file(str(path), place)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._asked(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{name}")

    @contextlib.contextmanager
    def _replacing(self, name: str) -> Iterator[str]:
        """A place to write to; what is there when the block ends well takes the name."""
        parent, _, last = name.rpartition("/")
        place = "/".join(filter(None, (self._root, parent, f".{last}.{secrets.token_hex(6)}~")))
        with self._asked():
            self._make_parent(name)
            try:
                yield place
                self._files.mv(place, f"{self._root}/{name}")
            except BaseException:
                with contextlib.suppress(Exception):
                    self._files.rm_file(place)
                raise

    def _make_parent(self, name: str) -> None:
        """Make the folder of a file, on storage that has folders; elsewhere that would make a bucket."""
        parent = f"{self._root}/{name}".rpartition("/")[0]
        has_buckets = hasattr(self._files, "split_path")  # into bucket and key: s3fs, gcsfs, adlfs and their like
        if parent not in self._made and not has_buckets:
            with contextlib.suppress(Exception):  # if it is really missing, the writing says so
                self._files.makedirs(parent, exist_ok=True)
            self._made.add(parent)

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        """What goes wrong with the storage, in one line: each library raises errors of its own."""
        try:
            yield
        except SjcError:
            raise
        except Exception as error:
            raise SjcError(f"{self.address} cannot be used: {one_line(error)}.") from error


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not _PARTS_OF_THE_PATH & set(name.split("/"))


def _is_temporary(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last.startswith(".") and last.endswith("~")


def _opened(address: str) -> tuple[Any, str]:
    """(fsspec's file system, the path in it). Raises SjcError, with the package that is missing."""
    match = _ADDRESS.fullmatch(address)
    if not match or not match["rest"].strip("/"):
        raise SjcError(f'"{address}" is no address of a folder; write one such as s3://bucket/results.')
    try:
        import fsspec
    except ImportError as error:
        raise SjcError(f"{address} needs the package fsspec: pip install fsspec.") from error
    from fsspec.registry import known_implementations

    try:
        system, path = fsspec.url_to_fs(address, skip_instance_cache=True)
    except ImportError as error:
        module = known_implementations.get(match["scheme"].lower(), {}).get("class", "").partition(".")[0]
        needed = one_line(error).partition(": ")[2] if module in ("", "fsspec") else f"pip install {module}"
        raise SjcError(f"{address} needs a package that is not installed: {needed}.") from error
    except Exception as error:
        advice = "mount that storage as a folder and give the folder"
        raise SjcError(f"{address} cannot be used: {one_line(error)}; {advice}.") from error
    return system, str(path).rstrip("/")

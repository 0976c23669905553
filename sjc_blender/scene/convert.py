"""A field as .npz into the .vdb that Blender shows: a script for a process of its own, since it takes up to a second.

`command` gives its command line, to be run with Blender's own Python (it needs NumPy and the standard library alone).
"""

from __future__ import annotations

import sys
from pathlib import Path


def command(npz: Path, vdb: Path) -> list[str]:
    """The process that writes `vdb` from `npz`, whole; 0 when it did, else 1 with one line on stderr."""
    return [sys.executable, "-B", "-X", "utf8", str(Path(__file__)), str(npz), str(vdb)]


def main(npz: str, vdb: str) -> int:
    """Read, convert, write."""
    # A process of its own: no other code sees these paths, inside the built extension or beside it in the source's ZIP.
    sys.path[:0] = [str(folder / "backend") for folder in Path(__file__).parents[1:3]]
    from sjc.errors import SjcError
    from sjc.output.npz import read_npz
    from sjc.output.vdb import write_live_vdb

    try:
        field = read_npz(npz)
        write_live_vdb(vdb, field.density, field.color, bounds=field.bounds)
    except (SjcError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

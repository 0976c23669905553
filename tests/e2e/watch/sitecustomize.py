"""Writes down what a Python process and its Python children reach for: names, connections, files that they change.

Put its folder on PYTHONPATH and name a file in SJC_WATCH. One JSON list a line: the event, the process, its argument.
"""

import json
import os
import sys

NETWORK = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg"}
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}


def watch(path):
    """Begin to write to `path`."""
    target = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(event, given):
        if event == "open":
            name, mode, flags = given
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes and not (isinstance(mode, str) and set(mode) & set("wax+")):
                return
            shown = name
        elif event in NETWORK:
            shown = given[1:] if event.startswith(("socket.c", "socket.s")) else given
        elif event in CHANGES:
            shown = given[1] if event in {"os.rename", "os.link", "os.symlink"} else given[0]
        else:
            return
        shown = os.fsdecode(shown) if isinstance(shown, str | bytes | os.PathLike) else repr(shown)
        if event in CHANGES - {"os.truncate"} and given[-1] >= 0:  # relative to a folder that is open
            shown = os.path.join(os.readlink(f"/proc/self/fd/{given[-1]}"), shown)  # noqa: PTH115, PTH118
        if event not in NETWORK and not shown.isdigit():
            shown = os.path.abspath(shown)  # noqa: PTH100 (pathlib is not loaded yet)
        os.write(target, (json.dumps([event, os.getpid(), shown]) + "\n").encode())

    sys.addaudithook(note)


if os.environ.get("SJC_WATCH"):
    watch(os.environ["SJC_WATCH"])

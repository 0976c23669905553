"""`sjc mcp`: its words. Light at the top: the command line starts without the protocol's package."""

from __future__ import annotations

import argparse
import signal


def main(args: argparse.Namespace) -> int:
    """sjc mcp: answers a client until it is gone. Raises SjcError."""
    from .server import serve

    signal.signal(signal.SIGINT, signal.default_int_handler)  # where it is ignored, jobs could not be interrupted
    serve(args.root, offline=args.offline)
    return 0

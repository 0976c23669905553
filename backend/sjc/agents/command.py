"""`sjc mcp`: its words. Light at the top: the command line starts without the protocol's package."""

from __future__ import annotations

import argparse


def main(args: argparse.Namespace) -> int:
    """sjc mcp: answers a client until it is gone. Raises SjcError."""
    from .server import serve

    serve(args.root, offline=args.offline)
    return 0

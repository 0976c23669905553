"""Writes docs/settings.md from the schema: `.venv/bin/python -m tools.docs`, with --check only compares."""

from __future__ import annotations

import os
import sys

from .common import ROOT

PAGE = ROOT / "docs" / "settings.md"
HEADER = """\
# Settings

These are all settings of a run. You can give each one as a flag of `sjc generate` (`--steps 200`, `--no-turntable`), as
a name in `job.json`, or as a field of a line of `sjc batch`. `sjc generate --help` shows the same texts.

Do not edit this page: `.venv/bin/python -m tools.docs` writes it from `backend/sjc/settings_schema.py`.

"""


def page() -> str:
    """The page as the schema has it now."""
    from sjc.settings import docs_table

    return HEADER + docs_table()


def main(words: list[str]) -> int:
    """Write the page, or with --check return 1 where it is not what the schema says."""
    if "--check" in words:
        fresh = PAGE.is_file() and PAGE.read_text("utf-8") == page()
        print(f"{PAGE.name}: {'fresh' if fresh else 'stale; write it with .venv/bin/python -m tools.docs'}")
        return 0 if fresh else 1
    PAGE.parent.mkdir(exist_ok=True)
    partial = PAGE.with_name(PAGE.name + ".partial")
    partial.write_text(page(), "utf-8")
    os.replace(partial, PAGE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

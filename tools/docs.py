"""Writes docs/settings.md from the schema, and the table of models in docs/models.md from the short list.

`.venv/bin/python -m tools.docs`; with --check it only compares.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .common import ROOT

PAGE = ROOT / "docs" / "settings.md"
MODELS_PAGE = ROOT / "docs" / "models.md"
BEGIN, END = "<!-- models: written by tools.docs -->\n", "<!-- end of models -->\n"
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


def models_page() -> str:
    """docs/models.md with the table as the list has it now."""
    from sjc.models import curated

    before, rest = MODELS_PAGE.read_text("utf-8").split(BEGIN)
    after = rest.split(END)[1]
    return before + BEGIN + "\n" + "\n".join(curated.table()) + "\n\n" + END + after


def main(words: list[str]) -> int:
    """Write the pages, or with --check return 1 where one is not what it should be."""
    stale = {path: text for path, text in pages() if not path.is_file() or path.read_text("utf-8") != text}
    if "--check" in words:
        for path in stale:
            print(f"{path.name}: stale; write it with .venv/bin/python -m tools.docs")
        return 1 if stale else 0
    for path, text in stale.items():
        path.parent.mkdir(exist_ok=True)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, "utf-8")
        os.replace(partial, path)
    return 0


def pages() -> list[tuple[Path, str]]:
    """(page, what it should hold) of every page that is written here, as a whole or in part."""
    return [(PAGE, page()), (MODELS_PAGE, models_page())]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

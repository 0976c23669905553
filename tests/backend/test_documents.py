"""The documents' commands: each is one that the command line takes."""

import re
import shlex
from pathlib import Path

from sjc.cli import build_parser

DOCS = Path(__file__).parents[2] / "docs"


def test_every_command_of_the_documents_is_one(capsys):
    wrong, parser = [], build_parser()
    for page in (*sorted(DOCS.glob("*.md")), DOCS.parent / "README.md"):
        fenced = "".join(page.read_text("utf-8").split("```")[1::2]).replace("\\\n", " ")
        lines = re.findall(r"^(?:\.venv/bin/)?(sjc .*)", fenced, re.MULTILINE)
        for line in lines:
            try:
                parser.parse_args(shlex.split(line.replace("C:\\", "C:/"), comments=True)[1:])
            except SystemExit:
                wrong.append(f"{page.name}: {line}: {capsys.readouterr().err.splitlines()[-1]}")
    assert lines, "the last page, README.md, has some"
    assert not wrong, "\n".join(wrong)

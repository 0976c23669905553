"""The models on this machine: the embedded one, the pipelines in the hub's cache; and those of the short list.

Standard library; reads small files.
"""

from __future__ import annotations

import contextlib
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import foreign
from ..errors import SjcError
from ..machine import streams
from ..machine.folders import PART, cache_folder
from . import curated, model_files
from .hub_ids import is_hub_id, split_revision
from .single_file import SOURCE
from .small_files import read_json

__all__ = ["Row", "cached", "licence", "own", "repository", "rows", "show", "snapshot", "to_fetch"]

TO_FETCH = "to fetch"
_LICENCE = re.compile(r"^license(?:_name)?:\s*[\"']?([^\s\"'#]+)", re.MULTILINE)
_CARD_BYTES, _REF_BYTES = 100_000, 1000


@dataclass(frozen=True)
class Row:
    """One model.

    state: embedded, cached, converted (made of the checkpoint `model`), bad (problem says why), or to fetch (on the
    short list and not here; note says what it is good for).

    size: bytes of its weights; of one to fetch, about.  revision: the commit.
    """

    model: str
    state: str
    family: str = ""
    size: int = 0
    licence: str = ""
    revision: str = ""
    folder: str = ""
    problem: str = ""
    note: str = ""


def cached(cache: Path) -> list[str]:
    """What can be chosen of the pipelines in the hub's cache folder, by name; other kinds of models are left out.

    A model's id stands for the revision that its refs/main names, "id@revision" for every other one that is here.
    """
    try:
        names = sorted(entry.name for entry in cache.iterdir() if entry.name.startswith("models--"))
    except OSError:
        return []
    ids = [name.removeprefix("models--").replace("--", "/") for name in names]
    choices = [choice for model in ids if is_hub_id(model) for choice in _choices(cache, model)]
    folders = [(model, snapshot(cache, model)) for model in choices]
    return [model for model, folder in folders if folder and (folder / "model_index.json").is_file()]


def _choices(cache: Path, model: str) -> list[str]:
    """The model, then "model@ref" for its other branches and tags, then "model@commit" for what none of them names."""
    folder = repository(cache, model)
    refs = [path for path in sorted((folder / "refs").rglob("*")) if path.is_file()]
    named = {path.relative_to(folder / "refs").as_posix(): _text(path) for path in refs}
    snapshots = folder / "snapshots"
    commits = sorted(path.name for path in snapshots.iterdir()) if snapshots.is_dir() else []
    others = [name for name in named if name != "main"] + [c for c in commits if c not in named.values()]
    return [model, *(f"{model}@{name}" for name in others)]


def _text(path: Path) -> str:
    try:
        return foreign.read_text(path, _REF_BYTES).strip()
    except (OSError, SjcError):
        return ""


def repository(cache: Path, model: str) -> Path:
    """Where the hub's cache keeps everything of a hub id; its revision does not matter."""
    return cache / ("models--" + split_revision(model)[0].replace("/", "--"))


def snapshot(cache: Path, model: str) -> Path | None:
    """The folder of a downloaded hub model; None if it is not here.

    Of "name/model" it is what refs/main names; of "name/model@revision" what that ref names, or that commit.
    """
    parent, pinned = repository(cache, model), split_revision(model)[1]
    revision = _text(parent / "refs" / (pinned or "main")) or pinned
    if not revision:
        return None
    folder = parent / "snapshots" / revision
    return folder if folder.is_dir() else None


def licence(folder: Path) -> str:
    """The licence in the head of the model's card (README.md), "" where it states none."""
    try:
        with foreign.opened(folder / "README.md", foreign.RECORD_BYTES) as file:
            card = file.read(_CARD_BYTES).decode("utf-8", "replace")
    except (OSError, SjcError):
        return ""
    head = card.split("\n---", 1)[0] if card.startswith("---") else ""
    stated = _LICENCE.findall(head)
    return next((name for name in reversed(stated) if name != "other"), stated[0] if stated else "")


def rows(cache: Path, converted: Path) -> list[Row]:
    """The embedded models, those in the hub's cache, then the model folders made of checkpoints."""
    folders = [(name, model_files.OWN[name]) for name in own()]
    folders += [(model, folder) for model in cached(cache) if (folder := snapshot(cache, model))]
    folders += checkpoints(converted)
    return [_row(model, folder) for model, folder in folders]


def own() -> list[str]:
    """The package's models that are installed; the sister for four views may be missing."""
    return [name for name, folder in model_files.OWN.items() if name == "embedded" or model_files.is_sister(folder)]


def to_fetch(cache: Path) -> list[Row]:
    """Those of the short list that are not in the hub's cache folder."""
    missing = [entry for entry in curated.CURATED if not snapshot(cache, entry.model)]
    return [
        Row(
            entry.model,
            TO_FETCH,
            entry.family,
            entry.size,
            entry.licence,
            entry.revision,
            note=f"{entry.good_for} {entry.tried}",
        )
        for entry in missing
    ]


def checkpoints(folder: Path) -> list[tuple[str, Path]]:
    """(the checkpoint's file, the model folder made of it) of every one in our cache."""
    made = []
    for source in sorted(folder.glob(f"*/{SOURCE}")):
        if source.parent.name.startswith(PART):
            continue
        with contextlib.suppress(SjcError):
            made.append((str(read_json(source).get("file", source.parent)), source.parent))
    return made


def _row(model: str, folder: Path) -> Row:
    revision = folder.name if folder.parent.name == "snapshots" else ""
    try:
        files = model_files.check(folder)
    except Exception as error:  # noqa: BLE001 (whatever is wrong with one, the others are listed)
        return Row(model, "bad", revision=revision, folder=str(folder), problem=foreign.first_line(error))
    state = "converted" if (folder / SOURCE).is_file() else "cached"
    state = "embedded" if folder in model_files.OWN.values() else state
    return Row(model, state, files.family.label, files.weight_bytes, licence(folder), revision, str(folder))


HEAD = ("model", "family", "size", "state", "licence", "revision")


def _cells(row: Row) -> tuple[str, ...]:
    """What stands in the columns of HEAD."""
    size = f"{row.size / 1e6:.1f} MB" if row.size else ""
    if row.state == TO_FETCH:
        size = f"about {row.size / 1e9:.1f} GB"
    return row.model, row.family, size, row.state, row.licence, row.revision


def table(models: list[Row]) -> list[str]:
    """The lines of `sjc models list` for a file or a pipe, in columns; a problem or a note stands on a line below."""
    cells = [_cells(row) for row in models]
    widths = [max(map(len, column)) for column in zip(HEAD, *cells, strict=True)]

    def line(row: tuple[str, ...]) -> str:
        aligned = [
            text.rjust(w) if i == 2 else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(aligned).rstrip()

    lines = [line(HEAD)]
    for row, own in zip(models, cells, strict=True):
        lines += [line(own), *(f"  {text}" for text in (row.problem, row.note) if text)]
    return lines


def _draw(models: list[Row]) -> None:
    """The same for a person at a terminal: as wide as the terminal, bad models in a colour of their own."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table()
    for name in HEAD:
        drawn.add_column(name, justify="right" if name == "size" else "left", overflow="fold", no_wrap=name == "size")
    for row in models:
        drawn.add_row(*map(Text, _cells(row)), style="yellow" if row.problem else "")
    console = Console()
    console.print(drawn)
    for row in models:
        if row.problem:
            console.print(Text(f"{row.model}: {row.problem}", "yellow"))
        elif row.note:
            console.print(Text(f"{row.model}: {row.note}"))


def show(as_json: bool) -> int:
    """`sjc models list`: prints them; the exit status."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    models = [*rows(cache, cache_folder("models")), *to_fetch(cache)]
    if as_json:
        print(streams.as_json([asdict(row) for row in models]))
    elif sys.stdout.isatty():
        _draw(models)
    else:
        print("\n".join(table(models)))
    return 0

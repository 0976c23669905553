"""The models on this machine: the embedded one and the pipelines in the hub's cache.  Standard library; reads small files."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import SjcError
from .guidance import model_files

__all__ = ["Row", "cached", "rows", "show", "snapshot"]


@dataclass(frozen=True)
class Row:
    """One model.  state: embedded, cached, bad (problem says why); size: bytes of its weights."""

    model: str
    state: str
    family: str = ""
    size: int = 0
    folder: str = ""
    problem: str = ""


def cached(cache: Path) -> list[str]:
    """The hub ids of the pipelines that lie in the hub's cache folder, by name; other kinds of models are left out."""
    try:
        names = sorted(entry.name for entry in cache.iterdir() if entry.name.startswith("models--"))
    except OSError:
        return []
    ids = [name.removeprefix("models--").replace("--", "/") for name in names]
    found = [(model, snapshot(cache, model)) for model in ids if model_files.is_hub_id(model)]
    return [model for model, folder in found if folder and (folder / "model_index.json").is_file()]


def snapshot(cache: Path, model: str) -> Path | None:
    """The folder of a hub model's downloaded revision, which refs/main names; None if it has none."""
    repository = cache / ("models--" + model.replace("/", "--"))
    try:
        revision = (repository / "refs" / "main").read_text("utf-8").strip()
    except (OSError, ValueError):
        return None
    folder = repository / "snapshots" / revision
    return folder if revision and folder.is_dir() else None


def rows(cache: Path) -> list[Row]:
    """The embedded model, then those in the cache."""
    places = [
        ("embedded", model_files.EMBEDDED),
        *((model, snapshot(cache, model)) for model in cached(cache)),
    ]
    return [_row(model, folder) for model, folder in places if folder]


def _row(model: str, folder: Path) -> Row:
    try:
        files = model_files.check(folder)
    except (SjcError, OSError) as error:
        return Row(model, "bad", folder=str(folder), problem=str(error))
    state = "embedded" if folder == model_files.EMBEDDED else "cached"
    return Row(model, state, files.family.name, files.weight_bytes, str(folder))


def show(as_json: bool) -> int:
    """`sjc models list`: prints them; the exit status."""
    from huggingface_hub import constants

    found = rows(Path(constants.HF_HUB_CACHE))
    if as_json:
        print(json.dumps([asdict(row) for row in found], ensure_ascii=False))
        return 0
    width = max(len(row.model) for row in found)
    for row in found:
        told = row.problem or f"{row.family:<24} {row.size / 1e6:>9.1f} MB"
        print(f"{row.model:<{width}}  {row.state:<8}  {told}")
    return 0

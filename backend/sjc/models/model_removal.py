"""`sjc models remove`: a model out of the hub's cache, by the hub client's own list of what is whose."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import SjcError, here
from ..paths import user_path
from . import model_files, model_list
from .hub_ids import is_hub_id, split_revision
from .single_file import SOURCE

__all__ = ["remove"]


def remove(model: str, *, yes: bool, ask: Callable[[str], str] = input) -> int | None:
    """Says what would go and how big it is, asks unless `yes`, deletes; bytes freed, None where the answer was no.

    model: "name/model" with all its revisions, or "name/model@revision" with that one alone; files that another
    revision shares stay.  The path of a checkpoint stands for the model folder that was made of it.

    Raises SjcError for what is not in the cache, for links that lead out of it, where nobody can
    be asked, and where something could not be deleted.
    """
    from huggingface_hub import constants

    if model_files.is_single_file(model):
        return _remove_folder(model, yes=yes, ask=ask)
    cache = Path(constants.HF_HUB_CACHE)
    strategy, count = _strategy(cache, model)
    size = int(strategy.expected_freed_size)
    revisions = f"{count} revision{'s' if count > 1 else ''}"
    print(f"{model}: {revisions}, {size / 1e6:.1f} MB in {model_list.repository(cache, model)}", file=sys.stderr)
    if not (yes or _agreed(model, ask)):
        return None
    strategy.execute()
    left = [path for path in _paths(strategy) if path.exists()]
    if left:
        raise SjcError(f"{left[0]} could not be deleted; close what uses it, or look who may write there.")
    return size


def _agreed(model: str, ask: Callable[[str], str]) -> bool:
    if not sys.stdin.isatty():
        raise SjcError(f"Nothing is removed: nobody can be asked here; sjc models remove {model} --yes does it.")
    try:
        answer = ask("Remove it? [y/N] ")
    except EOFError:
        answer = ""
    return answer.strip().lower() in ("y", "yes")


def _remove_folder(model: str, *, yes: bool, ask: Callable[[str], str]) -> int | None:
    """The model folder that was made of a checkpoint; the checkpoint stays."""
    from .single_file_conversion import folder_of

    folder = folder_of(user_path(model))
    if not (folder / SOURCE).is_file():
        raise SjcError(f"{model} is a file of your own, and no model folder was made of it; nothing is removed.")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{model}: the model folder made of it, {size / 1e6:.1f} MB in {folder}", file=sys.stderr)
    if not (yes or _agreed(model, ask)):
        return None
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        raise SjcError(f"{folder} could not be deleted; close what uses it, or look who may write there.")
    return size


def _strategy(cache: Path, model: str) -> tuple[Any, int]:
    """What the client would delete, and how many revisions that are."""
    from huggingface_hub import scan_cache_dir

    if not is_hub_id(model):
        raise SjcError(f'"{model}" is not a hub id such as name/model; only downloaded models can be removed.')
    name, pinned = split_revision(model)
    missing = f'The model "{model}" is not in the local model cache {cache}' + here(
        "; sjc models list tells what is.", "."
    )
    if not model_list.repository(cache, model).is_dir():
        raise SjcError(missing)
    contents = scan_cache_dir(cache)
    repositories = [repo for repo in contents.repos if (repo.repo_type, repo.repo_id) == ("model", name)]
    if not repositories:
        raise SjcError(
            f"{model_list.repository(cache, model)} is damaged, so that nobody can tell what belongs to it; "
            "delete that folder by hand."
        )
    commits = [
        revision.commit_hash
        for revision in repositories[0].revisions
        if pinned is None or pinned == revision.commit_hash or pinned in revision.refs
    ]
    if not commits:
        raise SjcError(missing)
    strategy = contents.delete_revisions(*commits)
    inside = cache.resolve()
    for path in _paths(strategy):
        if inside not in (path.parent.resolve() / path.name).parents:
            raise SjcError(f"{path} lies outside of the model cache, though {model} links to it; nothing is removed.")
    return strategy, len(commits)


def _paths(strategy: Any) -> list[Path]:
    return sorted([*strategy.repos, *strategy.snapshots, *strategy.refs, *strategy.blobs])

"""Downloads from the model hub, and what keeps one from succeeding: one line each, with what to do.

The hub's own client does the work: whole files that are here are not fetched again, a connection that breaks is taken
up where it broke, and bars show how far it is.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from .. import causes
from ..errors import SjcError, here
from . import gated
from .families import not_a_pipeline
from .hub_ids import split_revision
from .known_classes import CONTROL_NET
from .layout import wanted_files
from .small_files import first_line, read_json

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
"""Variables that keep the libraries off the network."""
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quotas here
_SPARE = 2**26
"""Bytes that shall be left free beside a download."""


def offline(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the network is forbidden, by --offline or by a variable of the hub's client."""
    return any(environment.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in OFFLINE)


def go_offline() -> None:
    """Forbid it to this process and its children; call it before the libraries are imported."""
    os.environ.update(dict.fromkeys(OFFLINE, "1"))


def check_online() -> None:
    """Raises SjcError where the network is forbidden."""
    if offline():
        raise SjcError(_forbidden())


def _forbidden() -> str:
    """What to do where the network is forbidden."""
    names = " or ".join(OFFLINE)
    return here(
        f"--offline, or {names}, keeps the hub out of reach; ask again without.",
        f"The environment variable {names} keeps the hub out of reach; unset it and restart Blender.",
    )


def download(model: str, revision: str | None, tell: Callable[[int], None]) -> Path:
    """The folder of a hub id after all its wanted files have come. Raises SjcError, one line.

    tell: given the bytes of all these files before the first comes.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.hf_api import RepoFile

    name, pinned = split_revision(model)
    revision = pinned or revision
    try:
        check_online()
        tree = HfApi().list_repo_tree(name, recursive=True, revision=revision)
        sizes = {entry.path: entry.size for entry in tree if isinstance(entry, RepoFile)}
        check_kind(name, revision, sizes)
        wanted = [*wanted_files(list(sizes)), "README.md"]  # the card states the licence
        tell(sum(sizes.get(file, 0) for file in wanted))
        check_room(Path(constants.HF_HUB_CACHE), _missing(name, revision, {f: sizes.get(f, 0) for f in wanted}))
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
        gated.forget(model)
        return folder
    except Exception as error:  # the hub client and its transport raise many kinds
        if is_gated(error):
            gated.note(model)
        raise SjcError(f'The model "{model}" could not be fetched: {reason(error, model)}') from error


def check_kind(name: str, revision: str | None, files: Collection[str]) -> None:
    """Raises SjcError for a repository that is no pipeline and no ControlNet: its config.json says what it is."""
    if "model_index.json" in files:
        return
    from huggingface_hub import hf_hub_download

    config = {}
    if "config.json" in files:
        config = read_json(Path(hf_hub_download(name, "config.json", revision=revision)))
    if config.get("_class_name") != CONTROL_NET or not any(file.endswith(".safetensors") for file in files):
        raise SjcError(not_a_pipeline(name, files, config))


def _missing(name: str, revision: str | None, sizes: Mapping[str, int]) -> int:
    """Bytes of those files that the cache has not."""
    from huggingface_hub import try_to_load_from_cache

    here = (isinstance(try_to_load_from_cache(name, file, revision=revision), str) for file in sizes)
    return sum(size for size, is_here in zip(sizes.values(), here, strict=True) if not is_here)


def check_room(folder: Path, needed: int) -> None:
    """Raises SjcError where the disk that holds the folder, or will, has less than `needed` bytes free and a little."""
    free = free_bytes(folder)
    if needed + _SPARE > free:
        raise SjcError(
            f"{needed / 1e9:.1f} GB are still to be downloaded, but {folder} has only "
            f"{free / 1e9:.1f} GB free; {_more_room()}."
        )


def free_bytes(folder: Path) -> int:
    """What is free on the disk that holds the folder, or will."""
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def _more_room() -> str:
    """How to get room for a download."""
    return here(
        "make room there (sjc models remove), or set HF_HOME to a folder on a larger disk",
        "make room there (Remove Model), or set the environment variable HF_HOME to a folder on a larger disk and "
        "restart Blender",
    )


def reason(error: BaseException, model: str) -> str:
    """Why the hub gave nothing and what to do, in one line; for an unknown error, the client's own first line."""
    from huggingface_hub import errors

    name, revision = split_revision(model)
    if is_gated(error):
        return gated.steps(model)
    for cause in _causes(error):
        if isinstance(cause, errors.RevisionNotFoundError):
            return f'{name} has no revision "{revision}"; look at its branches and tags on the hub.'
        if isinstance(cause, errors.RepositoryNotFoundError):
            return f"the hub knows no model {name}, or it is private; look how it is spelled, or " + here(
                'sign in with "hf auth login".', "press Sign In."
            )
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return _forbidden()
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return f"the disk is full; {_more_room()}, then fetch it again: what came whole is kept."
        if causes.of_text(str(cause)) is causes.CERTIFICATE:
            return causes.CERTIFICATE.advice()
    if any(_no_connection(cause) for cause in _causes(error)):
        return "the hub cannot be reached; look at the network, then fetch it again: what came whole is kept."
    if isinstance(error, SjcError):  # which says what to do
        return str(error)
    advice = "Look at the model's page on the hub, or try again later." if model else "Try again later."
    return f"{first_line(error)}. {advice}"


def is_gated(error: BaseException) -> bool:
    """Whether the hub has refused because the model is only for accounts that accepted its terms."""
    from huggingface_hub import errors

    return any(isinstance(cause, errors.GatedRepoError) for cause in _causes(error))


def sign_in(token: str) -> None:
    """Have the hub's own client check a token and keep it, in its own file and nowhere else. Raises SjcError."""
    from huggingface_hub import constants, login

    token = token.strip()
    if not token:
        raise SjcError(f"No token was given; make one that may read at {constants.ENDPOINT}/settings/tokens.")
    check_online()
    try:
        login(token=token, add_to_git_credential=False, skip_if_logged_in=False)
    except Exception as error:  # noqa: BLE001 (the hub client and its transport raise many kinds)
        why = "" if _refused(error) else reason(error, "").replace(token, "(token)")
        text = f"the hub cannot be asked: {why}" if why else "the hub does not know it; copy it whole, or make another."
        raise SjcError(f"The token is not kept: {text}") from None  # the client's own error may quote the token


def _refused(error: BaseException) -> bool:
    """Whether the hub answered that it does not accept the token."""
    statuses = (getattr(getattr(cause, "response", None), "status_code", None) for cause in _causes(error))
    return any(status in (401, 403) for status in statuses)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, each once."""
    visited: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in visited:
        visited.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _no_connection(error: BaseException) -> bool:
    """Whether no answer came at all. The client's transport has changed its name before: its classes go by name."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, ConnectionError | TimeoutError) or bool(names & {"TransportError", "ConnectTimeout"})

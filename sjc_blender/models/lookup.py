"""What is known of a chosen model: is it here, how large is it, what is missing.  No bpy, no torch, no network.

`look` reads the disk, by the same rules as the worker (models/model_files); `ModelCache` has it done in threads and
remembers the answers, so that a panel can draw them at any time.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..backend.sjc import foreign
from ..backend.sjc.errors import SjcError
from ..backend.sjc.models import hub_ids, memory_plan, model_files, model_list, single_file
from ..backend.sjc.models.layout import SISTER
from ..backend.sjc.models.memory_plan import Plan
from ..backend.sjc.paths import model_name, user_path

__all__ = [
    "ModelCache",
    "ModelInfo",
    "cache_folder",
    "hub_folder",
    "hub_offline",
    "look",
    "memory",
    "readable_size",
    "stamp",
    "words",
]

EMBEDDED = "embedded"
KINDS = ("objects", "colors", "parts")  # of words that say what can be made
RECHECK_SECONDS = 5.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ModelInfo:
    """One answer.

    kind: embedded, folder, file (a checkpoint in one piece), cached (a hub model on this machine), missing (to be
    downloaded), bad.

    folder: where it is, or where a download goes. size: bytes of the weights, 0 if unknown. licence: as the model's
    card states it, "" if it does not. problem: of a bad one, what is missing or refused, in one line. family: such as
    "Stable Diffusion", of one that is here. numbers: how many each of its components has. views: that it sees at once.
    worded: whether its sentences say where a view stands.
    """

    kind: str
    folder: Path
    size: int = 0
    licence: str = ""
    problem: str = ""
    family: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict, hash=False)
    views: int = 1
    worded: bool = True


def hub_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The hub's cache, as the worker's library finds it: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, ~/.cache."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return _expanded(environment[name])
    if environment.get("HF_HOME"):
        return _expanded(environment["HF_HOME"]) / "hub"
    return _expanded(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def cache_folder(model: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the hub's cache keeps everything of `model`."""
    return model_list.repository(hub_folder(environment), model)


def hub_offline(environment: Mapping[str, str] = os.environ) -> str:
    """The variable that keeps the hub's library offline, "" if none does."""
    names = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    yes = {"1", "ON", "YES", "TRUE"}
    return next((name for name in names if environment.get(name, "").upper() in yes), "")


def look(model: str, environment: Mapping[str, str] = os.environ) -> ModelInfo:
    """What there is of `model`: "embedded", a folder, or a hub id such as name/model or name/model@revision.

    Reads the disk; never raises.
    """
    model = model.strip()
    if not model:
        return ModelInfo(
            "bad", Path(), problem="No model is chosen; give embedded, a folder, or a hub id such as name/model."
        )
    try:
        model = model_name(model)
        if model not in model_files.OWN and not user_path(model).exists() and hub_ids.is_hub_id(model):
            return _in_cache(model, hub_folder(environment))
        if model_files.is_single_file(model):
            return _single_file(user_path(model))
        folder = model_files.locate(model)
        return _checked(EMBEDDED if model in model_files.OWN else "folder", folder)
    except SjcError as error:
        return ModelInfo("bad", Path(model), problem=str(error))
    except OSError as error:
        return ModelInfo("bad", Path(model), problem=f"{model} cannot be read: {error.strerror or error}.")
    except Exception as error:  # noqa: BLE001 (the picker goes on, whatever is wrong with one model)
        return ModelInfo("bad", Path(model), problem=f"{model} cannot be read: {foreign.first_line(error)}.")


def stamp(model: str, environment: Mapping[str, str] = os.environ) -> tuple[Any, ...]:
    """Changes when what `look` would say may have changed. A dozen file times; reads no file."""
    model = model.strip()
    folder = model_files.OWN.get(model) or user_path(model)
    repository = cache_folder(model, environment)
    refs = repository / "refs"
    paths = [refs, *_children(refs), repository / "snapshots"]
    paths += [path for base in (folder, *_children(repository / "snapshots")) for path in _model_files(base)]
    return tuple((str(path), _time(path)) for path in paths)


def words(model: str = "embedded") -> dict[str, list[str]]:
    """The words that a model knows, by kind (objects, colors, parts); {} for one that names none, as it knows many.

    Reads a small file. Raises SjcError for a model that is not here, or whose card is damaged.
    """
    info = look(model)
    if info.kind in ("missing", "bad"):
        if info.problem:
            raise SjcError(info.problem)
        raise SjcError(f'The model "{model}" is not on this computer; download it first.')
    known = model_files.read_card(info.folder).get("words", {}) if info.folder.is_dir() else {}
    return {kind: list(listed) for kind, listed in known.items() if kind in KINDS and listed}


def readable_size(size: int) -> str:
    """1234567 -> "1.2 MB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def _in_cache(model: str, cache: Path) -> ModelInfo:
    """As the hub's library looks without a network: refs/main names the snapshot, or the revision in the id."""
    snapshot = model_list.snapshot(cache, model)
    return _checked("cached", snapshot) if snapshot else ModelInfo("missing", cache)


def _single_file(path: Path) -> ModelInfo:
    file = single_file.describe(path)
    family, worded = file.family, file.family.ring is None
    return ModelInfo("file", path, path.stat().st_size, "", "", family.name, file.numbers_of(), family.views, worded)


def _checked(kind: str, folder: Path) -> ModelInfo:
    files = model_files.check(folder)
    licence = model_list.licence(folder)
    family, worded = files.family, files.family.ring is None or files.family.ring.worded
    return ModelInfo(kind, folder, files.weight_bytes, licence, "", family.name, files.numbers_of, family.views, worded)


def memory(info: ModelInfo, on_cpu: bool, free: int | None) -> Plan:
    """Where the parts of a model will go and how many bytes that takes, by the worker's own rule.

    on_cpu: whether the worker computes there. free: bytes of the device, None if nobody knows.
    """
    large = info.size > memory_plan.HALF_PRECISION_ABOVE
    kind, dtype = ("cpu", "float32") if on_cpu else ("cuda", "float16" if large else "float32")
    return memory_plan.plan(info.numbers, kind, dtype, free)


def _model_files(folder: Path) -> list[Path]:
    inside = ("model_index.json", SISTER, "unet", "text_encoder", "tokenizer")
    return [folder, *(folder / part for part in inside)]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):  # no folder, or no path at all
        return []


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def _expanded(path: str) -> Path:
    return user_path(path)


class ModelCache(Generic[Answer]):
    """Answers that were given.  `known` and `stale` touch no disk; `ask` looks in a thread.

    look: finds an answer. stamp: changes when look's answer may have. clock: for tests.
    """

    def __init__(
        self,
        look: Callable[[str], Answer],
        stamp: Callable[[str], tuple[Any, ...]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._stamp, self._clock = look, stamp, clock
        self._answers: dict[str, tuple[Answer, tuple[Any, ...]]] = {}
        self._times: dict[str, float] = {}
        self._threads: dict[str, threading.Thread] = {}

    def known(self, model: str) -> Answer | None:
        """The last answer."""
        answer = self._answers.get(model)
        return answer[0] if answer else None

    def stale(self, model: str) -> bool:
        """Whether it is time to ask: never asked, or some seconds ago, and nobody is asking now."""
        asked = self._times.get(model)
        old = asked is None or self._clock() - asked > RECHECK_SECONDS
        return old and not self._at_work(model)

    def ask(self, model: str) -> None:
        """Look in a thread, if anything has changed on the disk since the last time."""
        if self._at_work(model):
            return
        self._threads[model] = threading.Thread(target=self._ask, args=(model,), name="model", daemon=True)
        self._threads[model].start()

    def forget(self) -> None:
        """Everything may be different: ask again."""
        self._answers.clear()
        self._times.clear()

    @property
    def busy(self) -> bool:
        """Whether a thread looks."""
        return any(map(self._at_work, list(self._threads)))

    def join(self, seconds: float = 10.0) -> None:
        """Wait for the threads, in background Blender and tests."""
        for thread in list(self._threads.values()):
            thread.join(seconds)

    def _at_work(self, model: str) -> bool:
        thread = self._threads.get(model)
        return thread is not None and thread.is_alive()

    def _ask(self, model: str) -> None:
        now, before = self._stamp(model), self._answers.get(model)
        if before is None or before[1] != now:
            self._answers[model] = self._look(model), now
        self._times[model] = self._clock()

"""`sjc doctor` and `sjc models`: what this machine can do, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from . import causes
from .errors import SjcError, here
from .models import distilled, gated, lora, model_files, model_list
from .models.hub_ids import split_revision
from .paths import user_path
from .settings import plain

Line = dict[str, Any]
MIN_MEMORY_GB, MIN_DISK_GB = 2.0, 1.0


class Answer(NamedTuple):
    """What a check came to.

    ok; text: one line that says, where it is not ok, what to do (`_sentences`). code: of `causes`, "" for none.
    """

    ok: bool
    text: str
    code: str = ""


def checks() -> list[Line]:
    """One line each: {"name", "ok", "text"}; a text that is not ok says what to do. For Blender, see `_sentences`.

    There is "code", too, where Blender's panel can offer a button.
    """
    lines = []
    for check in (_python, _torch, _device, _renderer, _runtime, _memory, _disk, _model, _token):
        try:
            answer = check()
        except (SjcError, ImportError, OSError, RuntimeError) as error:
            answer = _failed(error)
        line = {"name": check.__name__[1:], "ok": answer.ok, "text": answer.text}
        lines.append(line | ({"code": answer.code} if answer.code else {}))
    return lines


def _sentences(*sentences: str) -> str:
    """Text of several sentences. In Blender each stands on a line of its own: there they are translated one by one."""
    return here(" ", "\n").join(sentences)


def _failed(error: Exception) -> Answer:
    """What an exception in a check means."""
    first = str(error).strip().partition("\n")[0]
    if cause := causes.of_error(error):
        fact = first if isinstance(error, SjcError) else cause.text
        return Answer(False, _sentences(fact, cause.remedy), cause.code)
    if isinstance(error, SjcError):
        return Answer(False, first)
    again = here("Install the backend again (in a clone: python3 build.py clean, then demo).", _INSTALL_AGAIN)
    return Answer(False, _sentences(f"{(first or type(error).__name__).rstrip('.')}.", again))


_INSTALL_AGAIN = "Press Install Backend to install it again."


def _python() -> Answer:
    version = f"{platform.python_version()} at {sys.executable}"
    ok = sys.version_info >= (3, 11)
    return Answer(ok, version if ok else _sentences(f"{version}.", "Python 3.11 or newer is needed."))


def _torch() -> Answer:
    import torch

    if tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 11):
        return Answer(True, torch.__version__)
    newer = here("2.11 or newer is needed: pip install -U torch.", "2.11 or newer is needed: press Install Backend.")
    return Answer(False, _sentences(f"{torch.__version__}.", newer))


def _device() -> Answer:
    from .machine import cards
    from .machine.devices import choose_device, device_name

    reason = cards.unused()
    if reason and reason.code:
        return Answer(False, _sentences(reason.fact, reason.advice), reason.code)
    name = device_name(choose_device("auto"))
    if reason is None:
        return Answer(True, name)
    return Answer(True, _sentences(f"{name}.", reason.fact, reason.advice))


def _renderer() -> Answer:
    from .field.render import choose
    from .field.render_warp import available
    from .machine.devices import choose_device

    device = choose_device("auto")
    name = choose("auto", device)
    return Answer(True, name if name == "warp" else _sentences("reference, which is slow.", available(device)[1]))


def _runtime() -> Answer:
    from .models import onnx_graph

    if onnx_graph.available():
        import onnxruntime

        return Answer(True, f"ONNX Runtime {onnxruntime.__version__}")
    faster = here("To add ONNX Runtime: pip install onnx onnxruntime", "Install Backend adds ONNX Runtime.")
    return Answer(True, _sentences("torch, which is slower for the embedded model on a CPU.", faster))


def kernels() -> Line:
    """Compile the renderer's kernels for every device, and say how long it took."""
    from .field.compilation import compile_kernels

    try:
        times = [f"{device} in {seconds:.1f} s" for device, seconds in compile_kernels()]
    except Exception as error:  # noqa: BLE001 (compilers fail in many ways, and a job can still try, or do without)
        return {"name": "kernels", "ok": False, "text": f"could not be compiled: {_failed(error).text}"}
    return {"name": "kernels", "ok": True, "text": f"compiled for {', '.join(times)}" if times else "none are needed"}


def _memory() -> Answer:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return Answer(True, "free memory unknown on this system")
    if free >= MIN_MEMORY_GB:
        return Answer(True, f"{free:.1f} GiB free")
    return Answer(False, f"{free:.1f} GiB free; {MIN_MEMORY_GB:g} are needed: close other programs.", "memory")


def _disk() -> Answer:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    if free >= MIN_DISK_GB:
        return Answer(True, f"{free:.1f} GiB free in {Path.cwd()}")
    room = f"{free:.1f} GiB free in {Path.cwd()}; " + here("make room or choose another --out.", "make room there.")
    return Answer(False, room, "disk")


def _model() -> Answer:
    files = model_files.check(model_files.locate("embedded"))
    return Answer(True, f"embedded, {files.weight_bytes / 2**20:.1f} MiB")


def _token() -> Answer:
    """Whether there is a token for gated models, and which of them somebody waits for. Asks no network."""
    from huggingface_hub import constants, get_token

    state = "The hub's own client keeps one." if get_token() else "There is none; only gated models need one."
    waiting = [model for model in gated.awaited() if not _is_here(model)]
    if not waiting:
        return Answer(True, state)
    pages = ", ".join(f"{constants.ENDPOINT}/{split_revision(model)[0]}" for model in waiting)
    return Answer(
        True,
        _sentences(
            state,
            f"Only accounts that have accepted their terms may download {', '.join(waiting)}.",
            f"Accept them at {pages} and make a token that may read at {constants.ENDPOINT}/settings/tokens.",
            here(
                "Then run sjc models login, and sjc models fetch with the model's name.",
                "Then choose the model, press Sign In beside it to give the token, and press Download Model.",
            ),
        ),
    )


def _is_here(model: str) -> bool:
    """Whether a hub model has come in the meantime."""
    try:
        model_files.check(model_files.locate(model))
    except (SjcError, OSError):
        return False
    return True


def model_info(model: str) -> list[Line]:
    """What is known of a model without loading it. Raises SjcError for one that is not there or cannot be used."""
    path = user_path(model)
    if path.suffix == ".safetensors" and path.is_file() and lora.is_one(path):
        words = ", ".join(lora.trigger_words(path)) or "none stated"
        return [{"name": "LoRA", "text": model}, {"name": "words", "text": words}]
    folder = model_files.locate(model)
    files = model_files.check(folder)
    rows: list[Line] = [
        {"name": "model", "text": model},
        {"name": "folder", "text": str(files.folder)},
        {"name": "pipeline", "text": str(files.index.get("_class_name", "?"))},
        {"name": "size", "text": f"{files.weight_bytes / 2**20:.1f} MiB"},
        {"name": "family", "text": files.family.label},
        {
            "name": "latents" if files.family.latent else "pixels",
            "text": str(files.configs[files.family.network].get("sample_size", "any")),
        },
    ]
    if files.folder.parent.name == "snapshots":
        rows.append({"name": "revision", "text": files.folder.name})
    rows.append({"name": "licence", "text": model_list.licence(files.folder) or "none stated"})
    rows.append({"name": "memory", "text": _plan(files)})
    if once := distilled.scale(folder):
        rows.append({"name": "guidance", "text": f"{plain(once)} in one call (distilled)"})
    vocabulary = model_files.read_card(folder).get("words", {})
    kinds = (kind for kind in ("objects", "colors", "parts") if kind in vocabulary)
    rows += [{"name": kind, "text": ", ".join(vocabulary[kind])} for kind in kinds]
    return rows


def _plan(files: model_files.ModelFiles) -> str:
    """What loading it on this machine's device would do; asks torch for the device."""
    from .machine.devices import choose_device
    from .models.loading import usual_dtype
    from .models.memory_plan import plan_for

    device = choose_device("auto")
    return plan_for(files, device.type, str(usual_dtype(files, device)).removeprefix("torch.")).sentence()


def print_table(rows: list[Line], write: Callable[[str], object] = print) -> None:
    """Two columns."""
    for row in rows:
        write(f"{row['name']:<9} {row['text']}")

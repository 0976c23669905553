"""`sjc doctor` and `sjc models`: what this machine can do, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .errors import SjcError
from .models import distilled, lora, model_files, model_list
from .paths import user_path
from .settings import plain

Line = dict[str, Any]
MIN_MEMORY_GB, MIN_DISK_GB = 2.0, 1.0


def checks() -> list[Line]:
    """One line each: {"name", "ok", "text"}; a text that is not ok says what to do."""
    lines = []
    for check in (_python, _torch, _device, _renderer, _runtime, _memory, _disk, _model):
        try:
            ok, text = check()
        except SjcError as error:
            ok, text = False, str(error)
        except (ImportError, OSError) as error:
            ok, text = False, f"{error}; install the backend again (python3 build.py clean, then demo)."
        lines.append({"name": check.__name__[1:], "ok": ok, "text": text})
    return lines


def _python() -> tuple[bool, str]:
    ok = sys.version_info >= (3, 11)
    return ok, f"{platform.python_version()} at {sys.executable}" + ("" if ok else "; 3.11 or newer is needed.")


def _torch() -> tuple[bool, str]:
    import torch

    ok = tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2]) >= (2, 11)
    return ok, torch.__version__ + ("" if ok else "; 2.11 or newer is needed: pip install -U torch.")


def _device() -> tuple[bool, str]:
    import torch

    from .machine.devices import choose_device, device_name

    if not torch.cuda.is_available() and (card := _nvidia()):
        return False, f"{card} is here, but torch {torch.__version__} is a CPU build: install torch with CUDA."
    return True, device_name(choose_device("auto"))


def _nvidia() -> str:
    """The card that the driver names, "" without one."""
    program = shutil.which("nvidia-smi")
    if not program:
        return ""
    try:
        done = subprocess.run(
            [program, "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def _renderer() -> tuple[bool, str]:
    from .field.render import choose
    from .field.render_warp import available
    from .machine.devices import choose_device

    device = choose_device("auto")
    name = choose("auto", device)
    return True, name if name == "warp" else f"reference (slow): {available(device)[1]}"


def _runtime() -> tuple[bool, str]:
    from .models import onnx_unet

    if onnx_unet.available():
        import onnxruntime

        return True, f"ONNX Runtime {onnxruntime.__version__}"
    return True, "torch (slower for the embedded model on a CPU): pip install onnx onnxruntime"


def _memory() -> tuple[bool, str]:
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):
        return True, "free memory unknown on this system"
    ok = free >= MIN_MEMORY_GB
    return ok, f"{free:.1f} GiB free" + ("" if ok else f"; {MIN_MEMORY_GB:g} are needed: close other programs.")


def _disk() -> tuple[bool, str]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    ok = free >= MIN_DISK_GB
    return ok, f"{free:.1f} GiB free in {Path.cwd()}" + ("" if ok else "; make room or choose another --out.")


def _model() -> tuple[bool, str]:
    files = model_files.check(model_files.locate("embedded"))
    return True, f"embedded, {files.weight_bytes / 2**20:.1f} MiB"


def model_info(model: str) -> list[Line]:
    """What is known of a model without loading it. Raises SjcError for one that is not there or cannot be used."""
    path = user_path(model)
    if path.suffix == ".safetensors" and path.is_file() and lora.is_one(path):
        words = ", ".join(lora.trigger_words(path)) or "none stated"
        return [{"name": "LoRA", "text": model}, {"name": "words", "text": words}]
    files = model_files.check(model_files.locate(model))
    rows: list[Line] = [
        {"name": "model", "text": model},
        {"name": "folder", "text": str(files.folder)},
        {"name": "pipeline", "text": str(files.index.get("_class_name", "?"))},
        {"name": "size", "text": f"{files.weight_bytes / 2**20:.1f} MiB"},
        {"name": "family", "text": files.family.name},
        {
            "name": "latents" if files.family.latent else "pixels",
            "text": str(files.configs[files.family.network].get("sample_size", "any")),
        },
    ]
    if files.folder.parent.name == "snapshots":
        rows.append({"name": "revision", "text": files.folder.name})
    rows.append({"name": "licence", "text": model_list.licence(files.folder) or "none stated"})
    rows.append({"name": "memory", "text": _plan(files)})
    if once := distilled.scale(files.folder):
        rows.append({"name": "guidance", "text": f"{plain(once)} in one call (distilled)"})
    vocabulary = model_files.read_card(files.folder).get("words", {})
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

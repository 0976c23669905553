"""No library reports on the person who uses it, or writes where nobody looks: all switches for that, in one place.

`tests/e2e/test_nobody_is_called.py` watches whole jobs: no look-up, no connection, no file outside the job folder, our
cache and temporary files.
"""

import os

from .folders import cache_folder

SWITCHES = {
    # ONNX Runtime looks up its maker's host as soon as it is imported, also offline, and keeps a device id in the
    # user's cache folder (measured: 1.32 writes .cache/Microsoft/DeveloperTools; with the switch it writes nothing).
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub; diffusers and transformers report through it
    "DISABLE_TELEMETRY": "1",  # its older name, which diffusers reads, too
    "WANDB_MODE": "disabled",  # accelerate and transformers know trackers, where somebody has installed them
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray, where it is installed
    "DO_NOT_TRACK": "1",  # what the others agree on
}
CACHES = {
    # matplotlib writes a list of fonts, Warp and the drivers compiled kernels: each to a place of its own in the home
    # folder, unless the person has named another.
    "MPLCONFIGDIR": "matplotlib",
    "WARP_CACHE_PATH": "warp",
    "CUDA_CACHE_PATH": "cuda",
    "TRITON_CACHE_DIR": "triton",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
}


def switch_off() -> None:
    """Set the switches for this process and its children. Call it before the libraries are imported."""
    os.environ.update(SWITCHES)
    for name, kind in CACHES.items():
        os.environ.setdefault(name, str(cache_folder(kind)))

"""No library reports on the person who uses it: the switches that turn such reports off, all in one place."""

import os

SWITCHES = {
    # ONNX Runtime looks up its maker's host as soon as it is imported, also offline, and keeps a device id in the
    # user's cache folder (measured: 1.32 writes .cache/Microsoft/DeveloperTools; with the switch it writes nothing).
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # diffusers and huggingface_hub
    "DO_NOT_TRACK": "1",  # what the others agree on
}


def switch_off() -> None:
    """Set the switches for this process and its children. Call it before the libraries are imported."""
    os.environ.update(SWITCHES)

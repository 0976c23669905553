"""The files of a model in the ordinary diffusers layout, by name.  Standard library only."""

from __future__ import annotations

import re

from ..errors import SjcError

DISTILLED = "distilled.safetensors"
"""An adapter that builds a guidance scale into the network, beside model_index.json (distilled.py)."""
PICKLE_SUFFIXES = (".bin", ".ckpt", ".pt", ".pth", ".pkl", ".msgpack", ".h5")
"""Files whose reading can run a program, and other libraries' weights: never read."""
WEIGHT_STEMS = {
    "unet": "diffusion_pytorch_model",
    "transformer": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
    "text_encoder_2": "model",
    "text_encoder_3": "model",
}


def wanted_files(names: list[str]) -> list[str]:
    """Of a hub repository's files, those worth fetching.

    Configs, tokenizer, and one set of safetensors weights per component: half precision where there is one (half the
    download; read back as float32 on a CPU).
    """
    if "model_index.json" not in names:
        raise SjcError("That repository is not a diffusers pipeline: it has no model_index.json.")
    wanted = ["model_index.json"] + [n for n in names if n in ("sjc.json", DISTILLED)]
    wanted += [n for n in names if re.match(r"(tokenizer(_\d)?|scheduler)/", n)]
    for component in WEIGHT_STEMS:
        inside = [n for n in names if n.startswith(f"{component}/")]
        weights = [n for n in inside if n.endswith(".safetensors") or ".safetensors.index" in n]
        half = [n for n in weights if ".fp16" in n]
        if inside:
            wanted += [f"{component}/config.json", *(half or weights)]
    return wanted

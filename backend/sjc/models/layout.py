"""The files of a model in the ordinary diffusers layout, by name.  Standard library only."""

from __future__ import annotations

import re

from ..errors import SjcError

DISTILLED = "distilled.safetensors"
"""An adapter that builds a guidance scale into the network, beside model_index.json (distilled.py)."""
SISTER = "four_views.safetensors"
"""What the embedded model's sister for four views has beside the shipped network (four_views.py)."""
CONFIG, CONTROL_STEM = "config.json", "diffusion_pytorch_model"
"""What a ControlNet consists of; it stands at the top of its folder."""
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
    download; read back as float32 on a CPU).  Of a ControlNet its config and weights.  Raises SjcError for anything
    else, and for pickles without safetensors.
    """
    if "model_index.json" not in names:
        if CONFIG in names and (weights := _one_set(names, CONTROL_STEM)):
            return [CONFIG, *weights]
        raise SjcError("That repository is not a diffusers pipeline: it has no model_index.json.")
    wanted = ["model_index.json"] + [n for n in names if n in ("sjc.json", DISTILLED)]
    wanted += [n for n in names if re.match(r"(tokenizer(_\d)?|scheduler)/", n)]
    for component, stem in WEIGHT_STEMS.items():
        inside = [n.removeprefix(f"{component}/") for n in names if n.startswith(f"{component}/")]
        weights = _one_set(inside, stem)
        pickled = [n for n in inside if n.endswith(PICKLE_SUFFIXES)]
        if pickled and not weights:
            raise SjcError(
                f"its {component} is there only as a pickle ({pickled[0]}), which is not read; take a repository or a "
                "revision with safetensors."
            )
        if inside:
            wanted += [f"{component}/{name}" for name in ("config.json", *weights)]
    return wanted


def _one_set(names: list[str], stem: str) -> list[str]:
    """One variant of a component's weights, whole or in shards: half precision, else the plain one, else any."""
    sets: dict[str, list[str]] = {}
    for name in names:
        match = re.fullmatch(rf"{stem}(?:\.(\w+))?(?:-\d+-of-\d+)?\.safetensors", name)
        match = match or re.fullmatch(rf"{stem}\.safetensors\.index(?:\.(\w+))?\.json", name)
        if match:
            sets.setdefault(match[1] or "", []).append(name)
    order = ["fp16", "", *sorted(sets)]
    return next((sets[variant] for variant in order if variant in sets), [])

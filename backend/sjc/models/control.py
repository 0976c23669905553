"""A depth ControlNet (Zhang et al., arXiv 2302.05543): a copy of a UNet's encoder that is shown a picture of depths.

What it makes of the picture is added within the UNet, at its skip connections and in its middle.  A ControlNet is a
folder with config.json and weights in safetensors, as diffusers saves one, or a hub id.  Standard library only
(huggingface_hub is imported for hub ids alone).
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import foreign
from ..errors import SjcError, here
from ..paths import near, user_path
from .config_limits import check_part
from .families import SDXL, STABLE_DIFFUSION
from .hub_ids import is_hub_id, split_revision
from .known_classes import CONTROL_NET, check_config
from .layout import CONFIG, CONTROL_STEM
from .model_files import check_files, weights_of
from .small_files import read_json

if TYPE_CHECKING:
    from .model_files import ModelFiles

SCALE = 0.8
"""By how much its residuals count; SyncMVD (arXiv 2311.12891) takes 0.7, rising to 0.9."""
_ALIKE: dict[str, Any] = {
    "in_channels": 4, "cross_attention_dim": 1280, "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2,
    "addition_embed_type": None, "projection_class_embeddings_input_dim": None,
}  # fmt: skip
"""What must be the UNet's, for what is added to have its shapes, with diffusers' defaults."""
_EMBEDDING = (16, 32, 96, 256)  # diffusers' default
MOST_STAGES = 6  # of the picture's way down to latents, each but the first half as large: 32 pixels a latent


@dataclass(frozen=True)
class ControlFiles:
    """A checked folder: its config, the variant of its weights (None or e.g. "fp16"), and how many numbers they are."""

    source: str
    folder: Path
    config: dict[str, Any]
    variant: str | None
    numbers: int

    @property
    def pixels_per_latent(self) -> int:
        """Pixels of the depth picture along the edge of one latent."""
        return 2 ** (len(self.config.get("conditioning_embedding_out_channels") or _EMBEDDING) - 1)

    @property
    def record(self) -> dict[str, str | None]:
        """What run.json says of it: where it came from, and its commit in the hub's cache."""
        cached = self.folder.parent.name == "snapshots"
        return {"source": self.source, "revision": self.folder.name if cached else None}


def check(text: str) -> ControlFiles | None:
    """The ControlNet that the setting control names, None for "".  Raises SjcError, one line, for anything else."""
    if not text:
        return None
    folder = _located(text)
    path = folder / CONFIG
    check_files(folder)
    if not path.is_file():
        pipeline = (folder / "model_index.json").is_file()
        raise SjcError(
            f"{folder} is a whole model, not a ControlNet; it goes into the setting model."
            if pipeline
            else f"{folder} has no {CONFIG}; give the folder of a ControlNet in the diffusers format."
        )
    config = read_json(path)
    name = config.get("_class_name")
    if name != CONTROL_NET:
        raise SjcError(f"{folder} is a {foreign.shown(name)}; give a {CONTROL_NET} as control, or leave it empty.")
    check_config(path, config)
    channels = config.get("conditioning_embedding_out_channels") or _EMBEDDING
    if not isinstance(channels, list | tuple) or len(channels) > MOST_STAGES:
        raise SjcError(
            f"{path}: conditioning_embedding_out_channels is {foreign.shown(channels)}; it must be a list of at most "
            f"{MOST_STAGES} numbers."
        )
    variant, size = weights_of(folder, CONTROL_STEM)
    check_part(path, config, size.tensors, size.largest)
    if config.get("conditioning_channels", 3) != 3:
        channels = foreign.shown(config["conditioning_channels"])
        raise SjcError(f"{folder} takes pictures of {channels} channels, not 3; take a ControlNet for depths.")
    return ControlFiles(text, folder, config, variant, size.numbers)


def _located(text: str) -> Path:
    path = user_path(text)
    if foreign.is_folder(path):
        return path
    if foreign.kind(path):
        raise SjcError(f"{path} is a file; give the folder of a ControlNet in the diffusers format, or a hub id.")
    if is_hub_id(text):
        from huggingface_hub import try_to_load_from_cache

        name, revision = split_revision(text)
        with contextlib.suppress(ValueError):  # an id that the client does not take
            config = try_to_load_from_cache(name, CONFIG, revision=revision)
            if isinstance(config, str):
                return Path(config).parent
        raise SjcError(
            f'The ControlNet "{text}" is neither a folder nor in the local model cache; '
            + here(
                f'fetch it once with "sjc models fetch {text}".', "fetch it with the command line, or give a folder."
            )
        )
    other = near(path)
    raise SjcError(
        f'There is no ControlNet folder "{text}"'
        + (f", but there is {other}: write it with the same letters." if other else "; give a folder or a hub id.")
    )


def check_base(control: ControlFiles, files: ModelFiles) -> None:
    """Raises SjcError, one line, where the ControlNet was made for another kind of model."""
    family = files.family
    if family not in (STABLE_DIFFUSION, SDXL):
        raise SjcError(
            f"A ControlNet works with Stable Diffusion 1, 2 and SDXL, but the model is of the family {family.name}; "
            "leave control empty."
        )
    unet = files.configs["unet"]
    if unet.get("encoder_hid_dim_type"):
        raise SjcError("The model changes its text before it reads it, which no ControlNet knows; leave control empty.")
    for name, usual in _ALIKE.items():
        own, its = (_plain(config.get(name, usual)) for config in (unet, control.config))
        if own != its:
            raise SjcError(
                f"The ControlNet {control.source} was made for another kind of model: its {name} is "
                f"{foreign.shown(its)}, the model's {foreign.shown(own)}; take one for this model."
            )


def _plain(value: Any) -> Any:
    """A list of the same number again and again is that number: diffusers writes either."""
    return value[0] if isinstance(value, list) and value and all(one == value[0] for one in value) else value

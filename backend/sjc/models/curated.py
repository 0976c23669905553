"""The short list of models to begin with: read by `sjc models list`, Blender's preferences and docs/models.md.

Standard library only. Sizes are those of their parts in half precision, which is what `sjc models fetch` takes where
the hub has it: about what a download will be. How large one really is, the hub says (`download_info.ask`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .memory_plan import BYTES, plan

__all__ = ["CURATED", "Curated", "find", "table"]

_VAE = 83_653_863
_CLIP_L = 123_060_480


@dataclass(frozen=True)
class Curated:
    """One model of the list.

    hub_id: on the hub. revision: the commit that is taken; "" takes the main branch as it is on the day of the download
    (run.json and `sjc models list` state which commit that was). name, family: for people. good_for: a sentence.
    licence: as the model's page states it. numbers: how many each of its parts has. run: whether its own weights were
    run; if not, only small random models of its layout were.
    """

    hub_id: str
    revision: str
    name: str
    family: str
    good_for: str
    licence: str
    numbers: dict[str, int]
    run: bool = False

    @property
    def model(self) -> str:
        """What a job, `sjc models fetch` and the panel take."""
        return f"{self.hub_id}@{self.revision}" if self.revision else self.hub_id

    @property
    def size(self) -> int:
        """Bytes of the weights in half precision: about what is downloaded."""
        return BYTES["float16"] * sum(self.numbers.values())

    @property
    def memory(self) -> int:
        """Bytes on a graphics card while it works, by the rule of `memory_plan`."""
        return plan(self.numbers, "cuda", "float16", None).needed

    @property
    def tried(self) -> str:
        """What was tried of it, in a sentence."""
        note = "Its own weights were run." if self.run else "Only its layout was tested; its weights were never run."
        return note


CURATED = (
    Curated(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        "Stable Diffusion 1.5",
        "Stable Diffusion",
        "A first large model: the preset Paper has the settings that the paper's authors used with it.",
        "creativeml-openrail-m",
        {"unet": 859_520_964, "vae": _VAE, "text_encoder": _CLIP_L},
    ),
    Curated(
        "ashawkey/mvdream-sd2.1-diffusers",
        "",
        "MVDream",
        "MVDream",
        "Things with a front: it draws four sides at once, which works against a face on every side.",
        "openrail",
        {"unet": 865_910_724 + 1280 * (16 + 1 + 1280 + 1), "vae": _VAE, "text_encoder": 340_387_840},
    ),
    Curated(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "462165984030d82259a11f4367a4eed129e94a7b",
        "Stable Diffusion XL",
        "SDXL",
        "The largest pictures (1024 pixels), for cards with much memory.",
        "openrail++",
        {"unet": 2_567_463_684, "vae": _VAE, "text_encoder": _CLIP_L, "text_encoder_2": 694_659_840},
    ),
)


def find(model: str) -> Curated | None:
    """The entry of a model as a job takes it; None for any other."""
    return next((entry for entry in CURATED if model.strip() in (entry.model, entry.hub_id)), None)


def table() -> list[str]:
    """The list as a table in Markdown, for docs/models.md."""
    lines = ["| model | good for | download | memory | licence | tried |", "| --- | --- | --- | --- | --- | --- |"]
    for entry in CURATED:
        size, memory = (f"{number / 1e9:.1f} GB" for number in (entry.size, entry.memory))
        tried = "yes" if entry.run else "layout only"
        lines.append(f"| `{entry.model}` | {entry.good_for} | about {size} | {memory} | {entry.licence} | {tried} |")
    return lines

"""Prompts: the check every prompt passes, and the words that tell the model where the camera stands.  Stdlib only."""

from __future__ import annotations

import math
import re
import unicodedata

from ..errors import SjcError

VIEW_STYLES = ("fine", "paper", "none")
MAX_CHARACTERS = 1000
OVERHEAD_ELEVATION = math.degrees(math.asin(2 / 3))
"""41.81 degrees: the released code says "overhead" for the top 30 of its 0..100 draw, cos(polar) > 2/3."""


_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Zero-width spaces, joiners, direction marks and soft hyphens: they come along when text is copied."""
_LORA_TAG = re.compile(r"<\s*(lora|lyco|hypernet)\s*:[^<>]*>", re.IGNORECASE)
_WEIGHT = re.compile(r"\([^()]*:\s*[-+]?[\d.]+\s*\)|\(\(|\[[^\[\]/][^\[\]]*\]|\\[()\[\]]")


def check_syntax(prompt: str, name: str = "prompt") -> None:
    """Raises SjcError for what other programs read as orders rather than words, and what to write instead.

    A <lora:name:0.8>; weights, (word:1.3), ((word)) and [word]; brackets behind a backslash.  Here they would only be
    odd words.
    """
    if tag := _LORA_TAG.search(prompt):
        raise SjcError(
            f"{name}: {tag[0]} is another program's way to name a LoRA; take it out and give its file as lora, "
            "PATH:0.8."
        )
    if weight := _WEIGHT.search(prompt):
        raise SjcError(
            f"{name}: {weight[0]} is another program's way to weigh words, which is not read here; write the words "
            "without brackets."
        )


def clean_prompt(text: object, *, name: str = "prompt", allow_empty: bool = False) -> str:
    """The prompt in composed form (NFC), its runs of spaces and tabs made one space, invisible characters left out.

    Raises SjcError for what is not text, an empty prompt (unless allowed), more than 1000 characters, and control
    characters or broken surrogates inside it; `name` opens the message.
    """
    if not isinstance(text, str):
        raise SjcError(f"{name}: needs text, not {type(text).__name__}.")
    stripped = _INVISIBLE.sub("", text).replace("\t", " ").strip()
    if len(stripped) > MAX_CHARACTERS:
        raise SjcError(f"{name}: {len(stripped)} characters are too many; use at most {MAX_CHARACTERS}.")
    for character in stripped:
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp"):
            raise SjcError(
                f"{name}: holds the control character U+{ord(character):04X}; write it as one line of plain text."
            )
    cleaned = " ".join(unicodedata.normalize("NFC", stripped).split())
    if not cleaned and not allow_empty:
        raise SjcError(f'{name}: is empty; say what to make, for example "a red mushroom".')
    return cleaned


def view_prompt(style: str, azimuth_deg: float, elevation_deg: float, prompt: str) -> str:
    """The prompt with the words of its view in front.

    Azimuth 0 is the front (camera at -Y), 90 the camera at +X; degrees, any turn.  "paper": as released, "overhead view
    of" above 41.81 degrees, else "front", "side" or "backside view of" by the quadrant centred on 0, 90, 180, 270.
    "fine": "azimuth 130 elevation 20 view of", both rounded to 10, azimuth in
    0..350.  "none": the prompt alone.  Raises SjcError for another style.
    """
    if style == "none":
        return prompt
    if style == "paper":
        return f"{_released_view(azimuth_deg, elevation_deg)} view of {prompt}"
    if style == "fine":
        azimuth = round_to_ten(azimuth_deg) % 360
        return f"azimuth {azimuth} elevation {round_to_ten(elevation_deg)} view of {prompt}"
    raise SjcError(f'Unknown view words "{style}"; choose one of {", ".join(VIEW_STYLES)}.')


def _released_view(azimuth_deg: float, elevation_deg: float) -> str:
    if elevation_deg > OVERHEAD_ELEVATION:
        return "overhead"
    quadrant = math.floor((azimuth_deg + 45) / 90) % 4
    return ("front", "side", "backside", "side")[quadrant]


def round_to_ten(degrees: float) -> int:
    """The angle as fine view words name it."""
    return 10 * math.floor(degrees / 10 + 0.5)

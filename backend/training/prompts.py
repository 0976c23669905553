"""The grammar of the world's prompts: from a sentence to an object and its colours, and from those to sentences."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from sjc.guidance.prompts import view_prompt
from training.world import COLORS, HELD_OUT, SYNONYMS, THINGS

FILLERS = {"a", "an", "the", "and", "with", "of", "in"}


@dataclass(frozen=True)
class Described:
    """What a prompt means: an object, its main colour, and the colour of every named slot."""

    name: str
    color: str
    slots: dict[str, str]

    def palette(self) -> list[str]:
        """Colour name of every part, in the order of THINGS[name].parts."""
        named = {"main": self.color, **self.slots}
        return [p.slot[1:] if p.slot[0] == "=" else named[p.slot] for p in THINGS[self.name].parts]


def parse(prompt: str) -> Described:
    """Read a prompt of the world. Raises ValueError with the word that does not fit.

    A colour belongs to the noun that follows it directly, or that stands before it after a comma ("mushroom, red").
    """
    words = [SYNONYMS.get(w, w) for w in re.findall(r"[a-z]+", prompt.lower())]
    words = [w for w in words if w not in FILLERS]
    names = [w for w in words if w in THINGS]
    if len(names) != 1:
        raise ValueError(f"the prompt names {len(names)} objects of the world, expected one: {prompt!r}")
    thing = THINGS[names[0]]
    colors: dict[str, str] = {}
    pending: str | None = None
    last: str | None = None
    for word in words:
        if word in COLORS:
            if pending is not None:
                raise ValueError(f"two colours in a row: {pending} {word}")
            pending = word
        elif word == names[0] or word in thing.slots:
            last = "main" if word == names[0] else word
            if pending is not None:
                colors[last], pending = pending, None
        else:
            raise ValueError(f"{word!r} is no word for {names[0]}")
        if (
            pending is not None
            and last is not None
            and last not in colors
            and _postponed(prompt, last, pending, names[0])
        ):
            colors[last], pending = pending, None
    if pending is not None:
        raise ValueError(f"nothing takes the colour {pending!r}")
    main = colors.get("main", thing.color)
    slots = {slot: colors.get(slot, main if default == "main" else default) for slot, default in thing.slots.items()}
    return Described(names[0], main, slots)


def _postponed(prompt: str, slot: str, color: str, name: str) -> bool:
    """Whether the colour stands after a comma behind its noun."""
    noun = name if slot == "main" else slot
    nouns = "|".join([noun, *(k for k, v in SYNONYMS.items() if v == noun)])
    inks = "|".join([color, *(k for k, v in SYNONYMS.items() if v == color)])
    return re.search(rf"\b(?:{nouns})\s*,\s*(?:{inks})\b", prompt.lower()) is not None


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _word(word: str, rng: random.Random) -> str:
    """The word, or now and then a synonym."""
    others = [k for k, v in SYNONYMS.items() if v == word]
    return rng.choice(others) if others and rng.random() < 0.2 else word


def phrase(described: Described, rng: random.Random) -> str:
    """A sentence that parses to `described`; which of many equal ones is drawn by `rng`."""
    thing = THINGS[described.name]
    noun = _word(described.name, rng)
    color = _word(described.color, rng)
    if described.color == thing.color and rng.random() < 0.4:
        text = noun if rng.random() < 0.3 else f"{_article(noun)} {noun}"
    elif rng.random() < 0.15:
        text = f"{noun}, {color}" if rng.random() < 0.5 else f"{_article(noun)} {noun}, {color}"
    else:
        text = f"{color} {noun}" if rng.random() < 0.2 else f"{_article(color)} {color} {noun}"
    clauses = []
    for slot, default in thing.slots.items():
        value = described.slots[slot]
        if value != (described.color if default == "main" else default) or rng.random() < 0.15:
            ink = _word(value, rng)
            article = "" if slot.endswith("s") or rng.random() < 0.1 else _article(ink) + " "
            clauses.append(f"{article}{ink} {slot}")
    rng.shuffle(clauses)
    comma = "," if text.find(",") >= 0 or rng.random() < 0.1 else ""
    return text + (f"{comma} with " + " and ".join(clauses) if clauses else "")


def random_described(index: int, rng: random.Random, slot_chance: float = 0.5) -> Described:
    """A random colouring of object number `index`; pairs in HELD_OUT never come."""
    name = list(THINGS)[index]
    thing = THINGS[name]
    color = rng.choice([c for c in COLORS if (name, c) not in HELD_OUT])
    slots = {
        slot: rng.choice(list(COLORS)) if rng.random() < slot_chance else (color if default == "main" else default)
        for slot, default in thing.slots.items()
    }
    return Described(name, color, slots)


def random_views(text: str, angles: list[tuple[float, float]], rng: random.Random) -> list[str]:
    """The sentence with words for each (azimuth, elevation): mostly the fine ones, some of the paper's, some none."""
    style = rng.choices(["fine", "paper", "none"], [0.8, 0.1, 0.1])[0]
    return [view_prompt(style, azimuth, elevation, text) for azimuth, elevation in angles]

"""The embedded world: objects of named parts, colours, and the grammar of its prompts.

Every object fits in a ball of radius 0.86 around the origin, stands upright along +z and faces -y (azimuth 0).
A part is exact geometry (training.solids) with a colour slot: "main" follows the prompt's colour, any other slot has a
name that the prompt may colour ("with a white stem") and a default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from training import solids as s

COLORS: dict[str, tuple[float, float, float]] = {  # sRGB-encoded
    "red": (0.85, 0.10, 0.10),
    "orange": (0.95, 0.50, 0.05),
    "yellow": (0.95, 0.85, 0.10),
    "green": (0.15, 0.60, 0.15),
    "blue": (0.12, 0.25, 0.85),
    "purple": (0.50, 0.15, 0.65),
    "pink": (0.95, 0.50, 0.70),
    "brown": (0.45, 0.27, 0.12),
    "white": (0.95, 0.95, 0.95),
    "gray": (0.50, 0.50, 0.50),
    "black": (0.08, 0.08, 0.08),
    "cyan": (0.10, 0.75, 0.80),
}
SYNONYMS = {"grey": "gray", "ball": "sphere", "donut": "torus", "ring": "torus", "cup": "mug", "plane": "airplane"}
RADIUS = 0.86


@dataclass(frozen=True)
class Part:
    """One solid with its colour slot: "main", a named slot, or a fixed colour written "=orange"."""

    solid: Callable[[Tensor], Tensor]
    slot: str = "main"


@dataclass(frozen=True)
class Thing:
    """An object: its parts, its default main colour, and for every named slot the default colour.

    A slot's default "main" means that it follows the main colour unless the prompt says otherwise.
    """

    parts: tuple[Part, ...]
    color: str
    slots: dict[str, str]


def _thing(color: str, slots: dict[str, str], *parts: Part) -> Thing:
    return Thing(parts, color, slots)


def _chair() -> Thing:
    leg = [s.box((x, y, -0.42), (0.085, 0.085, 0.27), 0.02) for x in (-0.29, 0.29) for y in (-0.29, 0.29)]
    back = s.box((0.0, 0.29, 0.31), (0.38, 0.09, 0.36), 0.03)
    return _thing(
        "brown",
        {"seat": "main"},
        Part(s.union(*leg, back)),
        Part(s.box((0, 0, -0.10), (0.40, 0.40, 0.10), 0.03), "seat"),
    )


def _table() -> Thing:
    legs = [s.box((x, y, -0.2), (0.10, 0.10, 0.35), 0.02) for x in (-0.42, 0.42) for y in (-0.3, 0.3)]
    return _thing(
        "brown", {"legs": "main"}, Part(s.box((0, 0, 0.22), (0.6, 0.46, 0.10), 0.03)), Part(s.union(*legs), "legs")
    )


def _mug() -> Thing:
    # Three quarters full, in a colour of its own. Without light nothing in a picture tells an empty mug from one under
    # a lid of its own colour, so the truth of an empty one cannot be found (measured, the model's card).
    coffee = s.cylinder((-0.1, 0, -0.06), 0.34, 0.36)
    hollow = s.cylinder((-0.1, 0, 0.14), 0.34, 0.55)
    body = s.difference(s.cylinder((-0.1, 0, 0), 0.46, 0.52), hollow)
    handle = s.difference(s.torus((0.36, 0, 0.0), 0.27, 0.095, axis=1), s.cylinder((-0.1, 0, 0), 0.45, 0.6))
    return _thing("blue", {"handle": "main"}, Part(body), Part(handle, "handle"), Part(coffee, "=brown"))


def _house() -> Thing:
    roof = s.extruded([(-0.58, 0.02), (0.58, 0.02), (0.0, 0.66)], 0.5, axis=1)
    return _thing(
        "yellow",
        {"roof": "red", "door": "brown"},
        Part(s.box((0, 0, -0.25), (0.46, 0.42, 0.29))),
        Part(roof, "roof"),
        Part(s.box((0.14, -0.42, -0.32), (0.12, 0.04, 0.22)), "door"),
    )


def _snowman() -> Thing:
    hat = s.union(s.cylinder((0, 0, 0.57), 0.30, 0.035), s.cylinder((0, 0, 0.68), 0.19, 0.12))
    return _thing(
        "white",
        {"hat": "black", "nose": "orange"},
        Part(s.union(s.sphere((0, 0, -0.36), 0.42), s.sphere((0, 0, 0.25), 0.31))),
        Part(hat, "hat"),
        Part(s.cone((0, -0.38, 0.27), 0.02, 0.09, 0.14, axis=1), "nose"),
    )


def _rocket() -> Thing:
    body = s.union(s.cylinder((0, 0, -0.05), 0.26, 0.42), s.ellipsoid((0, 0, 0.37), (0.26, 0.26, 0.42)))
    fins = s.union(
        s.extruded([(-0.46, -0.67), (0.46, -0.67), (0.24, -0.12), (-0.24, -0.12)], 0.085, axis=1),
        s.extruded([(-0.46, -0.67), (0.46, -0.67), (0.24, -0.12), (-0.24, -0.12)], 0.085, axis=0),
    )
    return _thing("white", {"fins": "red"}, Part(body), Part(fins, "fins"))


def _duck() -> Thing:
    body = s.union(
        s.ellipsoid((0, 0.08, -0.26), (0.40, 0.56, 0.36)),
        s.cone((0, 0.58, -0.02), 0.2, 0.03, 0.18, axis=1),
        s.sphere((0, -0.24, 0.34), 0.29),
    )
    return _thing(
        "yellow", {"beak": "orange"}, Part(body), Part(s.ellipsoid((0, -0.56, 0.30), (0.15, 0.19, 0.08)), "beak")
    )


def _car() -> Thing:
    body = s.union(
        s.box((0, 0, -0.12), (0.36, 0.70, 0.17), 0.06),
        s.extruded([(-0.26, 0.0), (0.52, 0.0), (0.36, 0.32), (-0.06, 0.32)], 0.30, axis=0),
    )
    wheels = [s.cylinder((x, y, -0.28), 0.18, 0.09, axis=0) for x in (-0.34, 0.34) for y in (-0.40, 0.40)]
    return _thing("red", {"wheels": "black"}, Part(body), Part(s.union(*wheels), "wheels"))


def _airplane() -> Thing:
    body = s.ellipsoid((0, 0, 0), (0.20, 0.76, 0.20))
    wings = s.union(
        s.box((0, -0.08, 0), (0.74, 0.21, 0.085), 0.04),
        s.box((0, 0.60, 0.06), (0.34, 0.13, 0.08), 0.04),
        s.box((0, 0.60, 0.22), (0.08, 0.13, 0.20), 0.04),
    )
    return _thing("white", {"wings": "blue"}, Part(body), Part(wings, "wings"))


def _boat() -> Thing:
    hull = s.intersection(
        s.ellipsoid((0, 0, 0.0), (0.36, 0.74, 0.50)), s.halfspace((0, 0, 1), -0.12), s.halfspace((0, 0, -1), 0.5)
    )
    sail = s.extruded([(-0.34, 0.0), (0.36, 0.0), (0.36, 0.70)], 0.10, axis=0)
    return _thing(
        "brown",
        {"sail": "white"},
        Part(hull),
        Part(s.union(sail, s.capsule((0, 0.3, -0.3), (0, 0.3, 0.05), 0.08)), "sail"),
    )


def _make_things() -> dict[str, Thing]:
    c = s.cylinder
    lamp_base = s.union(c((0, 0, -0.60), 0.36, 0.09), c((0, 0, -0.25), 0.12, 0.40))
    hammer_grip = s.box((0, 0, -0.18), (0.13, 0.13, 0.56), 0.04)
    return {
        "sphere": _thing("red", {}, Part(s.sphere((0, 0, 0), 0.68))),
        "cube": _thing("blue", {}, Part(s.box((0, 0, 0), (0.46, 0.46, 0.46)))),
        "cone": _thing("orange", {}, Part(s.cone((0, 0, 0), 0.55, 0.0, 0.58))),
        "cylinder": _thing("green", {}, Part(c((0, 0, 0), 0.44, 0.56))),
        "torus": _thing("pink", {}, Part(s.torus((0, 0, 0), 0.52, 0.21))),
        "mushroom": _thing(
            "red",
            {"stem": "white"},
            Part(s.intersection(s.ellipsoid((0, 0, 0.02), (0.66, 0.66, 0.60)), s.halfspace((0, 0, -1), 0.0))),
            Part(s.cone((0, 0, -0.32), 0.26, 0.20, 0.36), "stem"),
        ),
        "chair": _chair(),
        "table": _table(),
        "mug": _mug(),
        "house": _house(),
        "tree": _thing(
            "green",
            {"trunk": "brown"},
            Part(
                s.union(
                    s.sphere((0, 0, 0.26), 0.48), s.sphere((0.3, -0.1, 0.0), 0.3), s.sphere((-0.32, 0.1, 0.06), 0.28)
                )
            ),
            Part(c((0, 0, -0.46), 0.14, 0.32), "trunk"),
        ),
        "snowman": _snowman(),
        "rocket": _rocket(),
        "duck": _duck(),
        "car": _car(),
        "lamp": _thing(
            "yellow", {"base": "gray"}, Part(s.cone((0, 0, 0.36), 0.50, 0.28, 0.30)), Part(lamp_base, "base")
        ),
        "boat": _boat(),
        "bottle": _thing(
            "green",
            {"cap": "black"},
            Part(
                s.union(
                    c((0, 0, -0.28), 0.34, 0.46), s.cone((0, 0, 0.28), 0.34, 0.14, 0.11), c((0, 0, 0.45), 0.14, 0.12)
                )
            ),
            Part(c((0, 0, 0.66), 0.19, 0.10), "cap"),
        ),
        "airplane": _airplane(),
        "hammer": _thing(
            "gray",
            {"handle": "brown"},
            Part(s.box((0.05, 0, 0.50), (0.42, 0.20, 0.20), 0.04)),
            Part(hammer_grip, "handle"),
        ),
    }


THINGS: dict[str, Thing] = _make_things()


def distances(name: str, points: Tensor, empty_mug: bool = False) -> Tensor:
    """Signed distance [P, N] of every part of an object at points [N, 3]; `empty_mug` leaves the mug's coffee out."""
    parts = THINGS[name].parts
    return torch.stack([part.solid(points) for part in (parts[:-1] if empty_mug and name == "mug" else parts)])


def _held_out_pairs() -> frozenset[tuple[str, str]]:
    """30 of the 240 (object, main colour) pairs, spread over all objects and colours; never an object's default."""
    colors = list(COLORS)
    pairs = set()
    for i, (name, thing) in enumerate(THINGS.items()):
        for j in [5 * i + 2] + [5 * i + 9] * (i % 2):
            color = colors[j % len(colors)]
            pairs.add((name, color if color != thing.color else colors[(j + 1) % len(colors)]))
    return frozenset(pairs)


HELD_OUT = _held_out_pairs()  # never shown in training, for ever

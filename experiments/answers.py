"""What a 3D row's numbers answer to its question, in one sentence; every verdict follows the record."""

from __future__ import annotations

from statistics import mean

from experiments.compare import (
    MEASURES,
    arrival,
    average,
    beats,
    differences,
    front,
    lower,
    overtaking,
    quotient,
    unformed,
    values,
    wins,
)
from sjc.experiments import page
from sjc.experiments.records import Record, settings_of

VERDICTS = {True: "better than", False: "worse than", None: "not told apart from"}


def number(record: Record, name: str, key: str) -> str:
    """The mean, to three digits."""
    return f"{average(record, name, key):.3g}"


def verdict(record: Record, a: str, b: str, key: str) -> str:
    """Which is better, with the means: better than b (1 against 2)."""
    numbers = f"{number(record, a, key)} against {number(record, b, key)}"
    return f"{VERDICTS[beats(record, a, b, key)]} {b} ({numbers})"


def against_first(record: Record, key: str) -> str:
    """The variants that are better than the first, those that are worse, and those that cannot be told apart."""
    first, *others = settings_of(record, "variant")
    ranked = sorted(others, key=lambda name: average(record, name, key), reverse=MEASURES[key].more)
    groups = {
        word: [f"{name} {number(record, name, key)}" for name in ranked if beats(record, name, first, key) is held]
        for word, held in (("better", True), ("worse", False), ("not told apart", None))
    }  # fmt: skip
    told = "; ".join(f"{word}: {', '.join(names)}" for word, names in groups.items() if names)
    return f"{MEASURES[key].heading} against {first}'s {number(record, first, key)} ({told})"


def general(record: Record, key: str) -> str:
    """Of any row: its variants against the first, or the one there is."""
    first, *others = settings_of(record, "variant")
    if others:
        return f"By {against_first(record, key)}."
    found = values(record, first, key)
    return f"{MEASURES[key].heading} {page.shown(found)} over {len(found)} objects."


def method(record: Record) -> str:
    """What it costs to take a part away or to have it as released; what an addition brings."""
    first, *others = settings_of(record, "variant")

    def told(names: list[str], key: str) -> str:
        return "; ".join(
            f"{name} {number(record, name, key)} ({VERDICTS[beats(record, name, first, key)].split(' ')[0]}, lower in "
            f"{lower(record, name, first, key)})"
            for name in names
        ).replace("(not,", "(not told apart,")

    away, added = others[:5], others[5:]
    colors = ", ".join(
        f"{name} {number(record, name, 'color')}" for name in added if beats(record, name, first, "color")
    )
    return (
        f"As set it comes to IoU {number(record, first, 'solid')}; with a part taken away or as released: "
        f"{told(away, 'solid')}. With something added: {told(added, 'solid')}; a better colour error than "
        f"{number(record, first, 'color')} has {colors or 'none'}."
    )


def generate3d(record: Record) -> str:
    """Each preset's numbers, what quality gains, and the worst object."""
    default, _, quality = settings_of(record, "variant")
    told = "; ".join(
        f"{name} comes to IoU {number(record, name, 'solid')} and colour error {number(record, name, 'color')} in "
        f"{number(record, name, 'seconds')} s"
        for name in settings_of(record, "variant")
    )
    solids: dict[str, list[float]] = {}
    for cell in record["cells"]:
        if cell["settings"]["variant"] == default:
            solids.setdefault(cell["settings"]["prompt"], []).append(cell["measured"]["solid"])
    worst = min(solids, key=lambda prompt: mean(solids[prompt]))
    return (
        f"Over {len(solids)} objects {told}. By IoU {quality} is {verdict(record, quality, default, 'solid')}, "
        "by colour error "
        f"{verdict(record, quality, default, 'color')}; the default's worst object is {worst} "
        f"({mean(solids[worst]):.3g})."
    )


def baseline(record: Record) -> str:
    """As set and as released against score distillation at both guidances."""
    return (
        f"By IoU SJC as set is {verdict(record, 'SJC as set', 'SDS, guidance 1', 'solid')}, the same guidance, and "
        f"{verdict(record, 'SJC as set', 'SDS, guidance 100', 'solid')}, its own. SJC with the paper's settings is "
        f"{verdict(record, 'SJC paper', 'SDS, guidance 1', 'solid')} and "
        f"{verdict(record, 'SJC paper', 'SDS, guidance 100', 'solid')}."
    )


def emptiness(record: Record) -> str:
    """What the loss clears, whether the schedule is needed, and which starts no weight of it helps."""
    set_, none, small, large, low, high, ours = settings_of(record, "variant")

    def fog(name: str, other: str = none) -> str:
        return f"{quotient(record, name, other, 'fog'):.2g}"

    verdicts = {True: "It clears", False: "It does not clear", None: "It cannot be told to clear"}
    lost = [f"{prompt}, seed {seed}" for prompt, seed in unformed(record, set_)]
    starts = len(values(record, set_, "solid"))
    return (
        f"{verdicts[beats(record, set_, none, 'fog')]}: {set_} leaves {fog(set_)} times the fog of {none} (less in "
        f"{wins(record, set_, none, 'fog')} starts), a constant {small} {fog(small)}, {large} {fog(large)}, "
        f"{low} {fog(low)}, "
        f"{high} {fog(high)}. By IoU the schedule is {verdict(record, set_, small, 'solid')} and "
        f"{verdict(record, set_, large, 'solid')}, higher than the latter in "
        f"{wins(record, set_, large, 'solid')} starts. "
        f"{len(lost)} of {starts} starts of {set_} never form{f' ({chr(59).join(lost)})' if lost else ''}, "
        f"{len(unformed(record, none))} of {none}, {len(unformed(record, ours))} as set "
        f"({number(record, ours, 'solid')}), "
        "where carving mends them."
    )


def centre(record: Record) -> str:
    """How far objects drift, and what the weights bring."""
    off, ten, hundred, still = settings_of(record, "variant")
    told = " and ".join(
        f"{name} is {verdict(record, name, off, 'offset')}, with IoU {number(record, name, 'solid')} against "
        f"{number(record, off, 'solid')}, lower in {lower(record, name, off, 'solid')} starts"
        for name in (ten, hundred)
    )
    return (
        f"With the paper's view words objects drift by {number(record, off, 'offset')} (with {still} "
        f"{number(record, still, 'offset')}, IoU {number(record, still, 'solid')}); by offset {told}."
    )


def views(record: Record) -> str:
    """Fine words against the paper's and none, and Perp-Neg with both."""
    fine, four, four_neg, fine_neg, none = settings_of(record, "variant")
    return (
        f"By front-ness of back views {four} are {verdict(record, four, none, 'frontness')}, {fine} "
        f"{verdict(record, fine, four, 'frontness')}, less in {wins(record, fine, four, 'frontness')} starts; "
        f"by IoU {four} are "
        f"{verdict(record, four, none, 'solid')}, {fine} {verdict(record, fine, four, 'solid')}. Perp-Neg is "
        f"{verdict(record, four_neg, four, 'frontness')} and {verdict(record, fine_neg, fine, 'frontness')}."
    )


def schedule(record: Record) -> str:
    """Falling against uniform levels, every other change, and which is first at IoU 0.8."""
    first, whole, band = settings_of(record, "variant")[:3]
    found = {name: arrival(record, name, 0.8) for name in settings_of(record, "variant")}
    reached = {name: there[1] for name, there in found.items() if there}
    soonest = sorted(reached, key=reached.__getitem__)[:2]
    told = ", then ".join(f"{name} ({reached[name]:.2g} s)" for name in soonest)
    return (
        f"Falling levels are {verdict(record, first, whole, 'solid')} and "
        f"{verdict(record, first, band, 'solid')}. All changes: "
        f"{against_first(record, 'solid')}. A mean IoU of 0.8 is reached first by {told or 'none'}."
    )


def presets(record: Record) -> str:
    """The first at IoU 0.8, the best IoU, and what the default is against each candidate."""
    names = settings_of(record, "variant")
    found = {name: arrival(record, name, 0.8) for name in names}
    reached = {name: there[1] for name, there in found.items() if there}
    told = ", then ".join(f"{name} ({reached[name]:.2g} s)" for name in sorted(reached, key=reached.__getitem__)[:2])
    ranked = sorted(names, key=lambda name: average(record, name, "solid"), reverse=True)
    cost = [average(record, name, "seconds") for name in names]
    kept = front(list(zip(cost, (average(record, name, "solid") for name in names), strict=True)), more=True)
    line = ", ".join(
        f"{names[i]} ({number(record, names[i], 'solid')}, {number(record, names[i], 'color')}, {cost[i]:.3g} s)"
        for i in kept
    )
    return (
        f"A mean IoU of 0.8 is reached first by {told or 'none'}; the best IoU is that of {ranked[0]} "
        f"({number(record, ranked[0], 'solid')}). Best for their seconds (IoU, colour error): {line}; "
        f"{names[0]}, {'among them' if 0 in kept else 'not among them'}, has {number(record, names[0], 'solid')}, "
        f"{number(record, names[0], 'color')}, {cost[0]:.3g} s."
    )


def paper(record: Record) -> str:
    """Whether the default is there within a fifth of the steps of the paper's best guidance."""
    default, *others = settings_of(record, "variant")
    best = max(others, key=lambda name: average(record, name, "solid"))
    ends = average(record, best, "solid")
    objects = len(differences(record, default, best, "solid"))
    return (
        f"{overtaking(record, default, best)} The final IoU of default is "
        f"{verdict(record, default, best, 'solid')}; the "
        f"paper's settings form an object (IoU {ends:.3g}, {objects} objects)."
    )

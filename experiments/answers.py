"""The answer of each 3D row: one plain sentence whose verdicts follow the record. Its numbers stand in the tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from experiments.compare import GOALS, MEASURES, arrival, average, beats, front, overtaking, unformed
from sjc.experiments.claims import verdict
from sjc.experiments.records import Record, settings_of

NO_DIFFERENCE = "cannot be told apart from"


def quoted(name: str) -> str:
    """A variant's name within a sentence: in quotation marks where it has a comma of its own."""
    return f'"{name}"' if "," in name else name


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: a, b and c."""
    quotes = [quoted(name) for name in names]
    return ", ".join(quotes[:-1]) + (" and " if len(names) > 1 else "") + quotes[-1] if names else ""


def compared(record: Record, a: str, b: str, key: str, plural: bool = False) -> str:
    """How `a` does against `b`, without the names: "is better than"."""
    is_or_are = "are" if plural else "is"
    words = {True: f"{is_or_are} better than", False: f"{is_or_are} worse than", None: NO_DIFFERENCE}
    return words[beats(record, a, b, key)]


def sorted_by_verdict(record: Record, key: str) -> dict[bool | None, list[str]]:
    """The variants that are better than the first (True), worse (False) and neither for sure (None); best first."""
    first, *others = settings_of(record, "variant")
    ranked = sorted(others, key=lambda name: average(record, name, key), reverse=MEASURES[key].more)
    return {word: [name for name in ranked if beats(record, name, first, key) is word] for word in (True, False, None)}


def against_first(record: Record, key: str) -> str:
    """A clause on all variants against the first: "b is better than a, c and d are worse and e cannot be told ..."."""
    first = settings_of(record, "variant")[0]
    groups = sorted_by_verdict(record, key)
    clauses = []
    for held, adjective in ((True, "better"), (False, "worse")):
        if groups[held]:
            rest = "" if clauses else f" than {first}"
            clauses.append(f"{listed(groups[held])} {'is' if len(groups[held]) == 1 else 'are'} {adjective}{rest}")
    if groups[None]:
        clauses.append(f"{listed(groups[None])} {NO_DIFFERENCE} {'it' if clauses else first}")
    return "; ".join(clauses)


def general(record: Record, key: str) -> str:
    """Of any row: its variants against the first; where there is only one, that it has nothing to stand against."""
    first, *others = settings_of(record, "variant")
    if others:
        return f"By {MEASURES[key].heading}, {against_first(record, key)}."
    return f"Only {first} was measured, so there is nothing to compare it with; the table has its numbers."


def method(record: Record) -> str:
    """Which parts and additions make the object better, and which worse."""
    first = settings_of(record, "variant")[0]
    groups = sorted_by_verdict(record, "solid")
    colours = [name for name in sorted_by_verdict(record, "color")[True] if beats(record, name, first, "color")]
    parts = [
        f"{adjective} with {listed(groups[held])}"
        for held, adjective in ((False, "worse"), (True, "better"), (None, "not measurably different"))
        if groups[held]
    ]
    return (
        f"By IoU, objects come out {'; '.join(parts)}; their colours improve with {listed(colours) or 'none of these'}."
    )


def generate3d(record: Record) -> str:
    """Which presets come near the truth, what quality gains, and the default's worst object."""
    names = settings_of(record, "variant")
    default, _, quality = names
    near = [name for name in names if average(record, name, "solid") >= GOALS[0]]
    subject = "Every preset makes" if near == names else f"{listed(near)} make" if near else "No preset makes"
    solids: dict[str, list[float]] = {}
    for cell in record["cells"]:
        if cell["settings"]["variant"] == default:
            solids.setdefault(cell["settings"]["prompt"], []).append(cell["measured"]["solid"])
    worst = min(solids, key=lambda prompt: mean(solids[prompt]))
    return (
        f"{subject} objects close to the true solids (a mean IoU of at least {GOALS[0]:g}); {quality} "
        f"{compared(record, quality, default, 'solid')} {default} by IoU and "
        f"{compared(record, quality, default, 'color')} it by colour error, and the default does worst on {worst}."
    )


def baseline(record: Record) -> str:
    """SJC as set and with the paper's settings against score distillation at both guidances."""

    def against(name: str) -> str:
        same, large = (compared(record, name, f"SDS, guidance {scale}", "solid") for scale in (1, 100))
        if same == large:
            return f"{same} score distillation at either guidance"
        return f"{same} score distillation at guidance 1 and {large} it at guidance 100"

    return (
        f"By IoU, SJC as set here {against('SJC as set')}; with the paper's settings it {against('SJC paper')}, so the "
        f"paper's claim {verdict(beats(record, 'SJC paper', 'SDS, guidance 100', 'solid'))}."
    )


def emptiness(record: Record) -> str:
    """What the loss clears, whether the schedule is needed, and which starts no weight of it helps."""
    growing, none, small, large, _, _, ours = settings_of(record, "variant")
    clears = {True: "clears space", False: "does not clear space", None: "cannot be shown to clear space"}
    lost, lost_by_default = (len(unformed(record, name)) for name in (growing, ours))
    failures = (
        f"; it leaves some starts full of fog, which the settings as set {'also do' if lost_by_default else 'never do'}"
        if lost
        else ""
    )
    return (
        f"The emptiness loss {clears[beats(record, growing, none, 'fog')]}; by IoU its growing weight "
        f"{compared(record, growing, small, 'solid')} a constant small one and "
        f"{compared(record, growing, large, 'solid')} a constant large one{failures}."
    )


def centre(record: Record) -> str:
    """Whether either weight brings drifting objects nearer the middle."""
    off, *weights = settings_of(record, "variant")[:3]
    effects = {
        True: "brings drifting objects nearer the middle",
        False: "takes drifting objects farther from the middle",
        None: "cannot be shown to move drifting objects",
    }
    held = {name: beats(record, name, off, "offset") for name in weights}
    groups = {word: listed([name for name in weights if held[name] is word]) for word in effects}
    clauses = [f"{effects[word]} at {names}" for word, names in groups.items() if names]
    return f"The centre depth loss {' and '.join(clauses)}; the claim of the released code {verdict(held[weights[0]])}."


def views(record: Record) -> str:
    """Fine words against the paper's and none, and Perp-Neg with both."""
    fine, four, four_neg, fine_neg, none = settings_of(record, "variant")
    reduce = {
        True: "the four reduce",
        False: "the four do not reduce",
        None: "it cannot be told whether the four reduce",
    }
    negative = {beats(record, four_neg, four, "frontness"), beats(record, fine_neg, fine, "frontness")}
    helps = "reduces it" if negative == {True} else "has no clear effect on it" if None in negative else "does not"
    return (
        f"By IoU, the paper's four view words {compared(record, four, none, 'solid', plural=True)} none, and words for "
        f"every ten degrees {compared(record, fine, four, 'solid', plural=True)} those four; "
        f"{reduce[beats(record, four, none, 'frontness')]} how much a back looks like a front, and Perp-Neg {helps}."
    )


def faces(record: Record) -> str:
    """All variants against words, by front-ness and by IoU."""
    return (
        f"By front-ness of backs, {against_first(record, 'frontness')}. By IoU, {against_first(record, 'solid')}."
    ).replace(". By", ", and by")


def schedule(record: Record) -> str:
    """Falling against uniform levels, the changes that matter, and which is first at the goal."""
    first, whole, band = settings_of(record, "variant")[:3]
    groups = sorted_by_verdict(record, "solid")
    changes = [
        f"{adjective} with {listed(groups[held])}"
        for held, adjective in ((True, "better"), (False, "worse"))
        if groups[held]
    ]
    soonest = _soonest(record)
    return (
        f"By IoU, falling noise levels {compared(record, first, whole, 'solid', plural=True)} random ones over all "
        f"levels and {compared(record, first, band, 'solid', plural=True)} random ones over the same range; the result "
        f"is {'; '.join(changes) or 'no different with any change'}; {soonest or 'no variant'} is the first at a mean "
        f"IoU of {GOALS[0]:g}."
    )  # fmt: skip


def presets(record: Record) -> str:
    """The first at the goal, the best IoU, and whether the default is worth its time."""
    names = settings_of(record, "variant")
    best = max(names, key=lambda name: average(record, name, "solid"))
    points = [(average(record, name, "seconds"), average(record, name, "solid")) for name in names]
    is_or_not = "is" if 0 in front(points, more=True) else "is not"
    return (
        f"By time, {_soonest(record) or 'no variant'} is the first at a mean IoU of {GOALS[0]:g}; {quoted(best)} ends "
        f"with the best IoU; the {names[0]} {is_or_not} among the variants that no other beats in both time and IoU."
    )


def paper(record: Record) -> str:
    """Whether the default is there within a fifth of the steps of the paper's best guidance."""
    default, *others = settings_of(record, "variant")
    best = max(others, key=lambda name: average(record, name, "solid"))
    share = overtaking(record, default, best)
    goal = f"the IoU that the paper's best settings ({quoted(best)}) end at"
    reached = (
        f"No: the {default} never reaches {goal}"
        if share is None
        else f"{'Yes' if share <= 0.2 else 'No'}: the {default} reaches {goal} after {share:.1%} of their steps"
    )
    return f"{reached}; by IoU its finished objects {compared(record, default, best, 'solid', plural=True)} theirs."


def _soonest(record: Record) -> str | None:
    """The variant whose mean IoU is first at the goal by seconds; None where none is ever there."""
    arrivals = {name: arrival(record, name, GOALS[0]) for name in settings_of(record, "variant")}
    seconds = {name: reached[1] for name, reached in arrivals.items() if reached}
    return quoted(min(seconds, key=seconds.__getitem__)) if seconds else None

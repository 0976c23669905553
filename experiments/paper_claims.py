"""What the paper and its released code claim of the 3D rows, and the reason where a row does not bear it out."""

from __future__ import annotations

from statistics import mean

from experiments.compare import beats
from sjc.experiments.claims import Claim
from sjc.experiments.records import Record, measured, settings_of


def _not(held: bool | None) -> bool | None:
    return None if held is None else not held


def _both(record: Record, a: str, b: str, keys: tuple[str, ...]) -> bool | None:
    """Whether `a` beats `b` by all of the keys; None where it loses by none and one cannot tell."""
    found = [beats(record, a, b, key) for key in keys]
    return False if False in found else None if None in found else True


def _all(record: Record, a: str, others: tuple[str, ...], key: str) -> bool | None:
    """Whether `a` beats all of them; None where none beats it and one cannot be told apart."""
    found = [beats(record, a, b, key) for b in others]
    return False if False in found else None if None in found else True


LONG, EVEN = "paper, guidance 100", 5  # what is compared with, and the share of its steps that is asked for


def _ends(record: Record) -> float | None:
    """The mean IoU that the paper's settings with its guidance end at, as on the way; None where they were not run."""
    if LONG not in settings_of(record, "variant"):
        return None
    return mean(run["curve"]["iou"][-1] for run in measured(record, variant=LONG))


def _formed(record: Record) -> bool | None:
    ends = _ends(record)
    return None if ends is None else ends >= 0.6


def _long(record: Record) -> bool | None:
    """Whether the default takes more than a fifth of the paper's steps to the mean IoU that those end at."""
    ends = _ends(record)
    if ends is None:
        return None
    curves = [run["curve"] for run in measured(record, variant="default")]
    limit = measured(record, variant=LONG)[0]["curve"]["step"][-1] / EVEN
    reached = [mean(level) for level in zip(*(curve["iou"] for curve in curves), strict=True)]
    return not any(iou >= ends for step, iou in zip(curves[0]["step"], reached, strict=True) if step <= limit)


SCHEDULE = (
    Claim(
        "In 3D noise levels at random are enough, no falling ones are needed (released code)",
        lambda record: _not(beats(record, "as set", "uniform σ", "solid")),
        "Random ones over all levels are worse, but it is the range that tells: at random from 0.7 to 3, which "
        "falling ones "
        "pass through, they end alike, a little later. Higher levels ask for blurs, lower ones shake a surface "
        "that is done; a "
        "run of 150 steps has no time to average that out, one of 10,000 has: see the row paper.",
    ),
    Claim(
        "A large guidance scale makes the better object (100 in the released code)",
        lambda record: beats(record, "guidance 20", "as set", "solid"),
        "Silhouettes and, but for one object, colours are worse with it; IoU differs less than the objects do. "
        "The small "
        "network's captions name object, colour and view of every picture it has seen: what it paints without "
        "guidance is "
        "right already, and guidance overshoots colours and edges. The large models' captions do not: they need it "
        "(docs/models.md).",
    ),
    Claim(
        "One noise a view is enough (released code)",
        lambda record: _not(beats(record, "2 noises", "as set", "solid")),
        "A second noise costs nearly as much as a second view, which gains more.",
    ),
)

EMPTINESS = (
    Claim(
        "The emptiness loss clears space (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 0", "fog"),
        "The starts that never form decide: there the whole box is full, whatever λ.",
    ),
    Claim(
        "A weight that grows by 20 at half time is better than a constant small one (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 10", "solid"),
        "It clears more and is higher in most starts, by a hundredth: less than the objects differ. One start "
        "of the torus "
        "fails with every λ: all space is full from the first fifteen steps on, and no weight opens it again.",
    ),
    Claim(
        "It is better than a constant large one, which eats the object (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 200", "solid"),
        "Nothing is eaten, rather the other way round: the large one is higher in nearly every start. This "
        "network is sure of "
        "every outline from the first steps on, so a large weight only clears sooner. Likely: the large models "
        "are less "
        "sure, and need the small weight at first.",
    ),
)

CENTRE = (
    Claim(
        "The centre depth loss keeps the object in the middle (released code)",
        lambda record: beats(record, "weight 10", "off", "offset"),
        "At weight 10 it moves nothing; at 100 it swells every object into a block, by which the chair, that "
        "drifts most, comes "
        "nearer the middle and the duck goes farther off. They drift because words for a quarter of all "
        "azimuths blur backs "
        "into fronts; words for every ten degrees mend that, and leave the loss nothing to do. It is off in "
        "all presets.",
    ),
)

VIEWS = (
    Claim(
        "View-dependent prompts lessen many faces (four words, as released)",
        lambda record: beats(record, "paper's words", "no words", "frontness"),
        "Four words name a quarter of all azimuths each, and the field averages over what is seen within it: "
        "that blurs a "
        "chair's back as much as a second face would. Words for every ten degrees (fine words) lessen it for "
        "chair, mug and car; "
        "the duck's back looks little like a front with any words.",
    ),
    Claim(
        "They make the better object",
        lambda record: beats(record, "paper's words", "no words", "solid"),
        "The objects differ by less than the prompts.",
    ),
)

BASELINE = (
    Claim(
        "SJC, as released, makes better objects than score distillation as stable-dreamfusion has it (Fig. 6)",
        lambda record: beats(record, "SJC paper", "SDS, guidance 100", "solid"),
        "By colour error and fog it does, in every start; by IoU on four of six objects, which is too few. "
        "With Eq. 16 and "
        "one noise both gradients differ by the weight alone; what differs beside it are noise levels and "
        "regularisers.",
    ),
    Claim(
        "It does at the same guidance",
        lambda record: beats(record, "SJC paper", "SDS, guidance 1", "solid"),
        "Both are (D - y)/σ at one noise, times 1 - ᾱ in score distillation, which mutes low noise: no worse "
        "than 1/σ by "
        "itself with noise at random. What wins are the range of noise levels, carving and opacity entropy "
        "(SJC as set: rows schedule and method).",
    ),
)

METHOD = (
    Claim(
        "A uniform fog is the better start (released code), compared with the soft ball of the presets",
        lambda record: beats(record, "fog at the start", "as set", "solid"),
        "The starts end alike.",
    ),
    Claim(
        "A learned background is better than one that is drawn anew for every view (released code)",
        lambda record: beats(record, "learned background", "as set", "solid"),
        "Lower in nearly every start: the background takes on the object's colour, and what has the "
        "background's colour need "
        "not be there: a grey hammer loses its head, a pink chair its back. One that is drawn anew cannot be leant on.",
    ),
    Claim(
        "The score, weighted by 1/σ (released code), is better than the denoiser's correction as it is",
        lambda record: _both(record, "weight 1/σ", "as set", ("solid", "color")),
        "By IoU it gains less than a hundredth, and there is less fog; by colour error it loses: low noise, "
        "which 1/σ makes "
        "loud, asks for texture.",
    ),
)

PAPER = (
    Claim(
        "The settings of the released code form an object (IoU of at least 0.6, the guidance of 100 included)",
        _formed,
        "See the curve.",
    ),
    Claim(
        "The method wants a guidance of 100",
        lambda record: _all(record, "paper, guidance 100", ("paper, guidance 7.5", "paper, guidance 20"), "solid"),
        "Three objects are too few to tell; the curve shows why it would: when the emptiness loss grows by 20 "
        "at half time, "
        "only a strong score withstands it.",
    ),
    Claim(
        "It takes 10,000 steps",
        _long,
        "A narrow range of noise levels, several views a step, carving and opacity entropy get there sooner.",
    ),
)

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
    verdicts = [beats(record, a, b, key) for key in keys]
    return False if False in verdicts else None if None in verdicts else True


def _all(record: Record, a: str, others: tuple[str, ...], key: str) -> bool | None:
    """Whether `a` beats all of them; None where none beats it and one cannot be told apart."""
    verdicts = [beats(record, a, b, key) for b in others]
    return False if False in verdicts else None if None in verdicts else True


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
        "In 3D, random noise levels are enough; falling ones are not needed (released code)",
        lambda record: _not(beats(record, "as set", "uniform σ", "solid")),
        "Random levels over the whole range are worse, but the cause is the range: random levels from 0.7 to 3, the "
        "range that the falling ones cover, end equally well, a little later. Higher levels ask for blurred objects, "
        "lower ones disturb a finished surface. A run of 150 steps is too short to average that out; one of 10,000 "
        "is long enough (see the experiment paper).",
    ),
    Claim(
        "A large guidance scale makes a better object (100 in the released code)",
        lambda record: beats(record, "guidance 20", "as set", "solid"),
        "With it silhouettes get worse, and so do colours for all objects but one; IoU changes less than it differs "
        "between objects. The small network was trained on captions that name object, colour and view of every "
        "picture, so it paints the right thing without guidance, and guidance overshoots edges and colours. The "
        "captions of large models are not like that; those models need guidance (docs/models.md).",
    ),
    Claim(
        "One noise per view is enough (released code)",
        lambda record: _not(beats(record, "2 noises", "as set", "solid")),
        "A second noise costs nearly as much time as a second view, and a second view gains more.",
    ),
)

EMPTINESS = (
    Claim(
        "The emptiness loss clears space (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 0", "fog"),
        "The starts that never form an object decide this: there the whole box stays full, whatever λ is.",
    ),
    Claim(
        "A weight that grows by a factor of 20 at half time is better than a small constant one (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 10", "solid"),
        "It clears more space, and its IoU is higher in most starts, but only by a hundredth, which is less than the "
        "objects differ by. One start of the torus fails with every λ: all space is full from the first fifteen "
        "steps on, and no weight opens it again.",
    ),
    Claim(
        "It is better than a large constant one, which eats the object away (Fig. 7)",
        lambda record: beats(record, "λ 10, then 200", "λ 200", "solid"),
        "The large weight eats nothing away; its IoU is higher in nearly every start. This network is sure of every "
        "outline from the first steps on, so a large weight only clears space sooner. Likely, though not measured: "
        "large models are less sure at first and need the small weight then.",
    ),
)

CENTRE = (
    Claim(
        "The centre depth loss keeps the object in the middle (released code)",
        lambda record: beats(record, "weight 10", "off", "offset"),
        "At weight 10 it moves nothing. At weight 100 it swells every object into a block; that brings the chair, "
        "which drifts furthest, nearer to the middle and takes the duck farther away. Objects drift because each of "
        "the paper's four view words stands for a quarter of all azimuths, which blurs backs into fronts. Words for "
        "every ten degrees cure that and leave the loss nothing to do, so it is off in all presets.",
    ),
)

VIEWS = (
    Claim(
        "View-dependent prompts reduce the many-faces problem (four words, as released)",
        lambda record: beats(record, "paper's words", "no words", "frontness"),
        "Each of the four words stands for a quarter of all azimuths, and the field averages over the views in it. "
        "That blurs a chair's back as much as a second face would. Words for every ten degrees (fine words) reduce "
        "the problem for chair, mug and car; the duck's back looks little like its front with any words.",
    ),
    Claim(
        "They make a better object",
        lambda record: beats(record, "paper's words", "no words", "solid"),
        "The prompts change less than the objects differ by.",
    ),
)

BASELINE = (
    Claim(
        "SJC as released makes better objects than score distillation as in stable-dreamfusion (Fig. 6)",
        lambda record: beats(record, "SJC paper", "SDS, guidance 100", "solid"),
        "By colour error and fog it does, in every start; by IoU only for four of six objects, which is too few to "
        "decide. With Eq. 16 and one noise, both gradients differ by their weight alone; the other differences are "
        "noise levels and regularisers.",
    ),
    Claim(
        "It does so at the same guidance",
        lambda record: beats(record, "SJC paper", "SDS, guidance 1", "solid"),
        "Both gradients are (D - y)/σ at one noise; score distillation multiplies it by 1 - ᾱ, which mutes low "
        "noise. With random noise levels that is no worse than 1/σ. What makes SJC as set better is the range of "
        "noise levels, carving and opacity entropy (see the experiments schedule and method).",
    ),
)

METHOD = (
    Claim(
        "A uniform fog is a better start (released code) than the soft ball of the presets",
        lambda record: beats(record, "fog at the start", "as set", "solid"),
        "Objects come out alike from both.",
    ),
    Claim(
        "A learned background is better than one that is drawn anew for every view (released code)",
        lambda record: beats(record, "learned background", "as set", "solid"),
        "IoU is lower in nearly every start. The background takes on the object's colour, and then parts of that "
        "colour need not exist: a grey hammer loses its head, a pink chair its back. A background that is drawn anew "
        "cannot stand in for a part.",
    ),
    Claim(
        "The score weighted by 1/σ (released code) is better than the denoiser's correction as it is",
        lambda record: _both(record, "weight 1/σ", "as set", ("solid", "color")),
        "It gains less than a hundredth of IoU and leaves less fog, but the colour error grows: 1/σ amplifies low "
        "noise, which asks for texture.",
    ),
)

PAPER = (
    Claim(
        "The settings of the released code form an object (IoU of at least 0.6, with a guidance of 100)",
        _formed,
        "The curve shows how the IoU develops.",
    ),
    Claim(
        "The method needs a guidance of 100",
        lambda record: _all(record, "paper, guidance 100", ("paper, guidance 7.5", "paper, guidance 20"), "solid"),
        "Three objects are too few to decide. The curve suggests why it would need it: when the emptiness loss grows "
        "by a factor of 20 at half time, only a strong score holds the object together.",
    ),
    Claim(
        "The method needs 10,000 steps",
        _long,
        "A narrow range of noise levels, several views per step, carving and opacity entropy get there sooner.",
    ),
)

"""The 3D rows: which settings are compared, and by what."""

from __future__ import annotations

import math

from benchmarks.prompts import SCORED
from experiments import answers, paper_claims
from experiments.ablation import PROMPTS, Ablation, Variant

TOLD = (
    "Two variants are told apart by the differences of runs from the same start, averaged over an object's seeds, by "
    "Student's t over the objects (95 %) or by all of six or more objects lying on one side; fog by quotients "
    "instead of "
    "differences. "
)
HOW = (
    f"Preset ablation, the tuning prompts {', '.join(PROMPTS)}; the same seed starts every variant alike. IoU, "
    "silhouettes "
    "and colour as the benchmark has them (benchmarks/scoring.py); on the way on a lattice of 64 cells. "
    f"{TOLD}"
)
EVEN = "Every variant makes the same number of steps. "

SCHEDULE = Ablation(
    "schedule",
    "Uniform or falling noise levels, and which guidance, views, noises, grid and step size?",
    HOW + "One setting is changed at a time; seconds are of the steps alone.",
    {
        "as set": Variant(),
        "uniform σ": Variant({"sigma_schedule": "uniform", "sigma_max": 0.0, "sigma_min": 0.0}),
        "uniform σ 0.7 to 3": Variant({"sigma_schedule": "uniform"}),
        "guidance 2.5": Variant({"guidance": 2.5}),
        "guidance 7.5": Variant({"guidance": 7.5}),
        "guidance 20": Variant({"guidance": 20.0}),
        "1 view": Variant({"views_per_step": 1}),
        "4 views": Variant({"views_per_step": 4}),
        "2 noises": Variant({"noises_per_view": 2}),
        "shared noise": Variant({"shared_noise": True}),
        "coarse to fine": Variant({"coarse_to_fine": 1}),
        "step size 0.1": Variant({"learning_rate": 0.1}),
        "step size 0.4": Variant({"learning_rate": 0.4}),
        "75 steps": Variant({"steps": 75}),
        "300 steps": Variant({"steps": 300}),
    },
    ("solid", "silhouette", "color", "seconds"),
    quick=("uniform σ",),
    tell=answers.schedule,
    over="seconds",
    claims=paper_claims.SCHEDULE,
)

EMPTINESS = Ablation(
    "emptiness",
    "Does the emptiness loss clear space, and does it need its schedule (Fig. 7)?",
    HOW + EVEN + "λ is the weight over the run's first half and, times 20 in the schedule, its second. The preset's other "
    "regularisers (carving, opacity entropy) are off in every variant but the last: the paper has none of them.",
    {
        "λ 10, then 200": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0}),
        "λ 0": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_weight": 0.0}),
        "λ 10": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_multiplier": 1.0}),
        "λ 200": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_weight": 200.0, "emptiness_multiplier": 1.0}),
        "β 1": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_beta": 1.0}),
        "β 100": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_beta": 100.0}),
        "as set": Variant(),
    },
    ("solid", "floaters", "fog", "silhouette"),
    quick=("λ 0",),
    tell=answers.emptiness,
    across="fog",
    claims=paper_claims.EMPTINESS,
)  # fmt: skip

ASYMMETRIC = ("a pink chair", "a white duck", "a green car", "a purple mug")
OF_ASYMMETRIC = HOW.replace(
    f"the tuning prompts {', '.join(PROMPTS)}", f"the asymmetric objects {', '.join(ASYMMETRIC)}"
)
VIEWS = Ablation(
    "views",
    "Do view-dependent prompts prevent many faces?",
    OF_ASYMMETRIC + EVEN
    + "Front-ness of the back views: error against the true back over the sum of the errors against the true " "back and the "
    "true front; 0 is right, above 0.5 the back looks more like a front. Perp-Neg (arXiv 2304.04968) with weight 1.",
    {
        "fine words": Variant(),
        "paper's words": Variant({"view_words": "paper"}),
        "paper's words, Perp-Neg": Variant({"view_words": "paper", "perp_neg": 1.0}),
        "fine words, Perp-Neg": Variant({"perp_neg": 1.0}),
        "no words": Variant({"view_words": "none"}),
    },
    ("frontness", "solid", "silhouette"),
    quick=("no words",),
    prompts=ASYMMETRIC,
    tell=answers.views,
    across="solid",
    claims=paper_claims.VIEWS,
)  # fmt: skip

# With the paper's four view words these drift: each word's views are of a quarter of all azimuths.
DRIFTING = {"view_words": "paper"}
CENTRE = Ablation(
    "centre",
    "Does the centre depth loss keep an object in the middle that drifts?",
    OF_ASYMMETRIC + EVEN + "With the preset's fine view words nothing drifts, so all variants but the last have the paper's. "
    "Offset: distance between the centres of mass of mesh and truth, in world units (the box is 2 wide).",
    {
        "off": Variant(DRIFTING),
        "weight 10": Variant({**DRIFTING, "center_depth_weight": 10.0}),
        "weight 100": Variant({**DRIFTING, "center_depth_weight": 100.0}),
        "fine words": Variant(),
    },
    ("offset", "solid", "silhouette"),
    quick=("weight 100",),
    prompts=ASYMMETRIC,
    tell=answers.centre,
    across="solid",
    claims=paper_claims.CENTRE,
)  # fmt: skip

# stable-dreamfusion's entropy is in bits.
SDS = {
    "score_weight": "sigma/(1+sigma^2)", "emptiness_weight": 0.0, "carving_weight": 0.0,
    "opacity_entropy_weight": 1e-3 / math.log(2),
}  # fmt: skip
BASELINE = Ablation(
    "baseline",
    "Is SJC better than score distillation as stable-dreamfusion has it, in the same engine (Fig. 6)?",
    HOW + EVEN + "SDS: upstream gradient w(t) (eps_hat - n), w = 1 - abar_t, t uniform over 2 to 98 % of the ticks, opacity "
    "entropy 1e-3 in bits, opacity sparsity 0 (its default), no emptiness and no carving loss. Field, " "renderer, cameras, "
    "background, view words, optimiser and step sizes are this engine's on both sides; its hash-grid field, " "its shading, its "
    "density blob and its normal losses are out of scope. With Eq. 16 and one noise the gradients of both differ by "
    "the weight alone. Guidance 100 is its default, 1 the preset's. SJC paper: uniform σ, 1/σ, the paper's form of the "
    "regularisers, in this engine's scale of λ.",
    {
        "SJC as set": Variant(),
        "SJC paper": Variant({
            "sigma_schedule": "uniform", "sigma_max": 0.0, "sigma_min": 0.0, "score_weight": "1/sigma",
            "carving_weight": 0.0, "opacity_entropy_weight": 0.0,
        }),
        "SDS, guidance 1": Variant(SDS, sds=True),
        "SDS, guidance 100": Variant({**SDS, "guidance": 100.0}, sds=True),
        "SDS, entropy 100": Variant({**SDS, "opacity_entropy_weight": 100.0}, sds=True),
        "SDS, our σ": Variant(SDS),
    },
    ("solid", "silhouette", "color", "fog"),
    quick=("SDS, guidance 1",),
    tell=answers.baseline,
    claims=paper_claims.BASELINE,
)  # fmt: skip

# Its emptiness weight is for the sum over 64 x 64 latents of 4 numbers; ours is over 32 x 32 pixels of 3.
PAPER_METHOD = {
    "steps": 10_000, "views_per_step": 1, "sigma_schedule": "uniform", "sigma_max": 0.0, "sigma_min": 0.0,
    "score_weight": "1/sigma", "optimizer": "adamax", "learning_rate": 0.05, "learning_rate_end": 1.0,
    "emptiness_weight": 1e4 * (32 * 32 * 3) / (64 * 64 * 4), "carving_weight": 0.0, "opacity_entropy_weight": 0.0,
}  # fmt: skip
PAPER = Ablation(
    "paper",
    "Does the default reach, in a fifth of the steps, what the paper's settings end at?",
    "The default preset against the paper's noise levels (any tick alike), weight 1/σ, one view a step, Adamax "
    "with step size "
    "0.05, emptiness loss and 10,000 steps, at four guidance scales; grid, cameras, start and background are "
    "this engine's on "
    "both sides. Three of the tuning prompts, one seed: six prompts and three seeds would take 8 hours. IoU on "
    "the way on a "
    "lattice of 64 cells. " + TOLD,
    {
        "default": Variant(),
        **{f"paper, guidance {s:g}": Variant({**PAPER_METHOD, "guidance": s}) for s in (7.5, 20.0, 50.0, 100.0)},
    },
    ("solid", "silhouette", "color", "seconds"),
    quick=("paper, guidance 7.5",),
    prompts=("a blue mushroom with a yellow stem", "a pink chair", "a white torus"),
    preset="embedded",
    seeds=1,
    tell=answers.paper,
    over="seconds",
    claims=paper_claims.PAPER,
)

METHOD = Ablation(
    "method",
    "What does each part that the paper has not bring, and would its own choices or others' ideas help?",
    HOW + EVEN + "One thing is taken away, put back as released, or added. Total variation: mean squared difference of "
    "neighbouring voxels, times its weight. Score clip: bound on every element of the score. What is added "
    "here and wins "
    "nothing stays a setting that is off in the presets. Seconds were taken beside other work: here steps count.",
    {
        "as set": Variant(),
        "no carving": Variant({"carving_weight": 0.0}),
        "no opacity entropy": Variant({"opacity_entropy_weight": 0.0}),
        "white background": Variant({"background": "fixed"}),
        "learned background": Variant({"background": "learned"}),
        "fog at the start": Variant({"init": "fog"}),
        "weight 1/σ": Variant({"score_weight": "1/sigma"}),
        "total variation 1": Variant({"tv_weight": 1.0}),
        "total variation 10": Variant({"tv_weight": 10.0}),
        "score clip 0.3": Variant({"score_clip": 0.3}),
        "guidance 2.5, rescaled": Variant({"guidance": 2.5, "guidance_rescale": 0.7}),
    },
    ("solid", "silhouette", "color", "fog"),
    quick=("no carving",),
    tell=answers.method,
    across="fog",
    claims=paper_claims.METHOD,
)

PRESETS = Ablation(
    "presets",
    "Which settings get to IoU 0.8 in the least time, which to the best IoU, and is the default well chosen?",
    HOW.replace("Preset ablation, the", "The presets and changes of the default, the") + "One seed; `quality` is on the page generate3d. Seconds of the steps alone, taken beside other work: their "
    "quotients count. What won here was tried on the sixteen scored prompts before it might become the " "default, and lost there: guidance 1 ends at "
    "IoU 0.832 and colour error 6.3 (benchmarks/results/quality-guidance-1.json, seed 0) against 0.853 and " "6.3; boat, airplane, chair and table, thin or flat, "
    "lose 0.04 to 0.09. The default keeps its guidance.",
    {
        "default": Variant(),
        "fast": Variant({"preset": "fast"}),
        "fast, step size 0.4": Variant({"preset": "fast", "learning_rate": 0.4}),
        "guidance 1": Variant({"guidance": 1.0}),
        "guidance 1, 2 views": Variant({"guidance": 1.0, "views_per_step": 2}),
        "guidance 1, fog at the start": Variant({"guidance": 1.0, "init": "fog"}),
    },
    ("solid", "silhouette", "color", "seconds"),
    quick=("fast",),
    preset="embedded",
    seeds=1,
    tell=answers.presets,
    over="seconds",
)  # fmt: skip

GENERATE3D = Ablation(
    "generate3d",
    "How near does text to 3D come to the truth (Fig. 5)?",
    "The presets on the sixteen scored prompts; scored by benchmarks/scoring.py. Seconds of the steps alone. "
    + TOLD
    + "The picture shows every object of the default from three sides; `sjc generate` writes a turntable of each.",
    {"embedded (default)": Variant(), "fast": Variant({"preset": "fast"}), "quality": Variant({"preset": "quality"})},
    ("solid", "silhouette", "color", "seconds"),
    prompts=SCORED,
    preset="embedded",
    tell=answers.generate3d,
    over="seconds",
    gallery=True,
)

ROWS = (GENERATE3D, BASELINE, EMPTINESS, CENTRE, VIEWS, SCHEDULE, METHOD, PRESETS, PAPER)

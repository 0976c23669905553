"""The 3D rows: which settings are compared, and by what."""

from __future__ import annotations

import math

from benchmarks.prompts import SCORED
from experiments import answers, paper_claims
from experiments.ablation import PROMPTS, Ablation, Variant

COMPARISON = (
    "Two variants count as different where their paired differences do: runs from the same start are subtracted and "
    "averaged over an object's seeds, and over the objects either Student's t (95 %) or all of six or more objects on "
    "one side must say so. Fog is compared by quotients instead of differences. "
)
HOW = (
    f"The preset is ablation; the prompts are {', '.join(PROMPTS)}. The same seed starts every variant alike. IoU, "
    "silhouettes and colours are scored as in the benchmark (benchmarks/scoring.py); IoU during a run is measured on a "
    f"lattice of 64 cells along an edge. {COMPARISON}"
)
EVEN = "Every variant makes the same number of steps. "

SCHEDULE = Ablation(
    "schedule",
    "Are falling noise levels better than random ones, and which guidance, number of views, noises, grid and step "
    "size?",
    HOW + "One setting is changed at a time. Seconds count the steps alone.",
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
    HOW
    + EVEN
    + "λ is the weight during the first half of the run; the schedule multiplies it by 20 for the second half. The "
    "preset's other regularisers (carving, opacity entropy) are off in every variant but the last, because the "
    "paper has neither.",
    {
        "λ 10, then 200": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0}),
        "λ 0": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_weight": 0.0}),
        "λ 10": Variant({"carving_weight": 0.0, "opacity_entropy_weight": 0.0, "emptiness_multiplier": 1.0}),
        "λ 200": Variant({
            "carving_weight": 0.0, "opacity_entropy_weight": 0.0,
            "emptiness_weight": 200.0, "emptiness_multiplier": 1.0,
        }),
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
OF_ASYMMETRIC = HOW.replace(", ".join(PROMPTS), ", ".join(ASYMMETRIC))
VIEWS = Ablation(
    "views",
    "Do view-dependent prompts prevent many faces?",
    OF_ASYMMETRIC
    + EVEN
    + "Front-ness of back views is the error against the true back, divided by the sum of the errors against the "
    "true back and the true front: 0 means a perfect back, and above 0.5 the back looks more like a front. "
    "Perp-Neg (arXiv 2304.04968) has weight 1.",
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

# At guidance 1 a view is one call of the network, at another guidance two, with Perp-Neg nearly always four.
CALLS = 300
SISTER = {"model": "embedded-views", "views_per_step": 4, "steps": 75}
FACES = Ablation(
    "faces",
    "What keeps an object from growing faces, at equal calls of the network: words, a network that sees four views, "
    "noise on the surface, Perp-Neg, or a name for the defects?",
    "The preset is ablation, each prompt is of a thing with a front, and every variant makes about "
    f"{CALLS} calls of the network, one picture a call, so it makes fewer steps where a step asks more. Four views are "
    "those of the embedded model's sister (`embedded-views`). A defect is named (Bridge, arXiv 2406.09417) by words "
    'that the model knows: the negative prompt is "front view". Perp-Neg has weight 1. Front-ness of back views is '
    "that of the experiment views. Seconds were taken on a busy machine. "
    f"{COMPARISON}",
    {
        "words": Variant(),
        "words, 4 views a step": Variant({"views_per_step": 4, "steps": 75}),
        "four views": Variant(SISTER),
        "four views, no words": Variant({**SISTER, "view_words": "none"}),
        "no words": Variant({"view_words": "none"}),
        "noise on the surface": Variant({"noise_source": "surface"}),
        "Perp-Neg": Variant({"perp_neg": 1.0, "steps": 38}),
        "guidance 2.5": Variant({"guidance": 2.5, "distilled": False, "steps": 75}),
        "guidance 2.5, front named": Variant({"guidance": 2.5, "steps": 75, "negative_prompt": "front view"}),
    },
    ("frontness", "solid", "silhouette"),
    quick=("guidance 2.5",),
    prompts=("a pink chair", "a white duck", "a green car", "a red airplane", "a yellow house"),
    tell=answers.faces,
    across="solid",
    seeds=1,
)  # fmt: skip

# With the paper's four view words these drift: each word's views are of a quarter of all azimuths.
DRIFTING = {"view_words": "paper"}
CENTRE = Ablation(
    "centre",
    "Does the centre depth loss keep an object in the middle that drifts?",
    OF_ASYMMETRIC
    + EVEN
    + "With the preset's fine view words nothing drifts, so all variants but the last use the paper's. The offset is "
    "the distance between the centres of mass of mesh and truth, in world units (the box is 2 wide).",
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
    HOW
    + EVEN
    + "SDS has the upstream gradient w(t) (eps_hat - n) with w = 1 - abar_t, t uniform over 2 to 98 % of the ticks, "
    "an opacity entropy of 1e-3 in bits, opacity sparsity 0 (its default), and neither emptiness nor carving loss. "
    "Field, renderer, cameras, background, view words, optimiser and step sizes are this engine's on both sides; "
    "the hash-grid field, shading, density blob and normal losses of stable-dreamfusion are left out. With Eq. 16 "
    "and one noise, the gradients of both methods differ by the weight alone. Guidance 100 is the default of "
    "stable-dreamfusion, 1 that of the preset. SJC paper has uniform σ, weight 1/σ and the paper's form of the "
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
    "Does the default reach what the paper's settings end at in a fifth of their steps?",
    "The default preset is compared with the paper's settings at four guidance scales: noise levels "
    "drawn from all ticks, weight 1/σ, one view per step, Adamax with step size 0.05, emptiness loss "
    "and 10,000 steps. Grid, cameras, start and background are this engine's on both sides. Three "
    "prompts and one seed were used, because six prompts and three seeds would take 8 hours. IoU during "
    "a run is measured on a lattice of 64 cells along an edge. " + COMPARISON,
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
    "What does each part bring that the paper does not have, and would the paper's choices or others' ideas help?",
    HOW
    + EVEN
    + "Each variant takes one part away, puts it back as released, or adds one. Total variation is the mean squared "
    "difference of neighbouring voxels, times its weight; the score clip bounds every element of the score. "
    "Additions that gain nothing stay settings that are off in the presets. Seconds were taken on a busy machine, "
    "so only steps count here.",
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
    "Which settings reach IoU 0.8 soonest, which end with the best IoU, and is the default well chosen?",
    HOW.replace("The preset is ablation", "The presets and changes of the default are compared")
    + "One seed was used. The former default made 400 steps of 4 views, with a step size of 0.2 for shape and colour "
    "and noise down to 0.7. Seconds count the steps alone and were taken on a busy machine, so their quotients matter.",
    {
        "default": Variant(),
        "fast": Variant({"preset": "fast"}),
        "quality": Variant({"preset": "quality"}),
        "the former default": Variant(
            {"steps": 400, "views_per_step": 4, "learning_rate": 0.2, "color_rate": 1.0, "sigma_min": 0.7}
        ),
        "225 steps of 4 views": Variant({"steps": 225, "views_per_step": 4}),
        "900 steps of 1 view": Variant({"steps": 900, "views_per_step": 1}),
        "guidance 1": Variant({"guidance": 1.0}),
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
    "How close does text to 3D come to the true solids (Fig. 5)?",
    "The presets make the sixteen scored prompts; benchmarks/scoring.py scores them. Seconds count the steps alone. "
    + COMPARISON
    + "The picture shows every object of the default from three sides; `sjc generate` writes a turntable of each.",
    {"embedded (default)": Variant(), "fast": Variant({"preset": "fast"}), "quality": Variant({"preset": "quality"})},
    ("solid", "silhouette", "color", "seconds"),
    prompts=SCORED,
    preset="embedded",
    tell=answers.generate3d,
    over="seconds",
    gallery=True,
)

ROWS = (GENERATE3D, BASELINE, EMPTINESS, CENTRE, VIEWS, FACES, SCHEDULE, METHOD, PRESETS, PAPER)

"""Presets: sets of values over the defaults of settings_schema.py.  Standard library only."""

from __future__ import annotations

from types import MappingProxyType

from .settings_schema import Value

PRESETS: MappingProxyType[str, dict[str, Value]] = MappingProxyType({
    # The defaults above: the model that ships, on a CPU.
    "embedded": {},
    # Less than a quarter of the default's calls of the network; a coarser grid costs so short a run nothing.
    "fast": {"steps": 100, "grid": 48, "learning_rate": 0.5},
    # Two and a half times the default's calls: a little better outlines (docs/experiments/presets.md).
    # A finer grid gains nothing: the network's pictures have 32 pixels.
    "quality": {"steps": 1200},
    # The released code's defaults, all of them (pals-ttic/sjc, run_sjc.py).
    "paper": {
        "steps": 10_000, "views_per_step": 1, "noises_per_view": 1, "guidance": 100.0, "guidance_end": 0.0,
        "guidance_sigma_min": 0.0, "guidance_sigma_max": 0.0, "distilled": False, "var_red": True,
        "noise_source": "random", "inversion_rungs": 2, "whole_flow": False, "color_rate": 1.0,
        "density_rate": 1.0, "start_noise": 1.0,
        "score_weight": "1/sigma", "view_words": "paper", "lamp": 0.0, "shared_noise": False, "guidance_rescale": 0.0,
        "perp_neg": 0.0, "score_clip": 0.0, "score_clip_end": 0.0, "sigma_schedule": "uniform",
        "sigma_max": 0.0, "sigma_min": 0.0, "sigma_jitter": 0.0, "grid": 100, "coarse_to_fine": 0, "rays_per_pixel": 1,
        "ray_step": 0.5,
        "density_shift": -1.0, "init": "fog", "color_std": 1.0, "background": "learned", "radius": 1.5,
        "framing": 0.0, "fov_min": 40.0,
        "fov_max": 70.0, "elevation_min": -6.38, "elevation_max": 83.53, "optimizer": "adamax",
        "learning_rate": 0.05, "learning_rate_end": 1.0, "background_learning_rate": 1e-4,
        "emptiness_weight": 1e4, "emptiness_multiplier": 20.0, "emptiness_switch": 0.5, "emptiness_beta": 10.0,
        "center_depth_weight": 0.0, "center_depth_ratio": 50 / 64, "tv_weight": 0.0, "carving_weight": 0.0,
        "opacity_entropy_weight": 0.0,
    },
    # MVDream's released settings for text to 3D (bytedance/MVDream-threestudio, configs/mvdream-sd21.yaml); what is not
    # named here, such as the regularizers and the optimizer, belongs to the volume and is as in the defaults.
    "mvdream": {
        "steps": 10_000, "views_per_step": 4, "guidance": 50.0, "distilled": False, "guidance_rescale": 0.5,
        "score_weight": "1", "view_words": "none",
        "negative_prompt": "ugly, bad anatomy, blurry, pixelated obscure, unnatural colors, poor lighting, dull, and "
            "unclear, cropped, lowres, low quality, artifacts, duplicate, morbid, mutilated, poorly drawn face, "
            "deformed, dehydrated, bad proportions",
        "sigma_schedule": "falling", "sigma_max": 0.0, "sigma_min": 0.0, "framing": 0.9, "fov_min": 15.0,
        "fov_max": 60.0, "elevation_min": 0.0, "elevation_max": 30.0,
    },
    # What the experiments compare variants on: ten seconds on one core.
    "ablation": {"steps": 150, "grid": 48, "guidance": 1.0, "learning_rate": 0.2, "color_rate": 1.0, "sigma_min": 0.7,
                 "turntable": False},
    # Seconds: every stage runs, nothing gets good.
    "test": {
        "steps": 8, "views_per_step": 1, "grid": 16, "snapshot_every": 2, "checkpoint_every": 4, "turntable": False,
    },
})  # fmt: skip

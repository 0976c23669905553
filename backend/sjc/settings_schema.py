"""The schema of a run: every knob once, with type, default, bounds, unit and description.  Standard library only.

`settings.py` holds what is done with it.  Add a knob here and it appears on the command line, in the panel, in
job.json and in the docs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any, Literal, TypeVar

Tier = Literal["basic", "advanced"]
Kind = Literal["text", "int", "float", "bool", "color"]
Color = tuple[float, float, float]
Value = str | int | float | bool | Color
T = TypeVar("T")

GROUPS = ("job", "guidance", "noise", "field", "camera", "optimizer", "regularizers", "output")


@dataclass(frozen=True)
class Spec:
    """What is known of one setting.

    name, kind, default: read off the dataclass.
    low, high: the bounds, inclusive.
    zero: what 0 stands for where it means no number ("automatic"); 0 is then allowed even below `low`.
    symbol: the name in the paper or in the released code.
    """

    description: str
    group: str
    tier: Tier = "advanced"
    low: float | None = None
    high: float | None = None
    zero: str = ""
    unit: str = ""
    symbol: str = ""
    choices: tuple[str, ...] = ()
    name: str = ""
    kind: Kind = "text"
    default: Value = ""

    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind == "bool":
            return "on or off"
        if self.low is None or self.high is None:
            return "text"
        unit = f" {self.unit}" if self.unit else ""
        zero = f", or 0 for {self.zero}" if self.zero else ""
        return f"{plain(self.low)} to {plain(self.high)}{unit}{zero}"


def plain(number: float) -> str:
    """A number without needless digits: 10000, 0.05, -6.38."""
    return str(int(number)) if float(number).is_integer() else repr(float(number))


def _knob(default: T, group: str, description: str, *, basic: bool = False, **known: Any) -> T:
    spec = Spec(description, group, "basic" if basic else "advanced", **known)
    default_field: T = field(default=default, metadata={"spec": spec})
    return default_field


@dataclass(frozen=True)
class Settings:
    """One run.  The defaults are the preset "embedded"; `settings.resolve` builds and checks one."""

    # fmt: off
    prompt: str = _knob("", "job", "What to make, as a sentence.", basic=True)
    negative_prompt: str = _knob("", "job", "What to keep away from; it takes the place of the empty sentence.")
    model: str = _knob("embedded", "job", "The diffusion model: embedded, a folder in the diffusers layout, or a hub "
        "id, NAME/MODEL or NAME/MODEL@REVISION.", basic=True)
    lora: str = _knob("", "job", "LoRA files laid over the model: PATH or PATH:weight, with commas between; "
        "safetensors only.")
    preset: str = _knob("embedded", "job", "The set of values that the others start from.", basic=True,
        choices=("embedded", "fast", "quality", "paper", "ablation", "test"))
    seed: int = _knob(0, "job", "Two runs with one seed on one device are alike.", basic=True, low=0, high=2**31 - 1)
    steps: int = _knob(400, "job", "Optimisation steps.", basic=True, low=1, high=1_000_000, symbol="n_steps")
    device: str = _knob("auto", "job", "Where to compute: auto, cpu, cuda, cuda:N or mps.", basic=True)
    renderer: str = _knob("auto", "job", "Plain torch (reference) or fused kernels (warp); auto takes warp where it "
        "runs.", choices=("auto", "reference", "warp"))
    runtime: str = _knob("auto", "job", "What runs the network on a CPU: torch, or ONNX Runtime, which is faster on "
        "small ones; auto takes it where it runs.", choices=("auto", "torch", "onnx"))

    views_per_step: int = _knob(4, "guidance", "Cameras per step; cost grows with it.", low=1, high=64, symbol="V")
    noises_per_view: int = _knob(1, "guidance", "Noises that the score of a view is averaged over.", low=1, high=64,
        symbol="n")
    guidance: float = _knob(2.5, "guidance", "Classifier-free guidance scale: 1 follows the sentence as trained, more "
        "exaggerates it.", basic=True, low=0, high=1000, symbol="s")
    distilled: bool = _knob(True, "guidance", "Ask the network once a view, not twice, where the model has an adapter "
        "for this guidance scale and no negative prompt, rescale, Perp-Neg or LoRA needs both.")
    var_red: bool = _knob(True, "guidance", "Subtract the clean render (Eq. 16) rather than the noised one (Eq. 15).",
        symbol="var_red")
    score_weight: str = _knob("1", "guidance", "What the denoiser's correction is multiplied with: released 1/sigma, "
        "paper 1/sigma^2, score distillation sigma/(1+sigma^2); 1 takes it as it is.",
        choices=("1/sigma", "1/sigma^2", "1", "sigma/(1+sigma^2)"))
    view_words: str = _knob("fine", "guidance", "Words that tell the model where the camera stands.",
        choices=("fine", "paper", "none"))
    shared_noise: bool = _knob(False, "guidance", "Give all views of a step the same noise.")
    guidance_rescale: float = _knob(0.0, "guidance", "How much of the contrast that guidance adds is taken back.",
        low=0, high=1, symbol="phi")
    perp_neg: float = _knob(0.0, "guidance", "How firmly a view is kept away from the words of the others (Perp-Neg); "
        "each costs one more call of the network.", low=0.01, high=10, zero="off", symbol="w")
    score_clip: float = _knob(0.0, "guidance", "Bound on every element of the score.", low=1e-4, high=1e4,
        zero="no bound")
    score_clip_end: float = _knob(0.0, "guidance", "The bound at the end of the run, reached in equal steps.", low=1e-4,
        high=1e4, zero="the same all along")

    sigma_schedule: str = _knob("annealed", "noise", "How the noise level is chosen: any tick alike, as released, or "
        "falling over the run.", choices=("uniform", "annealed"), symbol="sigma")
    sigma_max: float = _knob(3.0, "noise", "Highest noise level.", low=0.001, high=1000, zero="the model's")
    sigma_min: float = _knob(0.7, "noise", "Lowest noise level.", low=0.001, high=1000, zero="the model's")
    sigma_jitter: float = _knob(0.0, "noise", "Half-width of the spread about the annealed level, in e-folds.", low=0,
        high=5)

    grid: int = _knob(64, "field", "Voxels along each edge of the volume.", basic=True, low=8, high=512, symbol="N")
    coarse_to_fine: int = _knob(0, "field", "Doublings of the grid on the way to the full one; 0 keeps it full all "
        "along.", low=0, high=5)
    render_size: int = _knob(0, "field", "Edge of the rendered image.", low=8, high=1024, zero="the model's",
        unit="pixels")
    ray_step: float = _knob(1.0, "field", "Distance between samples on a ray.", low=0.05, high=4, unit="voxels")
    density_shift: float = _knob(-3.0, "field", "Added before the softplus: the density at the start.", low=-20,
        high=20, symbol="shift")
    init: str = _knob("blob", "field", "Start from a uniform fog, as released, or from a soft ball.",
        choices=("fog", "blob"))
    color_std: float = _knob(0.1, "field", "Spread of the raw colours at the start; 1 as released.", low=0, high=10)
    background: str = _knob("random", "field", "Behind the volume: a learned texture, as released, a random colour "
        "per view, or a fixed one.", choices=("learned", "random", "fixed"))
    background_color: Color = _knob((1.0, 1.0, 1.0), "field",  # noqa: RUF009 (a tuple)
        "The fixed background's colour: red, green, blue.", low=0, high=1, unit="sRGB")

    radius: float = _knob(3.0, "camera", "Distance of the camera from the centre; the volume is 2 wide.", low=0.1,
        high=20, symbol="R")
    fov_min: float = _knob(34.0, "camera", "Narrowest horizontal field of view.", low=1, high=150, unit="degrees")
    fov_max: float = _knob(38.0, "camera", "Widest horizontal field of view.", low=1, high=150, unit="degrees")
    elevation_min: float = _knob(-30.0, "camera", "Lowest camera, measured from the horizon.", low=-90, high=90,
        unit="degrees")
    elevation_max: float = _knob(85.0, "camera", "Highest camera.", low=-90, high=90, unit="degrees")

    optimizer: str = _knob("adam", "optimizer", "Adamax, as released, or Adam.", choices=("adamax", "adam"))
    learning_rate: float = _knob(0.2, "optimizer", "Step size of density, colour and density scale.", low=1e-6, high=10,
        symbol="lr")
    learning_rate_end: float = _knob(0.25, "optimizer", "Fraction of the step size that is left at the end; 1 keeps "
        "it.", low=0, high=1)
    background_learning_rate: float = _knob(1e-4, "optimizer", "Step size of the learned background.", low=0, high=10)

    emptiness_weight: float = _knob(10.0, "regularizers", "Pull towards empty space.", low=0, high=1e9,
        symbol="lambda_1")
    emptiness_multiplier: float = _knob(20.0, "regularizers", "Factor on that pull after the switch.", low=0, high=1e6,
        symbol="lambda_2/lambda_1")
    emptiness_switch: float = _knob(0.5, "regularizers", "When the factor sets in, as a fraction of the run.", low=0,
        high=1, symbol="K")
    emptiness_beta: float = _knob(10.0, "regularizers", "Sharpness of the pull, log(1 + beta w).", low=0.001, high=1e4,
        symbol="beta")
    center_depth_weight: float = _knob(0.0, "regularizers", "Pull of the image's centre towards the camera; try 10 "
        "for flat results.", low=0, high=1e6)
    center_depth_ratio: float = _knob(50 / 64, "regularizers", "Edge of the centre as a fraction of the image.",
        low=0.1, high=0.98)
    tv_weight: float = _knob(0.0, "regularizers", "Smoothness of neighbouring voxels (total variation).", low=0,
        high=1e9)
    carving_weight: float = _knob(0.1, "regularizers", "How firmly rays that should be clearer are cleared even where "
        "they are opaque; falls to 0 over the run.", low=0, high=1000)
    opacity_entropy_weight: float = _knob(100.0, "regularizers", "Pull of every pixel towards clear or solid.", low=0,
        high=1e9)

    checkpoint_every: int = _knob(0, "output", "Steps between checkpoints, from which a run can be resumed.", low=1,
        high=1_000_000, zero="automatic")
    snapshot_every: int = _knob(0, "output", "Steps between snapshots, which the preview shows.", low=1, high=1_000_000,
        zero="automatic")
    mesh_threshold: float = _knob(0.0, "output", "Density at which the mesh is cut.", basic=True, low=1e-4, high=1e4,
        zero="automatic", unit="per unit length")
    mesh_faces: int = _knob(0, "output", "Faces that the mesh is reduced to.", basic=True, low=100, high=10_000_000,
        zero="no reduction")
    texture_size: int = _knob(0, "output", "Edge of the mesh's texture.", low=256, high=4096,
        zero="vertex colours only", unit="texels")
    rgb_grid: bool = _knob(True, "output", "Fit the volume's colours to decoded views at the end (latent models; "
        "others need none).")
    turntable: bool = _knob(True, "output", "Render a turntable video at the end.")
    overwrite: bool = _knob(False, "output", "Replace a finished result in the same folder.")
    # fmt: on


_KINDS: dict[str, Kind] = {"str": "text", "int": "int", "float": "float", "bool": "bool", "Color": "color"}


def _specs() -> dict[str, Spec]:
    filled = {}
    for f in fields(Settings):
        spec: Spec = f.metadata["spec"]
        default: Any = f.default
        filled[f.name] = replace(spec, name=f.name, kind=_KINDS[str(f.type)], default=default)
    return filled


SPECS: MappingProxyType[str, Spec] = MappingProxyType(_specs())
"""Setting name -> Spec, in the order of declaration."""

PRESETS: MappingProxyType[str, dict[str, Value]] = MappingProxyType({
    # The defaults above: the model that ships, on a CPU.
    "embedded": {},
    # One call of the network a view instead of two: a seventh of the default's time (docs/experiments/schedule.md).
    "fast": {"steps": 150, "grid": 48, "views_per_step": 2, "guidance": 1.0},
    # More views and steps at less guidance: an eighth off the default's colour error (docs/experiments/generate3d.md).
    # A finer grid gains nothing: the network's pictures have 32 pixels.
    "quality": {"steps": 600, "views_per_step": 6, "guidance": 1.5},
    # The released code's defaults, all of them (pals-ttic/sjc, run_sjc.py).
    "paper": {
        "steps": 10_000, "views_per_step": 1, "noises_per_view": 1, "guidance": 100.0, "distilled": False,
        "var_red": True,
        "score_weight": "1/sigma", "view_words": "paper", "shared_noise": False, "guidance_rescale": 0.0,
        "perp_neg": 0.0, "score_clip": 0.0, "score_clip_end": 0.0, "sigma_schedule": "uniform",
        "sigma_max": 0.0, "sigma_min": 0.0, "sigma_jitter": 0.0, "grid": 100, "coarse_to_fine": 0, "ray_step": 0.5,
        "density_shift": -1.0, "init": "fog", "color_std": 1.0, "background": "learned", "radius": 1.5, "fov_min": 40.0,
        "fov_max": 70.0, "elevation_min": -6.38, "elevation_max": 83.53, "optimizer": "adamax",
        "learning_rate": 0.05, "learning_rate_end": 1.0, "background_learning_rate": 1e-4,
        "emptiness_weight": 1e4, "emptiness_multiplier": 20.0, "emptiness_switch": 0.5, "emptiness_beta": 10.0,
        "center_depth_weight": 0.0, "center_depth_ratio": 50 / 64, "tv_weight": 0.0, "carving_weight": 0.0,
        "opacity_entropy_weight": 0.0,
    },
    # What the experiments compare variants on: `fast`, ten seconds on one core.
    "ablation": {"steps": 150, "grid": 48, "views_per_step": 2, "guidance": 1.0, "turntable": False},
    # Seconds: every stage runs, nothing gets good.
    "test": {
        "steps": 8, "views_per_step": 1, "grid": 16, "snapshot_every": 2, "checkpoint_every": 4, "turntable": False,
    },
})  # fmt: skip

"""The schema of a run: every setting once, with its type, default, bounds, unit and text.  Standard library only.

`settings.py` checks, reads and writes settings, presets.py has the presets.  A new setting appears at the command
line, in panel, job.json and docs.
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

TEXTURE_EDGES = (256, 4096)  # texels: of a baked picture, whether of colours, normals or ambient occlusion
GROUPS = ("job", "start", "guidance", "noise", "field", "camera", "optimizer", "regularizers", "output")


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


def _setting(default: T, group: str, *, text: str, basic: bool = False, **known: Any) -> T:
    spec = Spec(text, group, "basic" if basic else "advanced", **known)
    default_field: T = field(default=default, metadata={"spec": spec})
    return default_field


@dataclass(frozen=True)
class Settings:
    """One run.  The defaults are the preset "embedded"; `settings.resolve` builds and checks one."""

    # fmt: off
    prompt: str = _setting(
        "", "job", basic=True,
        text="What to make, as a sentence.")
    negative_prompt: str = _setting(
        "", "job",
        text="What to avoid, as a sentence; guidance then pushes away from it instead of from an empty sentence.")
    model: str = _setting(
        "embedded", "job", basic=True,
        text="The diffusion model: embedded, a folder in the diffusers format, a Stable Diffusion checkpoint in one "
             "file, or a hub id such as NAME/MODEL or NAME/MODEL@REVISION.")
    lora: str = _setting(
        "", "job",
        text="LoRA files to add to the model, as PATH or PATH:weight with commas between them; only safetensors "
             "files work.")
    mv_adapter: str = _setting(
        "", "job",
        text="A multi-view adapter (MV-Adapter, a safetensors file) for Stable Diffusion 2.1 or SDXL, which then sees "
             "six views of the object at once.")
    preset: str = _setting(
        "embedded", "job", basic=True, choices=("embedded", "fast", "quality", "paper", "mvdream", "ablation", "test"),
        text="The set of values that all other settings start from; choose fast for a quick look and quality for "
             "outlines that are a little truer.")
    seed: int = _setting(
        0, "job", basic=True, low=0, high=2**31 - 1,
        text="Starting point of the random numbers; change it for another variant, keep it to repeat a run on the "
             "same device.")
    steps: int = _setting(
        450, "job", basic=True, low=1, high=1_000_000, symbol="n_steps",
        text="Number of optimization steps; more make a better object and take longer, fewer give a rough one soon.")
    early_stop: float = _setting(
        0.0, "job", low=0.001, high=0.5, zero="never",
        text="End the run early when less than this share of the solid has changed during a fifth of the run.")
    device: str = _setting(
        "auto", "job", basic=True,
        text="Where to compute: auto, cpu, cuda, cuda:N or mps; auto takes a graphics card if torch can use one.")
    renderer: str = _setting(
        "auto", "job", choices=("auto", "reference", "warp"),
        text="How views are rendered: reference is plain torch, warp is faster with fused kernels, auto takes warp "
             "where it runs.")
    runtime: str = _setting(
        "auto", "job", choices=("auto", "torch", "onnx"),
        text="What runs the network on a CPU: torch, or onnx, which is faster for small networks; auto takes onnx "
             "where it runs.")
    compile: str = _setting(
        "off", "job", choices=("off", "auto"),
        text="Whether torch compiles the network on an NVIDIA card: auto does where it can, which makes the first "
             "step slow and the others faster.")

    start: str = _setting(
        "", "start",
        text="A mesh that the object starts from and stands like (a block-out), as a .glb file.")
    start_strength: float = _setting(
        0.5, "start", low=0, high=1,
        text="How closely to keep to the shape of the start: 0 takes it as a loose hint, 1 keeps it.")
    keep: str = _setting(
        "", "start",
        text="A mesh within which alone the start may change, as a .glb file; everything else stays exactly as it is.")
    picture: str = _setting(
        "", "start",
        text="Reference pictures that the object shall look like, as FILE@VIEW with commas between them; a view is "
             "front, right, back, left, top, bottom, or azimuth,elevation in degrees.")
    picture_weight: float = _setting(
        1.0, "start", low=0, high=1000,
        text="How strongly to pull the colors seen from a picture's camera towards the picture; at 1 as strongly as "
             "one view's score.")
    picture_mask_weight: float = _setting(
        1.0, "start", low=0, high=1000,
        text="How strongly to pull the outline seen from a picture's camera towards the picture's.")
    picture_every: int = _setting(
        1, "start", low=1, high=1000, unit="steps",
        text="Steps from one look at a picture to the next, in turn if there are several; each costs a render of one "
             "more view.")
    picture_recolor: bool = _setting(
        True, "start",
        text="Carry the pictures' colors to the sides that no picture shows, by the map of colors that fits best; only "
             "for models that work in pixels.")
    parent: str = _setting(
        "", "start",
        text="Name of the job folder whose result this job goes on from.")

    surface: str = _setting("", "start", text="A mesh that gets a texture, as a .glb file; no shape is made then.")
    surface_strength: float = _setting(1.0, "start", low=0, high=1,
        text="How much of the present colors of the surface to replace: 1 ignores them, less keeps more of them.")
    sharpen_colors: bool = _setting(
        False, "start",
        text="Make the present colors of the surface truer instead of painting new ones.")
    control: str = _setting(
        "", "start",
        text="A depth ControlNet that shows the model the shape of the surface: a folder in the diffusers format, or a "
             "hub id. It must have been made for the same kind of model.")

    views_per_step: int = _setting(
        2, "guidance", low=1, high=64, symbol="V",
        text="Number of camera views in each step; more views give steadier steps and take longer in proportion.")
    noises_per_view: int = _setting(
        1, "guidance", low=1, high=64, symbol="n",
        text="Number of noise samples that each view's score is averaged over; each costs another call of the network.")
    guidance: float = _setting(
        2.5, "guidance", basic=True, low=0, high=1000, symbol="s",
        text="How strongly to follow the prompt (classifier-free guidance): 1 is as the model was trained, more "
             "exaggerates it.")
    guidance_end: float = _setting(
        0.0, "guidance", low=0.01, high=1000, zero="the same all along",
        text="Guidance at the end of the run, reached in equal steps; a lower one than at the start leaves edges "
             "smoother.")
    guidance_sigma_min: float = _setting(
        0.0, "guidance", low=0.001, high=1000, zero="no limit",
        text="Noise level below which views have no guidance, and so cost one call of the network instead of two.")
    guidance_sigma_max: float = _setting(
        0.0, "guidance", low=0.001, high=1000, zero="no limit",
        text="Noise level above which views have no guidance, and so cost one call of the network instead of two.")
    distilled: bool = _setting(
        True, "guidance",
        text="Call the network once per view instead of twice, if the model has an adapter for this guidance scale "
             "and no negative prompt, rescale, Perp-Neg, LoRA or changing guidance needs both calls.")
    var_red: bool = _setting(
        True, "guidance", symbol="var_red",
        text="Make the score less noisy by subtracting the clean render (the paper's Eq. 16); off subtracts the "
             "noised one (Eq. 15).")
    score_weight: str = _setting(
        "1", "guidance", choices=("1/sigma", "1/sigma^2", "1", "sigma/(1+sigma^2)", "1/mean"),
        text="Factor on the denoiser's correction: 1 leaves it as it is, 1/sigma is the released code's, 1/sigma^2 "
             "the paper's, sigma/(1+sigma^2) that of score distillation, and 1/mean makes every view pull alike.")
    view_words: str = _setting(
        "fine", "guidance", choices=("fine", "paper", "none"),
        text="How the prompt says where the camera stands: fine names angles, as the embedded model learned them, "
             "paper says front, side, backside or overhead, and none says nothing.")
    lamp: float = _setting(
        0.0, "guidance", low=0, high=1,
        text="Share of the views that are lit by a lamp which the prompt then names, so that hollows show; only for "
             "models that have learned such words.")
    shared_noise: bool = _setting(
        False, "guidance",
        text="Use the same noise for all views of a step, instead of separate noise for each.")
    guidance_rescale: float = _setting(
        0.0, "guidance", low=0, high=1, symbol="phi",
        text="How much of the contrast that guidance adds to take back; raise it if colors become too harsh at "
             "high guidance.")
    perp_neg: float = _setting(
        0.0, "guidance", low=0.01, high=10, zero="off", symbol="w",
        text="How strongly to keep each view from looking like the front or the side (Perp-Neg); try 1 if backs "
             "look like fronts, at one or two more calls of the network per view.")
    score_clip: float = _setting(
        0.0, "guidance", low=1e-4, high=1e4, zero="no limit",
        text="Limit on every element of the score; set one if a run at high guidance becomes unstable.")
    score_clip_end: float = _setting(
        0.0, "guidance", low=1e-4, high=1e4, zero="the same all along",
        text="Limit on the score at the end of the run, reached in equal steps; a higher one than at the start "
             "leaves details for later.")

    noise_source: str = _setting(
        "random", "noise", choices=("random", "inverted", "surface"),
        text="Where a view's noise comes from: random draws it anew, inverted asks the model for the render's own "
             "noise, surface fixes it to the object so that views agree.")
    inversion_rungs: int = _setting(
        2, "noise", low=1, high=20, symbol="K",
        text="Steps from the render up to the noise level if the noise is inverted; each costs another call of the "
             "network.")
    whole_flow: bool = _setting(
        False, "noise",
        text="Denoise down the same steps if the noise is inverted, instead of in one; each costs another call of the "
             "network.")
    sigma_schedule: str = _setting(
        "annealed", "noise", choices=("uniform", "annealed", "dreamtime", "falling"), symbol="sigma",
        text="How the noise level is chosen: annealed lowers it over the run, dreamtime does and stays longest at "
             "middle levels, falling draws it from a range that falls, as MVDream does, and uniform draws it at "
             "random, as the released code does.")
    sigma_max: float = _setting(
        3.0, "noise", low=0.001, high=1000, zero="the model's",
        text="Highest noise level; much noise shapes the object as a whole.")
    sigma_min: float = _setting(
        0.5, "noise", low=0.001, high=1000, zero="the model's",
        text="Lowest noise level; little noise refines details.")
    start_noise: float = _setting(
        1.0, "noise", low=0.01, high=1,
        text="How far up from the lowest noise level the run begins, where the level falls over the run; a lower one "
             "keeps more of what the run starts from.")
    sigma_jitter: float = _setting(
        0.0, "noise", low=0, high=5,
        text="Random spread around the annealed noise level: at 1 a level can be up to e times higher or lower, at "
             "0 there is none.")

    grid: int = _setting(
        64, "field", basic=True, low=8, high=512, symbol="N",
        text="Number of voxels along each edge of the volume; more can show finer detail and take more memory and "
             "time.")
    coarse_to_fine: int = _setting(
        0, "field", low=0, high=5,
        text="How many times the grid doubles on its way to full size in the first half of the run; 0 uses the full "
             "grid from the start.")
    render_size: int = _setting(
        0, "field", low=8, high=1024, zero="the model's", unit="pixels",
        text="Edge of the rendered image, which is then resized for the model; a smaller one is faster and shows "
             "less detail.")
    rays_per_pixel: int = _setting(
        1, "field", low=1, high=16,
        text="Rays through each pixel of the rendered image, which shows their mean; more make borders as soft as in "
             "the pictures that a model learned from, and take longer.")
    ray_step: float = _setting(
        1.0, "field", low=0.05, high=4, unit="voxels",
        text="Distance between the samples along a ray; smaller steps are more exact and slower.")
    density_shift: float = _setting(
        -3.0, "field", low=-20, high=20, symbol="shift",
        text="Value added to the density before the softplus; a higher one starts the run with a denser volume.")
    init: str = _setting(
        "blob", "field", choices=("fog", "blob"),
        text="What the run starts from: blob is a soft ball in the center, fog an even fog everywhere, as in the "
             "released code.")
    color_std: float = _setting(
        0.1, "field", low=0, high=10,
        text="Random spread of the raw colors at the start; the released code uses 1.")
    background: str = _setting(
        "random", "field", choices=("learned", "random", "fixed"),
        text="What is behind the volume: random takes a new color for each view, fixed always the same one, and "
             "learned a texture that is optimized too, as in the released code.")
    background_color: Color = _setting(  # noqa: RUF009 (a tuple)
        (1.0, 1.0, 1.0), "field", low=0, high=1, unit="sRGB",
        text="Color of the fixed background, as red, green and blue.")

    radius: float = _setting(
        3.0, "camera", low=0.1, high=20, symbol="R",
        text="Distance of the camera from the center of the volume, which is 2 wide; farther away, the object looks "
             "smaller.")
    fov_min: float = _setting(
        34.0, "camera", low=1, high=150, unit="degrees",
        text="Narrowest horizontal field of view; each view draws its own between this and the widest.")
    fov_max: float = _setting(
        38.0, "camera", low=1, high=150, unit="degrees",
        text="Widest horizontal field of view; each view draws its own between the narrowest and this.")
    framing: float = _setting(
        0.0, "camera", low=0.1, high=10, zero="the radius",
        text="Half the width of what an image shows at the center of the volume, which is 2 wide: the camera then "
             "stands as far away as its field of view needs, instead of at the radius.")
    elevation_min: float = _setting(
        -30.0, "camera", low=-90, high=90, unit="degrees",
        text="Lowest position of the camera, as an angle from the horizon; raise it if the object need not look "
             "right from below.")
    elevation_max: float = _setting(
        85.0, "camera", low=-90, high=90, unit="degrees",
        text="Highest position of the camera, as an angle from the horizon; 90 looks straight down.")

    optimizer: str = _setting(
        "adam", "optimizer", choices=("adamax", "adam"),
        text="The optimizer of the volume: adam, or adamax, as in the released code.")
    learning_rate: float = _setting(
        0.4, "optimizer", low=1e-6, high=10, symbol="lr",
        text="Step size for density, color and density scale; a higher one changes the volume faster and less "
             "steadily.")
    learning_rate_end: float = _setting(
        0.25, "optimizer", low=0, high=1,
        text="Fraction of the learning rate that is left at the end of the run; 1 keeps it constant.")
    color_rate: float = _setting(
        0.25, "optimizer", low=0.01, high=1,
        text="Step size for color as a fraction of the learning rate; a lower one keeps colors steady where the shape "
             "takes large steps.")
    density_rate: float = _setting(
        1.0, "optimizer", low=0, high=1,
        text="Step size for density as a fraction of the learning rate; a lower one holds the shape while colors "
             "change, and 0 fixes it.")
    background_learning_rate: float = _setting(
        1e-4, "optimizer", low=0, high=10,
        text="Step size for the learned background; other backgrounds do not use it.")

    emptiness_weight: float = _setting(
        10.0, "regularizers", low=0, high=1e9, symbol="lambda_1",
        text="How strongly to keep space empty; raise it if fog stays around the object, lower it if thin parts "
             "vanish.")
    emptiness_multiplier: float = _setting(
        20.0, "regularizers", low=0, high=1e6, symbol="lambda_2/lambda_1",
        text="Factor on the emptiness weight in the later part of the run; raise it if fog is left at the end.")
    emptiness_switch: float = _setting(
        0.5, "regularizers", low=0, high=1, symbol="K",
        text="When the emptiness multiplier sets in, as a fraction of the run.")
    emptiness_beta: float = _setting(
        10.0, "regularizers", low=0.001, high=1e4, symbol="beta",
        text="Sharpness of the emptiness term log(1 + beta w); a higher one clears thin fog more strongly.")
    center_depth_weight: float = _setting(
        0.0, "regularizers", low=0, high=1e6,
        text="How strongly to pull the middle of the image towards the camera; try 10 if results are flat.")
    center_depth_ratio: float = _setting(
        50 / 64, "regularizers", low=0.1, high=0.98,
        text="Edge of the middle that is pulled towards the camera, as a fraction of the image.")
    tv_weight: float = _setting(
        0.0, "regularizers", low=0, high=1e9,
        text="How strongly to make neighboring voxels alike (total variation); raise it for a smoother object.")
    carving_weight: float = _setting(
        0.1, "regularizers", low=0, high=1000,
        text="How strongly to clear opaque space that the model wants clearer, falling to 0 over the run; raise it "
             "if shapes come out too fat.")
    opacity_entropy_weight: float = _setting(
        100.0, "regularizers", low=0, high=1e9,
        text="How strongly to make every pixel either clear or solid; raise it if the object stays see-through.")

    checkpoint_every: int = _setting(
        0, "output", low=1, high=1_000_000, zero="automatic",
        text="Steps between checkpoints, from which an interrupted run can be resumed.")
    snapshot_every: int = _setting(
        0, "output", low=1, high=1_000_000, zero="automatic",
        text="Steps between the snapshots that the preview shows; fewer show the growth more smoothly.")
    mesh_threshold: float = _setting(
        0.0, "output", basic=True, low=1e-4, high=1e4, zero="automatic", unit="per unit length",
        text="Density at which the mesh is cut out of the volume; a higher one gives a slimmer mesh.")
    mesh_faces: int = _setting(
        0, "output", basic=True, low=100, high=10_000_000, zero="no reduction",
        text="Number of faces to reduce the mesh to, if it is to be lighter.")
    texture_size: int = _setting(
        0, "output", low=TEXTURE_EDGES[0], high=TEXTURE_EDGES[1], zero="vertex colors only", unit="texels",
        text="Edge of the mesh's texture; set one for meshes with few faces.")
    rgb_grid: bool = _setting(
        True, "output",
        text="Fit the volume's colors to decoded views at the end; only latent models need it.")
    turntable: bool = _setting(
        True, "output",
        text="Render a turntable video at the end; switch it off to save time.")
    overwrite: bool = _setting(
        False, "output",
        text="Replace a finished result in the same folder instead of refusing to start.")
    # fmt: on

    @property
    def guidance_varies(self) -> bool:
        """Whether the guidance scale is not the same for all views of the run."""
        return bool(self.guidance_end or self.guidance_sigma_min or self.guidance_sigma_max)


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

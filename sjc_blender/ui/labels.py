"""Labels and tooltips of settings, presets, stages and states, all of which are translated.  No bpy."""

from __future__ import annotations

from ..backend.sjc.settings import Spec, plain

ACRONYMS = {
    "Fov": "FOV",
    "Lora": "LoRA",
    "Tv": "TV",
    "Var": "Variance",
    "Red": "Reduction",
    "Std": "Spread",
    "Perp": "Perpendicular",
    "Neg": "Negatives",
    "Init": "Starting Shape",
}

SMALL = {"Per": "per", "To": "to"}

GROUP_LABELS = {
    "job": "Job",
    "guidance": "Guidance",
    "noise": "Noise",
    "field": "Field",
    "camera": "Camera",
    "optimizer": "Optimizer",
    "regularizers": "Regularizers",
    "output": "Output",
}

PRESET_TOOLTIPS = {
    "embedded": "For the model that ships with the add-on, on a CPU",
    "fast": "A rough result soon",
    "quality": "A fine grid and more steps, for a graphics card",
    "paper": "The defaults of the paper's released code",
    "ablation": "What the experiments compare variants on",
    "test": "Seconds: every stage runs, nothing gets good",
}

# What a choice is called where its own word, capitalised, is not enough.
CHOICE_LABELS = {
    "adamax": "AdaMax",
    "fog": "Fog",
    "blob": "Soft Ball",
    "warp": "Fused Kernels",
    "torch": "Torch",
    "onnx": "ONNX Runtime",
    "sigma/(1+sigma^2)": "sigma/(1+sigma^2)",
    "reference": "Reference",
}

STAGES = {
    "load": "Loading the model",
    "resume": "Reading the checkpoint",
    "optimise": "Growing",
    "paused": "Paused",
    "export": "Making the mesh",
}

# state of a job: (what it is called, icon)
STATES = {
    "waiting": ("Waiting", "TIME"),
    "starting": ("Starting", "PLAY"),
    "running": ("Running", "PLAY"),
    "paused": ("Paused", "PAUSE"),
    "stopping": ("Stopping", "SNAP_FACE"),
    "finished": ("Finished", "CHECKMARK"),
    "stopped": ("Stopped", "SNAP_FACE"),
    "failed": ("Failed", "ERROR"),
}

# Of a latent model's volumes and meshes; where colours are what they are from the start, nothing is said.
COLORS = {"preview": "Colours: preview", "final": "Colours: final"}

# What a step measures.
METRICS = {
    "sigma": "Noise Level",
    "score": "Score",
    "opacity": "Opacity",
    "emptiness": "Emptiness",
    "gradient": "Gradient",
    "loss": "Loss",
}

EXPORTERS = {"export_scene.gltf": "Export glTF", "wm.obj_export": "Export OBJ"}

# What is known of the chosen model; size, folder and licence follow.
MODEL_STATES = {
    "embedded": "Comes with the add-on",
    "folder": "On this machine",
    "cached": "On this machine",
    "missing": "Must be downloaded",
}
# The same in the picker, in a word or two.
PICKER_STATES = {
    "embedded": "Comes with the add-on",
    "folder": "Folder",
    "cached": "Downloaded",
    "missing": "To be downloaded",
    "bad": "Not usable",
}
OFFLINE = "Blender stays offline: allow Online Access in Preferences > System > Network first"
GATED = (
    "Its owners give it only to accounts that accepted their terms: accept them on its page, then sign in with: hf "
    "auth login"
)

BACKEND_STATES = {
    "missing": "The backend is not installed",
    "installing": "Installing the backend",
    "checking": "Checking the backend",
    "fetching": "Downloading the model",
    "asking": "Asking the hub for the model's size",
    "removing": "Removing the model",
    "ready": "The backend is ready",
    "broken": "The backend does not work",
}


def label(spec: Spec) -> str:
    """A setting's name in Blender's spelling: emptiness_weight -> Emptiness Weight."""
    spelling = ACRONYMS | SMALL
    return " ".join(spelling.get(word, word) for word in spec.name.replace("_", " ").title().split())


def tooltip(spec: Spec) -> str:
    """A setting's description as Blender wants it, without a full stop; its unit and what 0 means follow."""
    text = spec.description.rstrip(".")
    if spec.unit:
        text += f" ({spec.unit})"
    return f"{text}. 0: {spec.zero}" if spec.zero else text


def choice_label(choice: str) -> str:
    """A choice's name: embedded -> Embedded; formulas stay."""
    return CHOICE_LABELS.get(choice, choice.capitalize())


def metric_label(name: str) -> str:
    """What a measured number is called; one that nobody knows yet by its own name."""
    return METRICS.get(name, name.replace("_", " ").capitalize())


def duration(seconds: float) -> str:
    """75 -> "1:15", 3700 -> "1:01:40"."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: float) -> str:
    """A number for a label, without needless digits."""
    return plain(round(value, 3))

"""Labels and tooltips of settings, presets, stages and states, all of which are translated.  No bpy."""

from __future__ import annotations

from ..backend.sjc.settings import Spec, plain

ACRONYMS = {
    "Fov": "FOV",
    "Rgb": "RGB",
    "Lora": "LoRA",
    "Mv": "MV",
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
    "start": "Start",
    "guidance": "Guidance",
    "noise": "Noise",
    "field": "Field",
    "camera": "Camera",
    "optimizer": "Optimizer",
    "regularizers": "Regularizers",
    "output": "Output",
}

PRESET_TOOLTIPS = {
    "embedded": "The default settings, for the included model on a CPU",
    "fast": "A rough result in a fraction of the time",
    "quality": "More steps than the default: outlines that are a little truer, but slower",
    "paper": "The defaults of the paper's released code",
    "mvdream": "MVDream's own settings for 3D objects; only for models that see several views at once",
    "ablation": "Quick settings that the project's experiments use to compare variants",
    "test": "A quick test of every stage, over in seconds; the result is not usable",
}

# What a choice is called where its own word, capitalised, is not enough.
CHOICE_LABELS = {
    "mvdream": "MVDream",
    "adamax": "AdaMax",
    "dreamtime": "DreamTime",
    "fog": "Fog",
    "blob": "Soft Ball",
    "warp": "Fused Kernels",
    "torch": "Torch",
    "onnx": "ONNX Runtime",
    "sigma/(1+sigma^2)": "sigma/(1+sigma^2)",
    "reference": "Reference",
}

STAGES = {
    "connect": "Connecting to the other computer",
    "import": "Loading the libraries",
    "load": "Loading the model",
    "resume": "Reading the checkpoint",
    "optimise": "Growing the volume",
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
WORD_KINDS = {"objects": "Objects", "colors": "Colors", "parts": "Parts"}
COLORS = {"preview": "Colors: preview", "final": "Colors: final"}

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
    "folder": "On this computer",
    "file": "On this computer; the first job makes a model folder of it",
    "cached": "On this computer",
    "missing": "Must be downloaded",
}
# The same in the picker, in a word or two.
PICKER_STATES = {
    "embedded": "Comes with the add-on",
    "folder": "Folder",
    "file": "File",
    "cached": "Downloaded",
    "missing": "Not downloaded",
    "bad": "Not usable",
}
OFFLINE = "Blender is offline: allow Online Access in Preferences > System > Network first"
GATED = (
    "This model is only for accounts that have accepted its terms: accept them on the model's page, then "
    "press Sign In and give a token of your account"
)

BACKEND_STATES = {
    "missing": "The backend is not installed",
    "installing": "Installing the backend",
    "checking": "Checking the backend",
    "fetching": "Downloading the model",
    "asking": "Looking up the model's size",
    "signing in": "Signing in to the hub",
    "removing": "Removing the model",
    "measuring": "Checking the model",
    "reaching": "Checking the other computer",
    "ready": "The backend is ready",
    "broken": "The backend does not work",
}

# The doctor's checks, by the engine's names.
CHECKS = {
    "python": "Python",
    "torch": "Torch",
    "device": "Device",
    "renderer": "Renderer",
    "runtime": "Runtime",
    "memory": "Memory",
    "disk": "Disk",
    "model": "Model",
    "token": "Token",
}

# What a check of a model is doing, by the engine's stage.
CHECK_STAGES = {
    "load": "Loading the model",
    "sample": "Sampling images",
    "noise": "Measuring errors by noise level",
    "predictions": "Trying other prediction types",
    "schedule": "Comparing noise levels",
    "words": "Comparing prompts",
    "colours": "Comparing colors",
    "time": "Timing calls",
    "jobs": "Timing steps",
    "files": "Reading the files",
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


# code of a problem -> (what its button is called, the page that it opens)
LINKS = {
    "token": ("Get Token", "https://huggingface.co/settings/tokens"),
    "driver": ("Get Driver", "https://www.nvidia.com/drivers"),
    "runtime": ("Get Visual C++", "https://aka.ms/vs/17/release/vc_redist.x64.exe"),
}

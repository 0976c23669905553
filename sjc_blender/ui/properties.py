"""Properties of the scene (settings, from the one schema; output) and of the window manager (what panels draw).

No `from __future__ import annotations` here: Blender reads the annotations themselves.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import bpy

from ..backend.sjc.errors import SjcError
from ..backend.sjc.job import inputs
from ..backend.sjc.paths import OWN_MODELS
from ..backend.sjc.settings import DEFAULT_PRESET, PRESETS, SPECS, Spec, Value, coerce, resolve
from . import labels, loras, prompts, reference_pictures

# What a change of the preset leaves alone: what is made, with what, and where.
UNCHANGED = (
    "prompt", "negative_prompt", "model", "lora", "mv_adapter", "preset", "seed", "device", "renderer", "runtime",
    "compile", "start", "start_strength", "keep", "picture", "parent", "surface", "surface_strength",
    "sharpen_colors", "control", "overwrite",
)  # fmt: skip
SUGGESTED = {"device": ("auto", "cpu", "cuda", "cuda:0", "cuda:1", "mps"), "model": OWN_MODELS}
PLACEHOLDER = "a red mushroom"


# ------------------------------------------------------------------------------------------- from schema to properties


def _property(spec: Spec) -> Any:
    """The bpy property of a setting: same name, default and bounds."""
    common = {"name": labels.label(spec), "description": labels.tooltip(spec), "options": set()}
    if spec.kind == "bool":
        return bpy.props.BoolProperty(default=bool(spec.default), **common)
    if spec.kind == "color":
        return bpy.props.FloatVectorProperty(
            default=spec.default, size=3, min=spec.low, max=spec.high, subtype="COLOR_GAMMA", **common
        )
    if spec.kind == "text" and not spec.choices:
        return _text_property(spec, common)
    if spec.kind == "text":
        return bpy.props.EnumProperty(default=spec.default, items=_items(spec), **_on_choice(spec), **common)
    low = 0 if spec.zero else spec.low
    bounds: dict[str, Any] = {"default": spec.default, "min": low, "max": spec.high, **common}
    if spec.zero and spec.low:
        bounds["update"] = _leave_gap(spec.name, spec.low)
    if spec.kind == "int":
        return bpy.props.IntProperty(**bounds)
    return bpy.props.FloatProperty(precision=_digits(spec), **bounds)


def _digits(spec: Spec) -> int:
    """Digits after the point: learning rates and thresholds need four."""
    numbers = [abs(n) for n in (spec.default, spec.low) if isinstance(n, int | float) and n]
    return 4 if min(numbers, default=1.0) < 0.001 else 3


def _text_property(spec: Spec, common: dict[str, Any]) -> Any:
    if spec.name in SUGGESTED:
        common = {**common, "search": _suggest(SUGGESTED[spec.name]), "search_options": {"SUGGESTION"}}
    if spec.name == "prompt":
        common = {**common, "search": prompts.offered, "search_options": {"SUGGESTION"}}
    if spec.name == "lora":
        common = {**common, "update": loras.follow}
    if spec.name in ("mv_adapter", "start", "keep"):
        common = {**common, "subtype": "FILE_PATH"}
    return bpy.props.StringProperty(default=spec.default, **common)


def _suggest(known: tuple[str, ...]) -> Callable[..., Iterable[str]]:
    def search(_group: Any, _context: Any, typed: str) -> Iterable[str]:
        return [word for word in known if typed.lower() in word]

    return search


def _items(spec: Spec) -> list[tuple[str, str, str]]:
    tooltips = labels.PRESET_TOOLTIPS if spec.name == "preset" else {}
    return [(choice, labels.choice_label(choice), tooltips.get(choice, "")) for choice in spec.choices]


def _on_choice(spec: Spec) -> dict[str, Any]:
    return {"update": _take_preset} if spec.name == "preset" else {}


def _take_preset(group: Any, _context: Any) -> None:
    """A new preset: its values, for all but UNCHANGED. None of them has an update that touches the preset.

    What to avoid follows the preset as long as nobody wrote something else there.
    """
    if group.negative_prompt in {values.get("negative_prompt", "") for values in PRESETS.values()}:
        group.negative_prompt = _values_of(group.preset)["negative_prompt"]
    apply(group, {name: value for name, value in _values_of(group.preset).items() if name not in UNCHANGED})


def _leave_gap(name: str, low: float) -> Callable[[Any, Any], None]:
    """Where 0 is a word, numbers between it and the lowest one mean nothing: they become the lowest."""

    def update(group: Any, _context: Any) -> None:
        if 0 < getattr(group, name) < low * (1 - 1e-6):  # stored in single precision, which may lie just below
            setattr(group, name, low)

    return update


class SJC_PG_settings(bpy.types.PropertyGroup):
    """One property for every setting of the schema."""

    __annotations__ = {spec.name: _property(spec) for spec in SPECS.values()}


# ------------------------------------------------------------------------------------------ from properties to settings


def settings_from(scene: Any) -> dict[str, Value]:
    """What differs from the scene's preset, by name, with the preset itself: as `api.generate` takes it."""
    group = scene.sjc
    base = _values_of(group.preset)
    changes: dict[str, Value] = {"preset": group.preset}
    for spec in SPECS.values():
        if spec.name not in ("preset", "overwrite") and not _same(getattr(group, spec.name), base[spec.name], spec):
            changes[spec.name] = _plain(getattr(group, spec.name), spec)
    return changes


def usable(stored: Mapping[str, Any], folder: Path) -> tuple[dict[str, Value], list[str]]:
    """All settings that a job's stored ones mean here, and the names of those that no longer exist, or not so.

    What a job of another version does not name comes from its preset. folder: the job's, which holds what it started
    from.
    """
    values: dict[str, Any] = {}
    left_out = []
    for name, value in stored.items():
        try:
            values[name] = coerce(name, value)
        except SjcError:
            left_out.append(name)
    base = _values_of(str(values.get("preset", DEFAULT_PRESET)))
    files = {name: inputs.located(name, values[name], folder) for name in inputs.FILES if values.get(name)}
    return {**base, **values, **files, "overwrite": False}, left_out


def apply(group: Any, values: Mapping[str, Any]) -> None:
    """Set properties by name; a preset goes first, because it changes the others. Unknown names are passed over."""
    for name in sorted(values, key=lambda name: name != "preset"):
        if name in SPECS:
            setattr(group, name, values[name])


def _values_of(preset: str) -> dict[str, Value]:
    chosen = resolve(preset)
    return {name: getattr(chosen, name) for name in SPECS}


def _same(stored: Any, value: Any, spec: Spec) -> bool:
    if spec.kind == "color":
        return [_single(x) for x in stored] == [_single(x) for x in value]
    return _single(stored) == _single(value) if spec.kind == "float" else stored == value


def _single(number: float) -> float:
    """As Blender stores it."""
    return struct.unpack("f", struct.pack("f", number))[0]


def _plain(stored: Any, spec: Spec) -> Value:
    """The number that was typed, not its neighbour in single precision: seven digits."""
    if spec.kind == "color":
        return tuple(float(f"{x:.7g}") for x in stored)  # type: ignore[return-value]
    return float(f"{stored:.7g}") if spec.kind == "float" else stored


# ------------------------------------------------------------------------------------------------------ how it comes in


class SJC_PG_start(bpy.types.PropertyGroup):
    """What a job starts from, beside its settings."""

    keep: bpy.props.PointerProperty(
        name="Change Only Inside", type=bpy.types.Object, poll=lambda _group, item: item.type == "MESH",
        description="A mesh object within which alone the start may change; everything else stays exactly as it is",
    )  # fmt: skip


class SJC_PG_output(bpy.types.PropertyGroup):
    """How a result comes into the scene."""

    size: bpy.props.FloatProperty(
        name="Size", description="Length of the longest side", default=1.0, min=0.001, soft_max=10.0, max=10000.0,
        subtype="DISTANCE", unit="LENGTH", options=set(),
    )  # fmt: skip
    smooth: bpy.props.BoolProperty(
        name="Smooth Shading", description="Shade the mesh smooth", default=True, options=set()
    )
    smooth_repeats: bpy.props.IntProperty(
        name="Smooth Surface", description="Number of smoothing iterations, as a modifier that can be changed later",
        default=0, min=0, soft_max=50, max=1000, options=set(),
    )  # fmt: skip
    decimate: bpy.props.FloatProperty(
        name="Decimate", description="Fraction of the faces to keep, as a modifier that can be changed later",
        default=1.0, min=0.01, max=1.0, subtype="FACTOR", options=set(),
    )  # fmt: skip
    mark_as_asset: bpy.props.BoolProperty(
        name="Mark as Asset", description="Add the mesh to the Asset Browser, with a preview and tags", options=set()
    )
    volume_to_mesh: bpy.props.BoolProperty(
        name="Live Surface", description="Add a second mesh that follows the volume live; its modifier sets the level",
        options=set(),
    )  # fmt: skip
    copy_beside: bpy.props.BoolProperty(
        name="Copy Volumes", options=set(),
        description="When the .blend file is saved, copy the files of its volumes to the folder sjc next to it",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------------- what is drawn


def _texts(*names: str) -> dict[str, Any]:
    return {name: bpy.props.StringProperty() for name in names}


class SJC_PG_job(bpy.types.PropertyGroup):
    """A job of the queue; `name` is its id. eta is negative while unknown."""

    __annotations__ = {
        **_texts("prompt", "state", "stage", "text", "folder", "picture", "colors", "warnings"),
        **_texts("problem_code", "problem_text", "problem_hint", "problem_details"),
        "step": bpy.props.IntProperty(),
        "total": bpy.props.IntProperty(),
        "progress": bpy.props.FloatProperty(),
        "rate": bpy.props.FloatProperty(),
        "eta": bpy.props.FloatProperty(default=-1.0),
        "seconds": bpy.props.FloatProperty(),
    }


class SJC_PG_history(bpy.types.PropertyGroup):
    """A job folder of the history."""

    __annotations__ = {
        **_texts("prompt", "folder", "when", "model", "parent"),
        "finished": bpy.props.BoolProperty(),
        "depth": bpy.props.IntProperty(),
    }


class SJC_PG_curve(bpy.types.PropertyGroup):
    """What the steps of the job at work measured, by name: the newest value, and a picture that scene.preview knows."""

    __annotations__ = {"value": bpy.props.FloatProperty(), **_texts("picture")}


class SJC_PG_runtime(bpy.types.PropertyGroup):
    """The copy that panels draw; filled by `ui_state` and `backend_task`, never by `draw`.

    failed: name of the newest job with a problem; states: the states that jobs of the queue are in, by words.
    """

    __annotations__ = {
        "jobs": bpy.props.CollectionProperty(type=SJC_PG_job),
        "active_job": bpy.props.IntProperty(name="Job", description="Job in the queue"),
        "history": bpy.props.CollectionProperty(type=SJC_PG_history),
        "active_history": bpy.props.IntProperty(name="Result", description="A job in the output folder"),
        "curves": bpy.props.CollectionProperty(type=SJC_PG_curve),
        "style": bpy.props.StringProperty(
            name="Style Words",
            description="Words that say how the object shall look; type to search the list",
            search=prompts.offered_styles,
            search_options={"SUGGESTION"},
        ),
        "worker_alive": bpy.props.BoolProperty(),
        "freeing": bpy.props.BoolProperty(),
        "backend_factor": bpy.props.FloatProperty(),
        "backend_stale": bpy.props.BoolProperty(),
        "other_ok": bpy.props.BoolProperty(),
        **_texts(
            "current",
            "failed",
            "states",
            "variants",
            "worker_device",
            "queue_problem",
            "queue_hint",
            "output_folder",
            "curves_of",
            "other_text",
        ),
        **_texts("backend_state", "backend_text", "backend_python", "backend_lines", "backend_problem", "backend_code"),
    }


CLASSES = (SJC_PG_settings, SJC_PG_start, SJC_PG_output, SJC_PG_job, SJC_PG_history, SJC_PG_curve, SJC_PG_runtime)


def attach() -> None:
    """Give scenes and the window manager their properties, after the classes are known."""
    bpy.types.Scene.sjc = bpy.props.PointerProperty(type=SJC_PG_settings)
    bpy.types.Scene.sjc_start = bpy.props.PointerProperty(type=SJC_PG_start)
    bpy.types.Scene.sjc_output = bpy.props.PointerProperty(type=SJC_PG_output)
    bpy.types.Scene.sjc_loras = bpy.props.CollectionProperty(type=loras.SJC_PG_lora)
    bpy.types.Scene.sjc_pictures = bpy.props.CollectionProperty(type=reference_pictures.SJC_PG_picture)
    bpy.types.WindowManager.sjc = bpy.props.PointerProperty(type=SJC_PG_runtime)


def detach() -> None:
    """Take them away again, before the classes go."""
    del bpy.types.WindowManager.sjc
    del bpy.types.Scene.sjc_pictures
    del bpy.types.Scene.sjc_loras
    del bpy.types.Scene.sjc_output
    del bpy.types.Scene.sjc_start
    del bpy.types.Scene.sjc


assert set(labels.PRESET_TOOLTIPS) == set(PRESETS)

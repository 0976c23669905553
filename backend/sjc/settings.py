"""Settings of a run: built from a preset and changes, checked, written, read, and shown.  Standard library only.

The knobs themselves stand in settings_schema.py, the presets in presets.py; everybody else imports them from here.
Whatever comes in (strings from a command line, numbers from JSON, values from a panel) goes through `resolve`, and
everything wrong with it comes back at once, one line each.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict

from . import lora_text, paths, picture_text
from .errors import SjcError
from .guidance.prompts import check_syntax, clean_prompt
from .presets import PRESETS
from .settings_schema import GROUPS, SPECS, TEXTURE_EDGES, Color, Settings, Spec, Value, plain

__all__ = [
    "DEFAULT_PRESET", "GROUPS", "PRESETS", "SPECS", "TEXTURE_EDGES", "Color", "Settings", "Spec", "Value",
    "add_arguments", "coerce", "docs_table", "from_json", "from_namespace", "overrides", "plain", "resolve",
    "resolve_job", "to_argument", "to_arguments", "to_json", "validate",
]  # fmt: skip

DEFAULT_PRESET = "embedded"
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")
_COARSEST = 8


# ------------------------------------------------------------------------------------------------------ building one


def resolve(preset: str | None = None, overrides: Mapping[str, object] | None = None) -> Settings:
    """The preset's values with the overrides on top, checked.

    preset None: the default one; a "preset" among the overrides wins.  Values may be of their type or strings.
    Raises SjcError with one line per unknown name or bad value.
    """
    given = dict(overrides or {})
    name = given.pop("preset", preset or DEFAULT_PRESET)
    lines = []
    if not isinstance(name, str) or name not in PRESETS:
        lines.append(f"preset: {_shown(name)} is unknown; use one of {', '.join(PRESETS)}.")
        name = DEFAULT_PRESET
    values: dict[str, Value] = {"preset": name, **PRESETS[name]}
    for key, value in given.items():
        if key not in SPECS:
            lines.append(_unknown(key))
            continue
        try:
            values[key] = coerce(key, value)
        except SjcError as error:
            lines.append(str(error))
            values.pop(key, None)
    settings = Settings(**values)  # type: ignore[arg-type]  # coerce gave each its type
    lines += _relations(settings, wrong={line.partition(":")[0] for line in lines})
    if lines:
        raise SjcError("\n".join(lines))
    return settings


def resolve_job(overrides: Mapping[str, object]) -> Settings:
    """The settings of a job that is to begin: as `resolve`, and with a prompt that says something. Raises SjcError."""
    settings = resolve(None, overrides)
    if not settings.prompt:
        raise SjcError('The prompt is empty; say what to make, e.g. "a red mushroom".')
    check_syntax(settings.prompt)
    check_syntax(settings.negative_prompt, "negative_prompt")
    return settings


def validate(settings: Settings) -> Settings:
    """The same settings, every value of its type.  Raises SjcError with one line per bad value."""
    return resolve(None, asdict(settings))


def coerce(name: str, value: object) -> Value:
    """One value in its setting's type.  Raises SjcError, one line: name, what was given, what is allowed."""
    if name not in SPECS:
        raise SjcError(_unknown(name))
    spec = SPECS[name]
    if spec.kind == "bool":
        return _bool(spec, value)
    if spec.kind == "int":
        return _int(spec, value)
    if spec.kind == "float":
        return _float(spec, value)
    if spec.kind == "color":
        return _color(spec, value)
    return _text(spec, value)


def _bool(spec: Spec, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in (*_TRUE, *_FALSE):
        return value.strip().lower() in _TRUE
    raise SjcError(f"{spec.name}: {_shown(value)} is neither on nor off; use true or false.")


def _int(spec: Spec, value: object) -> int:
    number: int | None = None
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,40}", value.strip()):
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    if number is None:
        raise SjcError(f"{spec.name}: {_shown(value)} is not a whole number; use {spec.allowed()}.")
    _check_range(spec, number, value)
    return number


def _float(spec: Spec, value: object) -> float:
    number = _number(value)
    if number is None:
        raise SjcError(f"{spec.name}: {_shown(value)} is not a number; use {spec.allowed()}.")
    _check_range(spec, number, value)
    return number


def _number(value: object) -> float | None:
    """A finite number, None for anything else (bool, nan, inf, text that is no number)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _check_range(spec: Spec, number: float, value: object) -> None:
    if number == 0 and spec.zero:
        return
    if spec.low is not None and spec.high is not None and not spec.low <= number <= spec.high:
        raise SjcError(f"{spec.name}: {_shown(value)} is out of range; use {spec.allowed()}.")


def _color(spec: Spec, value: object) -> Color:
    parts: Collection[object] | None = None
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value.strip()):
        text = value.strip()
        parts = [int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    elif isinstance(value, str):
        parts = value.split(",")
    elif isinstance(value, list | tuple):
        parts = value
    numbers = [_number(part) for part in parts or ()]
    inside = [n for n in numbers if n is not None and 0 <= n <= 1]
    if len(numbers) != 3 or len(inside) != 3:
        raise SjcError(
            f"{spec.name}: {_shown(value)} is not a color; use three numbers from 0 to 1, such as 1,0.5,0, or #rrggbb."
        )
    return inside[0], inside[1], inside[2]


def _text(spec: Spec, value: object) -> str:
    if spec.name == "picture" and isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        value = picture_text.joined(value)
    if spec.name in ("prompt", "negative_prompt"):
        return clean_prompt(value, name=spec.name, allow_empty=True)  # whether it says anything is the job's question
    if not isinstance(value, str):
        raise SjcError(f"{spec.name}: {_shown(value)} is not text; use one of {spec.allowed()}.")
    text = paths.model_name(value) if spec.name == "model" else value.strip()
    if spec.choices and text not in spec.choices:
        raise SjcError(f"{spec.name}: {_shown(value)} is unknown; use one of {spec.allowed()}.")
    if spec.name == "device" and not _DEVICE.fullmatch(text):
        raise SjcError(f"device: {_shown(value)} is unknown; use auto, cpu, cuda, cuda:N or mps.")
    if spec.name in ("start", "keep", "surface") and (len(text) > 4096 or set(text) & set("\0\n\r")):
        raise SjcError(f"{spec.name}: {_shown(value)} names no file; use the path of a .glb file.")
    if spec.name == "model" and (not text or len(text) > 4096 or not text.isprintable()):
        raise SjcError(f"model: {_shown(value)} names no model; use embedded, a folder or a hub id.")
    if spec.name == "lora":
        lora_text.parse(text)
    if spec.name == "picture":
        picture_text.split(text)
    if spec.name == "parent" and (len(text) > 255 or not text.isprintable() or {"/", "\\"} & set(text)):
        raise SjcError(f"parent: {_shown(value)} is not the name of a job folder.")
    return text


def _relations(s: Settings, wrong: Collection[str]) -> list[str]:
    """What no single value shows; pairs with a value already named are passed over."""
    pairs = [("fov_min", "fov_max"), ("elevation_min", "elevation_max"), ("sigma_min", "sigma_max")]
    pairs.append(("guidance_sigma_min", "guidance_sigma_max"))
    lines = []
    for low, high in pairs:
        a, b = getattr(s, low), getattr(s, high)
        automatic = low.endswith("sigma_min") and 0 in (a, b)
        if a > b and not automatic and not {low, high} & set(wrong):
            lines.append(f"{low}: {plain(a)} is above {high} {plain(b)}; swap them or change one.")
    if s.score_clip_end and not s.score_clip and not {"score_clip", "score_clip_end"} & set(wrong):
        lines.append(
            f"score_clip_end: {plain(s.score_clip_end)} has no limit to start from; set score_clip, the limit at "
            "the start, too."
        )
    if s.noise_source != "random" and s.noises_per_view > 1 and not {"noise_source", "noises_per_view"} & set(wrong):
        lines.append(
            f"noises_per_view: {s.noises_per_view} draws would be the same noise, because noise_source is "
            f"{s.noise_source}; set noises_per_view to 1."
        )
    if s.keep and not s.start and not {"keep", "start"} & set(wrong):
        lines.append("keep: there is nothing to keep without a start; set start, too.")
    if s.control and not s.surface and not {"control", "surface"} & set(wrong):
        lines.append("control: it shows the model a mesh that gets a texture, and there is none; leave it empty.")
    if s.sharpen_colors and not s.surface and not {"sharpen_colors", "surface"} & set(wrong):
        lines.append("sharpen_colors: there is no surface whose colors could become truer; set surface, too.")
    if s.surface and s.start and not {"surface", "start"} & set(wrong):
        lines.append("surface: a job either makes a shape from a start or textures a surface; leave one of them out.")
    if s.perp_neg and s.view_words == "none" and not {"perp_neg", "view_words"} & set(wrong):
        lines.append(
            f"perp_neg: {plain(s.perp_neg)} needs view words to steer away from; set view_words to fine or paper."
        )
    if s.grid >> s.coarse_to_fine < _COARSEST and not {"grid", "coarse_to_fine"} & set(wrong):
        lines.append(
            f"coarse_to_fine: {s.coarse_to_fine} doublings up to a grid of {s.grid} would start below {_COARSEST} "
            "voxels; use fewer doublings or a larger grid."
        )
    return lines


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(str(name).replace("-", "_"), SPECS, n=1)
    hint = f"did you mean {close[0]}?" if close else "see the table of settings in the manual."
    return f"{_shown(name)} is not a setting; {hint}"


def _shown(value: object) -> str:
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else str(value)
    text = text if len(text) <= 60 else text[:57] + "..."
    return f'"{text}"' if isinstance(value, str) else text


# -------------------------------------------------------------------------------------------------------------- JSON


def to_json(settings: Settings) -> str:
    """All values as a JSON object, in the order of the schema."""
    return json.dumps(asdict(settings), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(text: str) -> Settings:
    """The settings of a JSON object; what it leaves out comes from its "preset".

    Raises SjcError for text that is no JSON object, unknown names and bad values.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SjcError(f"The settings are not JSON: {str(error).splitlines()[0]}.") from error
    if not isinstance(data, dict):
        raise SjcError("The settings must be a JSON object of names and values.")
    return resolve(None, data)


# ------------------------------------------------------------------------------------------------------ command line


def add_arguments(parser: argparse.ArgumentParser, skip: Collection[str] = ("prompt",)) -> None:
    """A flag for every setting but those in `skip`: --steps N, --no-var-red, --background-color 1,1,1 ...

    Only flags that were given end up in the namespace; values stay text until `from_namespace` checks them.
    """
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    for spec in SPECS.values():
        if spec.name in skip:
            continue
        described = f"{spec.description} [{spec.allowed()}; default {_plain_value(spec.default)}]".replace("%", "%%")
        group = groups[spec.group]
        if spec.kind == "bool":
            group.add_argument(
                _flag(spec.name), action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=described
            )
        elif spec.name == "picture":
            group.add_argument(
                _flag(spec.name),
                metavar="FILE@VIEW",
                action="append",
                default=argparse.SUPPRESS,
                help=described + "; may be given several times",
            )
        else:
            metavar = {"int": "N", "float": "X", "color": "R,G,B"}.get(spec.kind, "TEXT")
            group.add_argument(_flag(spec.name), metavar=metavar, default=argparse.SUPPRESS, help=described)


def overrides(namespace: argparse.Namespace) -> dict[str, object]:
    """The settings that were given on the command line, unchecked."""
    given = vars(namespace)
    return {name: given[name] for name in SPECS if given.get(name) is not None}


def from_namespace(namespace: argparse.Namespace) -> Settings:
    """The settings of a parsed command line.  Raises SjcError with one line per bad value."""
    return resolve(None, overrides(namespace))


def to_arguments(settings: Settings, skip: Collection[str] = ("prompt",)) -> list[str]:
    """The flags that give these settings again, only where they differ from the preset's: ["--preset=fast", ...]."""
    base = resolve(settings.preset)
    arguments = [f"--preset={settings.preset}"]
    for spec in SPECS.values():
        value = getattr(settings, spec.name)
        if spec.name in skip or value == getattr(base, spec.name):
            continue
        arguments.append(to_argument(spec.name, value))
    return arguments


def to_argument(name: str, value: Value) -> str:
    """The flag that gives a setting a value: --seed=7, --turntable, --no-turntable."""
    if SPECS[name].kind == "bool":
        return _flag(name) if value else _flag(f"no_{name}")
    return f"{_flag(name)}={_plain_value(value)}"


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _plain_value(value: Value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return plain(value)
    if isinstance(value, tuple):
        return ",".join(plain(part) for part in value)
    return str(value)


# -------------------------------------------------------------------------------------------------------------- docs


def docs_table() -> str:
    """The settings and the presets as Markdown tables."""
    lines = []
    for group in GROUPS:
        lines += [f"### {group.capitalize()}", ""]
        lines += ["| setting | default | allowed | paper | meaning |", "|---|---|---|---|---|"]
        for spec in SPECS.values():
            if spec.group == group:
                basic = " *" if spec.tier == "basic" else ""
                cells = [f"`{spec.name}`{basic}", f"`{_plain_value(spec.default)}`" if spec.default != "" else ""]
                lines.append(_row([*cells, spec.allowed(), spec.symbol, spec.description]))
        lines.append("")
    lines += ["Settings with a star are in the panel itself, and the others are under Advanced.", "", "### Presets", ""]
    lines += [_row(["setting", *PRESETS]), "|---" * (len(PRESETS) + 1) + "|"]
    resolved = {name: resolve(name) for name in PRESETS}
    for name in SPECS:
        values = [_plain_value(getattr(settings, name)) for settings in resolved.values()]
        if name != "preset" and len(set(values)) > 1:
            lines.append(_row([f"`{name}`", *values]))
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

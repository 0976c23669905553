"""One schema: what goes in is checked, what comes out goes in again."""

import argparse
import dataclasses
import json
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sjc.errors import SjcError
from sjc.guidance.paas import WEIGHTS
from sjc.guidance.prompts import VIEW_STYLES, clean_prompt
from sjc.settings import (
    GROUPS,
    PRESETS,
    SPECS,
    Settings,
    add_arguments,
    coerce,
    docs_table,
    from_json,
    from_namespace,
    overrides,
    resolve,
    to_arguments,
    to_json,
    validate,
)


def parse(arguments, skip=("prompt",)):
    parser = argparse.ArgumentParser()
    add_arguments(parser, skip)
    return parser.parse_args(arguments)


def lines_of(preset, values):
    with pytest.raises(SjcError) as caught:
        resolve(preset, values)
    return str(caught.value).splitlines()


# ------------------------------------------------------------------------------------------------------- the schema


def test_every_knob_is_described():
    assert list(SPECS) == [f.name for f in dataclasses.fields(Settings)]
    for name, spec in SPECS.items():
        assert spec.name == name
        assert spec.description.endswith(".")
        assert spec.group in GROUPS
        if spec.kind in ("int", "float"):
            assert spec.low is not None
            assert spec.low < spec.high
        if spec.choices:
            assert spec.default in spec.choices
        assert coerce(name, spec.default) == spec.default
        assert type(coerce(name, spec.default)) is type(spec.default)


def test_choices_agree_with_the_code_that_takes_them():
    assert SPECS["preset"].choices == tuple(PRESETS)
    assert set(SPECS["score_weight"].choices) == set(WEIGHTS)
    assert set(SPECS["view_words"].choices) == set(VIEW_STYLES)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_hold_checked_values(preset):
    settings = resolve(preset)
    assert settings.preset == preset
    assert validate(settings) == settings
    for name, value in PRESETS[preset].items():
        assert getattr(settings, name) == value
        assert type(value) is type(SPECS[name].default)


def test_default_is_the_embedded_preset():
    assert resolve() == resolve("embedded") == Settings()


def test_paper_preset_is_the_released_code():
    s = resolve("paper")
    assert (s.grid, s.steps, s.radius, s.fov_min, s.fov_max) == (100, 10000, 1.5, 40, 70)
    assert (s.elevation_min, s.elevation_max, s.guidance) == (-6.38, 83.53, 100)
    assert (s.optimizer, s.learning_rate, s.learning_rate_end) == ("adamax", 0.05, 1)
    assert s.background_learning_rate == 1e-4
    assert (s.emptiness_weight, s.emptiness_multiplier, s.emptiness_switch, s.emptiness_beta) == (1e4, 20, 0.5, 10)
    assert (s.sigma_schedule, s.views_per_step, s.noises_per_view) == ("uniform", 1, 1)
    assert (s.var_red, s.score_weight, s.view_words) == (True, "1/sigma", "paper")
    assert (s.background, s.init, s.density_shift, s.ray_step) == ("learned", "fog", -1, 0.5)
    assert (s.center_depth_weight, s.center_depth_ratio, s.tv_weight) == (0, 50 / 64, 0)
    # Whatever shapes the optimisation is named, so that a change of the defaults cannot change the paper's run.
    shaping = {n for n, spec in SPECS.items() if spec.group not in ("job", "start", "output")}
    assert shaping - set(PRESETS["paper"]) == {"render_size", "background_color"}


def test_stdlib_only():
    code = "import sys, sjc.settings; print({'torch', 'numpy', 'bpy', 'diffusers'} & set(sys.modules))"
    folder = __import__("sjc").__path__[0] + "/.."
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": folder}
    )
    assert run.stdout.strip() == "set()"


# ------------------------------------------------------------------------------------------------------- bad values


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"steps": 0}, "steps: 0 is out of range; use 1 to 1000000."),
        ({"steps": "abc"}, 'steps: "abc" is not a whole number; use 1 to 1000000.'),
        ({"steps": True}, "steps: True is not a whole number; use 1 to 1000000."),
        ({"steps": 1.5}, "steps: 1.5 is not a whole number; use 1 to 1000000."),
        ({"steps": None}, "steps: None is not a whole number; use 1 to 1000000."),
        ({"seed": 2**31}, "seed: 2147483648 is out of range; use 0 to 2147483647."),
        ({"guidance": "nan"}, 'guidance: "nan" is not a number; use 0 to 1000.'),
        ({"guidance": float("inf")}, "guidance: inf is not a number; use 0 to 1000."),
        ({"guidance": False}, "guidance: False is not a number; use 0 to 1000."),
        ({"guidance": 10**400}, "guidance: 1000"),
        ({"render_size": 4}, "render_size: 4 is out of range; use 8 to 1024 pixels, or 0 for the model's."),
        ({"var_red": 1}, "var_red: 1 is neither on nor off; use true or false."),
        ({"var_red": "maybe"}, 'var_red: "maybe" is neither on nor off; use true or false.'),
        ({"optimizer": "sgd"}, 'optimizer: "sgd" is unknown; use one of adamax, adam.'),
        ({"optimizer": 3}, "optimizer: 3 is not text; use one of adamax, adam."),
        ({"device": "gpu"}, 'device: "gpu" is unknown; use auto, cpu, cuda, cuda:N or mps.'),
        ({"device": "cuda:"}, 'device: "cuda:" is unknown; use auto, cpu, cuda, cuda:N or mps.'),
        ({"model": " "}, 'model: " " names no model; use embedded, a folder or a hub id.'),
        ({"background_color": "1,2,3"}, 'background_color: "1,2,3" is not a color;'),
        ({"background_color": [0, 0]}, "background_color: [0, 0] is not a color;"),
        ({"background_color": [0, 0, float("nan")]}, "background_color: [0, 0, nan] is not a color;"),
        ({"background_color": "#ff"}, 'background_color: "#ff" is not a color;'),
        ({"prompt": "a\x00"}, "prompt: holds the control character U+0000"),
        ({"prompt": "x" * 1001}, "prompt: 1001 characters are too many; use at most 1000."),
        ({"negative_prompt": 5}, "negative_prompt: needs text, not int."),
        ({"stpes": 5}, '"stpes" is not a setting; did you mean steps?'),
        ({"learning-rate": 5}, '"learning-rate" is not a setting; did you mean learning_rate?'),
        ({"qqq": 5}, '"qqq" is not a setting; see the table'),
        ({"fov_min": 60}, "fov_min: 60 is above fov_max 38; swap them or change one."),
        ({"elevation_max": -40}, "elevation_min: -30 is above elevation_max -40; swap them or change one."),
        ({"sigma_min": 20}, "sigma_min: 20 is above sigma_max 3; swap them or change one."),
        ({"guidance_sigma_min": 2, "guidance_sigma_max": 1}, "guidance_sigma_min: 2 is above guidance_sigma_max 1;"),
        ({"grid": 16, "coarse_to_fine": 2}, "coarse_to_fine: 2 doublings up to a grid of 16 would start below 8"),
        ({"perp_neg": 2, "view_words": "none"}, "perp_neg: 2 needs view words to steer away from;"),
        ({"noise_source": "inverted", "noises_per_view": 2}, "noises_per_view: 2 draws would be the same noise,"),
        ({"score_clip_end": 2}, "score_clip_end: 2 has no limit to start from; set score_clip,"),
        ({"lora": "file:much"}, 'lora: the weight "much" of file is not a number from -10 to 10;'),
        ({"preset": "best"}, 'preset: "best" is unknown; use one of embedded, fast, quality, paper, mvdream, '),
        ({"preset": ["fast"]}, "preset: ['fast'] is unknown;"),
    ],
)  # fmt: skip
def test_one_clear_line(values, line):
    lines = lines_of(None, values)
    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert len(lines[0]) < 250


def test_all_lines_at_once():
    lines = lines_of("paper", {"steps": 0, "grid": "x", "fov_min": -1, "colour": 3, "device": "tpu"})
    assert [line.partition(":")[0] for line in lines] == [
        "steps", "grid", "fov_min", '"colour" is not a setting; did you mean color_std?', "device",
    ]  # fmt: skip


def test_validate_checks_and_mends_types():
    mended = validate(Settings(steps="20", guidance=3, device="cuda:1"))
    assert mended == Settings(steps=20, guidance=3.0, device="cuda:1")
    assert type(validate(Settings(guidance=3)).guidance) is float
    with pytest.raises(SjcError, match="steps: -1"):
        validate(Settings(steps=-1))


def test_values_as_text():
    s = resolve("test", {"steps": "1000", "var_red": "Off", "radius": "1e0", "background_color": "#ff8000"})
    assert (s.steps, s.var_red, s.radius) == (1000, False, 1.0)
    assert s.background_color == (1.0, 128 / 255, 0.0)
    assert resolve(None, {"background_color": "0.25, .5,1"}).background_color == (0.25, 0.5, 1.0)
    assert resolve(None, {"sigma_min": 0, "sigma_max": "0", "mesh_faces": 0}).sigma_min == 0


def test_a_preset_among_the_overrides_wins():
    assert resolve("paper", {"preset": "fast"}) == resolve("fast")


# ------------------------------------------------------------------------------------------------------ round trips


def value_of(spec):
    if spec.choices:
        return st.sampled_from(spec.choices)
    if spec.kind == "bool":
        return st.booleans()
    if spec.kind == "int":
        return st.integers(int(spec.low), int(spec.high)) | (st.just(0) if spec.zero else st.nothing())
    if spec.kind == "float":
        return st.floats(spec.low, spec.high) | (st.just(0.0) if spec.zero else st.nothing())
    if spec.kind == "color":
        return st.tuples(*[st.floats(0, 1)] * 3)
    if spec.name == "device":
        return st.sampled_from(["auto", "cpu", "mps", "cuda", "cuda:0", "cuda:12"])
    if spec.name == "model":
        return st.sampled_from(["embedded", "some/model", "/a folder/with spaces", "--odd", "C:\\models\\x"])
    if spec.name == "lora":
        return st.sampled_from(["", "a.safetensors", "C:\\loras\\a.safetensors:0.5, other:-1", "--odd:2"])
    if spec.name == "picture":
        return st.sampled_from(["", "a.png@front", "C:\\pictures\\a, b.png@30,-20, c.jpg@Left"])
    if spec.name == "parent":
        return st.sampled_from(["", "a-red-mushroom-0"])
    return st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40).map(
        lambda text: clean_prompt(text, allow_empty=True)
    )


@st.composite
def any_settings(draw):
    """Valid settings: any values for a handful of names, the related ones put in order."""
    names = draw(st.lists(st.sampled_from(list(SPECS)), unique=True, max_size=12))
    values = {name: draw(value_of(SPECS[name])) for name in names}
    try:
        return resolve(None, values)
    except SjcError as error:
        phrases = (
            " is above ",
            "doublings",
            "needs view words",
            "no limit to start from",
            "the same noise",
            "keep without",
            "textures a surface",
            "gets a texture",
            "could become truer",
        )
        for line in str(error).splitlines():
            assert any(words in line for words in phrases), line
        related = ("fov_min", "fov_max", "elevation_min", "elevation_max", "sigma_min", "sigma_max", "grid")
        related = (*related, "guidance_sigma_min", "guidance_sigma_max", "surface", "sharpen_colors", "control")
        for name in (
            *related,
            "coarse_to_fine",
            "perp_neg",
            "score_clip_end",
            "noise_source",
            "keep",
            "surface",
            "control",
        ):
            values.pop(name, None)
        return resolve(None, values)


@hypothesis_settings(max_examples=150, deadline=None)
@given(any_settings())
def test_json_round_trip(settings):
    text = to_json(settings)
    again = from_json(text)
    assert again == settings
    assert to_json(again) == text
    assert list(json.loads(text)) == list(SPECS)


@hypothesis_settings(max_examples=150, deadline=None)
@given(any_settings())
def test_command_line_round_trip(settings):
    arguments = to_arguments(settings, skip=())
    assert from_namespace(parse(arguments, skip=())) == settings
    assert shlex.split(shlex.join(arguments)) == arguments


def test_json_may_leave_out_and_start_from_a_preset():
    assert from_json('{"preset": "paper", "steps": 5}') == resolve("paper", {"steps": 5})
    assert from_json("{}") == Settings()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "not JSON"), ("{", "not JSON"), ("[1]", "must be a JSON object"), ("3", "must be a JSON object"),
        ('{"stps": 1}', '"stps" is not a setting; did you mean steps?'), ('{"guidance": NaN}', "nan is not a number"),
        ('{"steps": true}', "True is not a whole number"), ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_bad_json(text, line):
    with pytest.raises(SjcError) as caught:
        from_json(text)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_flags():
    namespace = parse(["--steps", "10", "--no-var-red", "--turntable", "--preset", "paper", "--density-shift", "-2.5"])
    given_values = {"steps": "10", "var_red": False, "turntable": True, "preset": "paper", "density_shift": "-2.5"}
    assert overrides(namespace) == given_values
    s = from_namespace(namespace)
    assert (s.preset, s.steps, s.var_red, s.turntable, s.density_shift) == ("paper", 10, False, True, -2.5)
    assert s.grid == 100
    assert overrides(parse([])) == {}
    with pytest.raises(SjcError, match='steps: "many"'):
        from_namespace(parse(["--steps", "many"]))


def test_help_names_every_flag():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    shown = parser.format_help()
    for name in set(SPECS) - {"prompt"}:
        assert "--" + name.replace("_", "-") in shown


def test_docs_table():
    table = docs_table()
    rows = [line for line in table.splitlines() if line.startswith("|")]
    for name, spec in SPECS.items():
        assert sum(row.startswith(f"| `{name}`") for row in rows) >= 1
        assert spec.description in table
    assert "| `steps` | 450 | 100 | 1200 | 10000 | 10000 | 150 | 8 |" in rows
    for row in rows:
        assert row.count("|") - row.count("\\|") in (6, len(PRESETS) + 2)

"""Deliberate mistakes in noise, guidance, and what ends a run or slows it."""

from tests.faults import FIELD, GUIDANCE, LOADING, LOOP, MODELS, PAAS, SJC, Fault

FAULTS = [
    Fault(
        "normals-point-inward",
        f"{FIELD}/lamp.py",
        "raw[0] - raw[1]",
        "raw[1] - raw[0]",
        ("tests/backend/field/test_lamp.py::test_normals_of_a_ball_point_away_from_its_centre",),
    ),
    Fault(
        "a-lamp-on-the-other-side-than-the-words",
        f"{FIELD}/lamp.py",
        "cameras.rotation @ self",
        "cameras.rotation.mT @ self",
        ("tests/backend/field/test_lamp.py::test_the_words_and_directions_are_those_that_were_taught",),
    ),
    Fault(
        "dreamtime-without-its-weight",
        f"{GUIDANCE}/schedules.py",
        "above = (sigmas * plateau).cumsum(0)",
        "above = plateau.cumsum(0)",
        ("tests/backend/guidance/test_schedules.py::test_dreamtime_law_spends_its_time_where_the_weight_is",),
    ),
    Fault(
        "views-normalised-together",
        f"{GUIDANCE}/paas.py",
        "correction.abs().mean((-3, -2, -1), keepdim=True)",
        "correction.abs().mean((-4, -3, -2, -1), keepdim=True)",
        (f"{PAAS}::test_divided_by_its_mean_every_view_pulls_alike",),
    ),
    Fault(
        "guidance-of-the-next-view",
        f"{MODELS}/conditioned.py",
        'given["guidance"] = self.guidance[prompts]',
        'given["guidance"] = self.guidance[prompts - 1]',
        (f"{LOADING}::test_every_prompt_can_have_a_scale_of_its_own",),
    ),
    Fault(
        "a-rung-asked-at-the-level-above",
        f"{GUIDANCE}/inversion.py",
        "(z - rung(z, k)) / sigma[k]\n    return z",
        "(z - rung(z, k + 1)) / sigma[k]\n    return z",
        ("tests/backend/guidance/test_inversion.py::test_climbing_is_eulers_product",),
    ),
    Fault(
        "a-cell-counted-as-often-as-rays-meet-it",
        f"{FIELD}/surface_noise.py",
        "counted = first & by_pixel(stopped)",
        "counted = by_pixel(stopped)",
        ("tests/backend/field/test_surface_noise.py::test_a_pixel_that_touches_one_cell_has_its_number",),
    ),
    Fault(
        "a-plateau-ends-the-run",
        f"{FIELD}/stillness.py",
        "if self.solid is None or change(self.solid, now) > self.tolerance:",
        "if self.solid is None:",
        ("tests/backend/field/test_stillness.py::test_a_plateau_that_is_shorter_is_none",),
    ),
    Fault(
        "slow-growth-ends-the-run",
        f"{FIELD}/stillness.py",
        "            self.solid, self.since = now, step\n",
        "            self.since = step\n        self.solid = now\n",
        ("tests/backend/field/test_stillness.py::test_slow_growth_adds_up",),
    ),
    Fault(
        "density-slowed-with-the-color",
        f"{SJC}/optimize.py",
        "rates[0] = s.density_rate",
        "rates[0] = s.color_rate",
        (f"{LOOP}::test_color_takes_its_share_of_every_step",),
    ),
]

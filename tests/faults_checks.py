"""Deliberate mistakes in `sjc models check`; see tests/faults.py."""

from tests.faults import SJC, Fault

CHECK = f"{SJC}/check"
NOISE = "tests/backend/check/test_noise.py"
COLOURS = "tests/backend/check/test_colours.py"
COST = "tests/backend/check/test_cost.py"

FAULTS = [
    Fault(
        "a-misread-prediction-passes-for-sound",
        f"{CHECK}/noise.py",
        "        return max(self.ratio)",
        "        return min(self.ratio)",
        (f"{NOISE}::test_a_prediction_that_is_misread_is_named",),
    ),
    Fault(
        "other-predictions-judged-on-the-wrong-pictures",
        f"{CHECK}/noise.py",
        "curve(subject, sampled(subject, effort), effort)",
        "curve(subject, torch.zeros(2, *subject.shape), effort)",
        (f"{NOISE}::test_a_prediction_that_is_misread_is_named",),
    ),
    Fault(
        "a-model-stays-misread-after-its-check",
        f"{CHECK}/subject.py",
        "        denoiser.parameterization = declared",
        "        pass",
        (f"{NOISE}::test_a_prediction_that_is_misread_is_named",),
    ),
    Fault(
        "numbers-that-are-none-count-as-no-error",
        f"{CHECK}/noise.py",
        "return [e / g if math.isfinite(e) and g > 0 else math.inf for e, g in pairs]",
        "return [e / g if math.isfinite(e) and g > 0 else 0.0 for e, g in pairs]",
        (f"{NOISE}::test_answers_that_are_no_numbers_fail",),
    ),
    Fault(
        "the-noise-added-is-the-noise-told",
        f"{CHECK}/noise.py",
        "pictures + stated / belief * noise",
        "pictures + stated * noise",
        (f"{NOISE}::test_the_right_schedule_agrees",),
    ),
    Fault(
        "every-picture-compared-with-its-own-words-twice",
        f"{CHECK}/noise.py",
        "subject.prompts[(i + subject.views) % len(subject.prompts)]",
        "subject.prompts[i % len(subject.prompts)]",
        (f"{NOISE}::test_words_matter_or_do_not",),
    ),
    Fault(
        "the-sampler-goes-the-wrong-way",
        f"{CHECK}/subject.py",
        "(x - denoised) * (following / sigma)",
        "(x - denoised) * (sigma / sigma)",
        (f"{NOISE}::test_pictures_are_those_that_the_model_knows",),
    ),
    Fault(
        "a-round-trip-alone-judges-the-scaling",
        f"{CHECK}/colours.py",
        "return [trip, _judge_strength(colours.strength)]",
        "return [trip, _judge_strength(1.0)]",
        (f"{COLOURS}::test_a_scaling_factor_that_is_too_large_fails_though_its_round_trip_is_good",),
    ),
    Fault(
        "latents-that-do-not-come-back-pass",
        f"{CHECK}/colours.py",
        "    elif colours.loss > LARGEST_LOSS:",
        "    elif colours.loss > 10 * LARGEST_LOSS:",
        (f"{COLOURS}::test_a_scaling_factor_that_is_too_small_fails",),
    ),
    Fault(
        "both-calls-charged-where-an-adapter-needs-one",
        f"{CHECK}/cost.py",
        "    once = distilled.built_in(settings) is not None or rows_of_settings(settings, denoiser) == 1",
        "    once = rows_of_settings(settings, denoiser) == 1",
        (f"{COST}::test_a_call_is_on_the_line_through_the_measured_ones",),
    ),
    Fault(
        "a-failed-check-ends-well",
        f"{SJC}/commands.py",
        'return 0 if record["ok"] else FAILED_CHECK',
        "return 0",
        ("tests/backend/check/test_check.py::test_the_status_tells_sound_from_wrong_from_missing",),
    ),
    Fault(
        "a-report-names-the-folder-of-the-model",
        f"{CHECK}/place.py",
        "    return path.resolve().name",
        "    return str(path.resolve())",
        ("tests/backend/check/test_check.py::test_the_report_is_whole_and_names_nobody",),
    ),
    Fault(
        "a-model-that-fails-counts-as-not-measured",
        "sjc_blender/models/checking.py",
        "MEASURED = (0, 1)",
        "MEASURED = (0,)",
        ("tests/addon/test_checking.py::test_a_model_that_was_measured_is_done_whatever_came_of_it",),
    ),
]

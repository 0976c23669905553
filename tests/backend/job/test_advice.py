"""Settings that will disappoint are told before the steps, and no others."""

from types import SimpleNamespace

import pytest

from sjc.guidance.parameterizations import Epsilon, Flow
from sjc.job.advice import advice
from sjc.settings import resolve

OURS = SimpleNamespace(card={"words": []}, distilled=False, parameterization=Epsilon(), name="embedded")
LARGE = SimpleNamespace(card={}, distilled=False, parameterization=Epsilon(), name="stable-diffusion")
BUILT_IN = SimpleNamespace(card={}, distilled=True, parameterization=Flow(), name="FLUX.1-dev")


@pytest.mark.parametrize(
    ("model", "preset", "given", "says"),
    [
        (OURS, "embedded", {}, None),
        (OURS, "fast", {}, None),
        (OURS, "embedded", {"negative_prompt": "a blue stem"}, None),
        (OURS, "ablation", {"negative_prompt": "a blue stem"}, "negative prompt does nothing at guidance 1"),
        (LARGE, "paper", {}, None),
        (LARGE, "embedded", {"guidance": 7.5}, None),
        (LARGE, "embedded", {}, "guidance 2.5 is for the embedded model; stable-diffusion will hardly"),
        (BUILT_IN, "embedded", {}, None),
    ],
)
def test_advice(model, preset, given, says):
    warnings = advice(resolve(preset, {"prompt": "a red mushroom", **given}), model)
    assert len(warnings) == (says is not None)
    assert says is None or says in warnings[0]

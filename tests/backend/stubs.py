"""A denoiser in closed form that stands in for a text-to-image model, so that the loop is tested in milliseconds."""

import torch

from sjc.guidance.denoiser import Origin
from sjc.guidance.parameterizations import Epsilon
from sjc.guidance.schedules import VESchedule
from sjc.settings import resolve

SIZE = 8
SCHEDULE = VESchedule.from_alphas_cumprod(torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000).double(), 0))


class StubDenoiser:
    """A `Denoiser` whose D(x; sigma) is `denoise`, whatever the prompt; `asked` holds the prompts of every step."""

    schedule, channels, name, origin, notes, built_in, ring = SCHEDULE, 3, "stub", Origin("stub"), (), None, None
    autoencoder, color_activation, parameterization, distilled = None, "tanh_sigmoid", Epsilon(), False
    control_size = None

    def __init__(self, denoise, size=SIZE, card=None):
        self.denoise, self.size, self.card, self.asked = denoise, size, card or {"measured": "nothing"}, []

    def check_prompt(self, text):
        return text

    def prepare(self, prompt, view_words, negative_prompt="", elevations=(-90, 90), asked=0):
        pass

    def check_steering(self, negative_prompt, *, perp_neg, varied_guidance=False):
        pass

    def conditioned(self, prompts, negative_prompt, guidance, **_knobs):
        self.asked.append(prompts)
        return self.denoise


def bent(x, sigma):
    """No image in particular: smooth, nonlinear, different at every noise level."""
    return torch.tanh(x + 0.3 * torch.sin(5 * x.flip(-1))) / (1 + 0.1 * sigma.view(-1, 1, 1, 1))


def settings(**given):
    """The preset "test" on the CPU with the reference renderer, with changes.

    What the default preset was tuned to (weights, the density at the start) is no matter of these tests.
    """
    fixed = {
        "density_shift": -1,
        "score_weight": "1/sigma",
        "emptiness_weight": 50,
        "carving_weight": 0,
        "opacity_entropy_weight": 0,
    }
    return resolve("test", {"prompt": "a red mushroom", "device": "cpu", "renderer": "reference", **fixed, **given})

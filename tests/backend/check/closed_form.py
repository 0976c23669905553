"""A model whose network is exact in closed form: each prompt's pictures are a mean picture and a little variation."""

import torch

from sjc.check.subject import Subject
from sjc.errors import SjcError
from sjc.guidance.parameterizations import Epsilon, VPrediction
from sjc.guidance.schedules import VESchedule
from sjc.models.networks import LoadedNetwork, PictureFormat
from sjc.models.text_denoiser import TextDenoiser
from sjc.models.text_encoders import Condition

SIZE, SPREAD = 8, 0.3
PROMPTS = ["a red mushroom", "a blue chair"]


def schedule(end=0.02):
    """The noise levels of linear betas up to `end`."""
    return VESchedule.from_alphas_cumprod(torch.cumprod(1 - torch.linspace(1e-4, end, 1000).double(), 0))


class Words:
    """Reads two prompts and the empty one; their condition is their number."""

    card, name = {}, "The model"

    def check_prompt(self, text):
        if text not in PROMPTS:
            raise SjcError(f"{text} is unknown")
        return text

    def conditions(self, texts):
        return Condition(torch.tensor([["", *PROMPTS].index(text) for text in texts]).float().view(-1, 1, 1))

    def unconditional(self, negative):
        return self.conditions([negative])


def means():
    """[3,3,S,S] the mean picture of the empty prompt and of the two others."""
    two = 0.6 * torch.randn(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(7)).sign()
    return torch.cat([two.mean(0, keepdim=True), two])


def truth():
    """[4,3,S,S] pictures of the two prompts by turns."""
    noise = torch.randn(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(8))
    return means()[1:].repeat(2, 1, 1, 1) + SPREAD * noise


def model(predicts, read_as=None, trained_on=None, stated=None, deaf=False):
    """A denoiser whose network predicts in one way for one schedule, and is read in another for another.

    deaf: the prompt makes no difference.
    """
    levels, pictures = trained_on or schedule(), means()

    def network(x_t, t, condition, _guidance):
        sigma = levels.sigmas[t.long()].float().view(-1, 1, 1, 1)
        x = x_t * (1 + sigma**2).sqrt()
        mean = pictures[0 if deaf else condition.states.flatten().long()]
        y = (SPREAD**2 * x + sigma**2 * mean) / (SPREAD**2 + sigma**2)
        if isinstance(predicts, Epsilon):
            return (x - y) / sigma
        if isinstance(predicts, VPrediction):
            return (x / (1 + sigma**2) - y) * (1 + sigma**2).sqrt() / sigma
        return y

    loaded = LoadedNetwork(network, lambda: None, torch.device("cpu"), torch.float32)
    return TextDenoiser(loaded, PictureFormat(3, SIZE), Words(), stated or levels, read_as or predicts)


def subject(*args, **kwargs):
    """The same as a subject without guidance."""
    return Subject(model(*args, **kwargs), PROMPTS, 1.0)

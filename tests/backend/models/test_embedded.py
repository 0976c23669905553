"""The embedded model as it ships: what its words mean, asked of its first guess from almost pure noise."""

import pytest
import torch

from sjc.guidance.prompts import view_prompt
from sjc.models.loading import load_denoiser

SIGMA, GUESSES = 20.0, 4


@pytest.fixture(scope="module")
def guess():
    """(prompt, azimuth) -> D of pure noise [3, 32, 32], the same noises every time."""
    denoiser = load_denoiser("embedded")

    def ask(prompt, azimuth, elevation=20):
        noise = SIGMA * torch.randn(GUESSES, 3, 32, 32, generator=torch.Generator().manual_seed(0))
        noise = torch.cat([noise, noise.flip(-1)])  # no side is preferred by the noise
        denoise = denoiser.conditioned([view_prompt("fine", azimuth, elevation, prompt)])
        return denoise(noise, torch.full((len(noise),), SIGMA)).mean(0)

    return ask


def unlike(a, b):
    return float((a - b).square().mean().sqrt())


@pytest.mark.parametrize("prompt", ["a yellow duck", "a pink chair", "a brown boat"])
def test_a_side_view_faces_one_way(guess, prompt):
    """The view from the left is the mirrored one from the right, and not its own mirror image."""
    left, right = guess(prompt, 90), guess(prompt, 270)
    assert unlike(left, right.flip(-1)) < 0.5 * unlike(left, right)


def test_front_and_back_differ(guess):
    """From behind, the back hides the seat but for its edge; in one colour the two views are nearly alike."""
    front, back = (guess("a blue chair with a yellow seat", azimuth) for azimuth in (0, 180))
    assert unlike(front, back) > 3 * unlike(front, front.flip(-1))
    # The seat's upper side from the front, the back's lower end from behind.
    rows, columns = slice(15, 18), slice(10, 22)
    yellow = [float((view[0] + view[1] - 2 * view[2])[rows, columns].mean()) for view in (front, back)]
    assert yellow[0] > 1
    assert yellow[0] > 2 * yellow[1]


def test_the_words_order_binds_the_colours(guess):
    red = guess("a red mushroom with a white stem", 0)
    white = guess("a white mushroom with a red stem", 0)
    cap, stem = (slice(8, 14), slice(12, 20)), (slice(20, 26), slice(15, 17))

    def redness(picture, window):
        r, g, b = picture[:, window[0], window[1]].mean((-2, -1)).tolist()
        return r - (g + b) / 2

    assert redness(red, cap) > 0.5 + redness(red, stem)
    assert redness(white, stem) > 0.3 + redness(white, cap)

"""Sentences on their way into a model: encoded once, refused with one clear line."""

import json
import shutil

import pytest

from sjc.errors import SjcError
from sjc.models.loading import load_denoiser
from tests.backend.tiny_models import CARD, word_model


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    return word_model(tmp_path_factory.mktemp("model"), card=CARD)


@pytest.fixture(scope="session")
def denoiser(saved):
    return load_denoiser(str(saved))


@pytest.fixture
def copied(saved, tmp_path):
    """A copy to break."""
    return shutil.copytree(saved, tmp_path / "model")


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_each_sentence_is_encoded_once(saved, monkeypatch):
    denoiser = load_denoiser(str(saved))
    batches = []
    forward = denoiser.prompt_encoder.text_encoders[0].module.forward

    def counted(input_ids, **kwargs):
        batches.append(len(input_ids))
        return forward(input_ids=input_ids, **kwargs)

    monkeypatch.setattr(denoiser.prompt_encoder.text_encoders[0].module, "forward", counted)
    denoiser.conditioned(["red mushroom", "blue mushroom", "red mushroom"], "", 3.0)
    denoiser.conditioned(["blue mushroom", "mushroom"], "", 2.0)
    denoiser.conditioned(["blue mushroom"], "red", 2.0)
    assert batches == [1, 2, 1, 1]


def test_card(saved, copied):
    assert load_denoiser(str(saved)).card == CARD
    (copied / "sjc.json").unlink()
    assert load_denoiser(str(copied)).card == {}
    (copied / "sjc.json").write_text("[]")
    with pytest.raises(SjcError, match=r"sjc.json must hold a JSON object"):
        load_denoiser(str(copied))


def test_good_prompts(denoiser):
    assert denoiser.check_prompt("  A red   Mushroom! ") == "A red Mushroom!"
    assert denoiser.check_prompt("mushroom, red") == "mushroom, red"


@pytest.mark.parametrize(
    ("prompt", "lines"),
    [
        ("", ["is empty"]),
        ("a\x07", ["control character"]),
        ("x" * 1001, ["1001 characters"]),
        ("a green mushrom", ['know "green", "mushrom"', "objects: mushroom", "colours: red, blue", "bigger model"]),
        ("mushrom", ['did you mean "mushroom"?']),
        ("a turquoise mushrom", ['(did you mean "blue", "mushroom"?)', "such as stable-diffusion-v1-5/"]),
        ("빨간 버섯", ['does not know "빨간", "버섯"', "objects: mushroom", "choose a bigger model"]),
        ("a 🍄", ['does not know "🍄"']),
        ("a <pad> mushroom", ['does not know "pad"']),
        ("!!!", ["holds no word"]),
        ("red " * 13, ["13 words", "at most 12"]),
    ],
)  # fmt: skip
def test_bad_prompts(denoiser, prompt, lines):
    with pytest.raises(SjcError) as caught:
        denoiser.check_prompt(prompt)
    for line in lines:
        assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "fillers" not in str(caught.value)


def test_bad_prompts_are_caught_when_encoding_too(denoiser):
    for prompts, negative in ((["a dragon"], ""), (["mushroom"], "dragon")):
        with pytest.raises(SjcError, match='does not know "dragon"'):
            denoiser.conditioned(prompts, negative, 3.0)
    with pytest.raises(SjcError, match="reads at most 24"):
        denoiser.conditioned(["red " * 30])


def test_too_long_with_the_view_words(copied):
    edit(copied / "sjc.json", max_words=None)
    denoiser = load_denoiser(str(copied))
    assert denoiser.check_prompt("red " * 17) == ("red " * 17).strip()  # 6 view words, 17, the end mark: 24
    with pytest.raises(SjcError, match=r"is 18 tokens long; .* has room for 17"):
        denoiser.check_prompt("red " * 18)

"""Prompts as people paste them: invisible characters go, other programs' orders are named and not read as words."""

import pytest

from sjc import settings
from sjc.errors import SjcError
from sjc.guidance.prompts import check_syntax, clean_prompt


def test_what_nobody_sees_is_left_out():
    assert (
        clean_prompt("\ufeffa red\u200b mush\u00adroom\u200d\u2060\t on\ta\u00a0hill\u202c")
        == "a red mushroom on a hill"
    )


@pytest.mark.parametrize(
    ("prompt", "quoted", "advice"),
    [
        ("a (red:1.3) mushroom", "(red:1.3)", "without brackets"),
        ("a (red: -0.5 ) mushroom", "(red: -0.5 )", "without brackets"),
        ("a [red] mushroom", "[red]", "without brackets"),
        ("[red:blue:0.5] mushroom", "[red:blue:0.5]", "without brackets"),
        ("((masterpiece)), a mushroom", "((", "without brackets"),
        (r"toad \(mario\)", r"\(", "without brackets"),
        ("a mushroom <lora:toys_v2:0.8>", "<lora:toys_v2:0.8>", "give its file as lora, PATH:0.8"),
        ("<LyCO:x:1> a mushroom", "<LyCO:x:1>", "give its file as lora"),
        ("a mushroom <hypernet:x:1>", "<hypernet:x:1>", "give its file as lora"),
    ],
)
def test_the_orders_of_other_programs_are_named(prompt, quoted, advice):
    for name in ("prompt", "negative_prompt"):
        with pytest.raises(SjcError) as raised:
            settings.resolve_job({"prompt": "a mushroom"} | {name: prompt})
        line = str(raised.value)
        assert line.startswith(f"{name}: {quoted} is another program's way")
        assert advice in line
        assert "\n" not in line


@pytest.mark.parametrize(
    "prompt", ["a mushroom (small)", "a clock at 10:30", "a 3 < 4 sign", "salt & pepper: a pair", "a [/b] tag"]
)
def test_ordinary_sentences_pass(prompt):
    check_syntax(prompt)


def test_an_old_job_with_such_a_prompt_can_still_be_read():
    assert settings.resolve(None, {"prompt": "a [red] mushroom"}).prompt == "a [red] mushroom"

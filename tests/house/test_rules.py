"""The house rules: they find what they forbid, and the tree keeps them."""

import pytest

from tools import rules

# In pieces, so that this file keeps the rules it tests.
BREACHES = {
    "registry": "see https://py" + "pi.org/project/x",
    "registry of files": "--index https://files.python" + "hosted.org",
    "node registry": "registry.npm" + "js.org",
    "system packages": "deb http://deb" + ".debian.org/debian",
    "torch builds": "--index-url https://download" + ".pytorch.org/whl/cpu",
    "path": "cd /work" + "/main",
    "home": "open('/home" + "/ann/x')",
    "tool": "written by an A" + "I tool",
    "maker": "Generated with Clau" + "de",
    "session": "left for the next ses" + "sion",
    "helper": "the hel" + "per writes this",
    "pickle": "torch.lo" + "ad(path)",
    "numpy pickle": "np.load(path, allow_pic" + "kle=True)",
}
HARMLESS = [
    "@pytest.fixture(scope='session')",
    "a helper function for rays",
    "np.load(path, allow_pickle=False)",
    "safetensors.torch.load_file(path)",
    "PyPI is where wheels come from",
    "the leading digit, the lead of the curve",
    "arxiv.org/abs/2212.00774",
    "openai/clip-vit-large-patch14",
]


@pytest.mark.parametrize("text", BREACHES.values(), ids=BREACHES)
def test_each_breach_is_found_with_its_line(text):
    breaches = rules.check_text("a.md", f"fine\n{text}\n")
    assert [line.split(": ")[0] for line in breaches] == ["a.md:2"]


@pytest.mark.parametrize("text", HARMLESS)
def test_honest_lines_pass(text):
    assert rules.check_text("a.md", text) == []


def test_only_the_converter_reads_a_pickle_and_only_its_tensors():
    safe = BREACHES["pickle"][:-1] + ", weights_only=True)"
    assert rules.check_text(rules.CONVERTER, safe) == []
    assert rules.check_text(rules.CONVERTER, BREACHES["pickle"]) != []
    assert rules.check_text("backend/sjc/worker/serve.py", safe) != []


@pytest.mark.parametrize(
    "text",
    [
        "found = 1",
        "a, (kept, b) = c",
        "for seen in a: pass",
        "def told(): pass",
        "def f(*, most): pass",
        "async def f(said=1): pass",
        "self.trouble = 1",
        "if (found := a): pass",
        "x = [kept for kept in a]",
        "lambda seen: 1",
        "from a import b as found",
        "with a as kept: pass",
        "class told: pass",
        "said: str",
    ],
)
def test_a_name_that_says_nothing_is_refused_where_it_is_chosen(text):
    (breach,) = rules.check_names("a.py", f"\n{text}\n")
    assert breach.startswith("a.py:2: ")


def test_names_that_say_nothing_are_refused_in_kernels_but_not_in_their_comments():
    breaches = rules.check_native_names("a.h", "int x;  // most of them\nint most = found;\nfloat mostly;\n")
    assert [line.split(" ")[0] for line in breaches] == ["a.h:2:"]


def test_names_of_others_may_be_read_and_longer_ones_chosen():
    text = "print(found)\nx = y.kept\nfound_paths = f(most=1)\nfrom a import seen\n'told'\n"
    assert rules.check_names("a.py", text) == []


def test_module_lengths():
    short = {f"m{i}.py": 100 for i in range(20)}
    assert rules.check_lengths({**short, "a.py": 450, "b.py": 301}) == []
    assert rules.check_lengths({**short, "a.py": 451}) == ["a.py: 451 lines, at most 450: split it"]
    assert rules.check_lengths({**short, **{f"tests/t{i}.py": 700 for i in range(9)}}) == []
    assert rules.check_lengths({"tests/t.py": 701}) == ["tests/t.py: 701 lines, at most 700: split it"]
    assert "5 of 25 modules" in rules.check_lengths({**short, **{f"n{i}.py": 301 for i in range(5)}})[0]


def test_the_tree_keeps_the_rules():
    assert rules.check() == []

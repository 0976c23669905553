"""House rules that no linter knows: what the project's texts never say, and how long a module may be."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from .common import ROOT, our_files

LONG = 300  # lines; most modules stay below it
TOO_LONG = 450
TOO_LONG_TESTS = 700  # a list of cases is read one case at a time
LONG_SHARE = 0.15  # of the modules may lie between the two

# Each entry is written in pieces so that this file does not hold what it forbids.
FORBIDDEN = {
    "names a package registry's host": "|".join(
        (
            r"\bpy" + r"pi\.(org|python)",
            "python" + "hosted",
            r"npm" + r"js\.(org|com)",
            r"crates" + r"\.io",
            r"deb" + r"\.debian\.org",
            r"archive" + r"\.ubuntu\.com",
            r"download" + r"\.pytorch\.org",
            r"anaconda" + r"\.org",
            r"proxy" + r"\.golang\.org",
        )
    ),
    "carries a path of one person's machine": "|".join(
        (
            r"/work" + r"/(main|shared)\b",
            r"/home" + r"/[a-z]+/",
            r"/root" + r"/",
            r"/tmp" + r"/brief",
            r"[A-Z]:\\Us" + r"ers\\",
        )
    ),
    "speaks of how it was written, not of what it is": "|".join(
        (
            r"\bclau" + r"de\b",
            r"\banth" + r"ropic\b",
            r"\bchat" + r"gpt\b",
            r"\bcopi" + r"lot\b",
            r"\bA" + r"I[- ](tool|assistant|agent)",
            r"\blanguage mo" + r"del wrote\b",
            r"\b(the|another|this|other|your) (lead |house |engine )?hel"
            + r"per(s)?\b(?! (function|method|module|class))",
            r"\b(this|another|an earlier|the next) ses" + r"sion\b",
            r"\bthe le" + r"ad (writes|adds|fills|session)\b",
        )
    ),
    "loads a pickle": "|".join(
        (
            r"\btorch\.lo" + r"ad\(",
            r"\bpic" + r"kle\.loads?\(",
            r"allow_pic" + r"kle\s*=\s*True",
            r"\bjob" + r"lib\.load\(",
        )
    ),
}
PATTERNS = {reason: re.compile(pattern, re.IGNORECASE) for reason, pattern in FORBIDDEN.items()}

# `sjc models convert` reads pickled weights, and nothing else may: tensors only, in a process of its own.
CONVERTER, TENSORS_ONLY = "backend/sjc/models/convert.py", "weights_only=True"

# Names that do not say what they hold.
CHECK_NAMES = True
EMPTY_NAMES = frozenset({"told", "said", "found", "seen", "most", "kept", "trouble"})

# Third-party wording, which stays as it is.
UNTOUCHED = ("LICENSE",)


def check_text(name: str, text: str) -> list[str]:
    """Return one line for every forbidden phrase in `text`."""
    breaches = []
    for number, line in enumerate(text.splitlines(), start=1):
        reasons = [reason for reason, pattern in PATTERNS.items() if pattern.search(line)]
        if name == CONVERTER and TENSORS_ONLY in line:
            reasons = [reason for reason in reasons if reason != "loads a pickle"]
        breaches += [f"{name}:{number}: {reason}" for reason in reasons]
    return breaches


def check_names(name: str, text: str) -> list[str]:
    """Return one line for every new variable, argument, attribute, function or import that is called by EMPTY_NAMES."""
    breaches = []
    for node in ast.walk(ast.parse(text)):
        chosen: list[str | None] = []
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            chosen = [node.id if isinstance(node, ast.Name) else node.attr]
        elif isinstance(node, ast.arg):
            chosen = [node.arg]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler | ast.MatchAs):
            chosen = [node.name]
        elif isinstance(node, ast.alias):
            chosen = [node.asname]
        breaches += [
            f"{name}:{node.lineno}: '{word}' does not say what it holds: name the thing"
            for word in chosen
            if word in EMPTY_NAMES
        ]
    return breaches


def check_native_names(name: str, text: str) -> list[str]:
    """Return one line for every line of C++ code, comments aside, in which one of EMPTY_NAMES stands."""
    empty = re.compile(rf"\b({'|'.join(sorted(EMPTY_NAMES))})\b")
    return [
        f"{name}:{number}: '{match[1]}' does not say what it holds: name the thing"
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := empty.search(line.split("//")[0]))
    ]


def check_lengths(lengths: dict[str, int]) -> list[str]:
    """Return one line for every module above its limit, and one when too many sources lie above LONG."""
    breaches = []
    for name, n in lengths.items():
        limit = TOO_LONG_TESTS if name.startswith("tests/") else TOO_LONG
        if n > limit:
            breaches.append(f"{name}: {n} lines, at most {limit}: split it")
    sources = {name: n for name, n in lengths.items() if not name.startswith("tests/")}
    long = [name for name, n in sources.items() if n > LONG]
    if len(long) > max(1, LONG_SHARE * len(sources)):
        breaches.append(f"{len(long)} of {len(sources)} modules have more than {LONG} lines: {', '.join(long)}")
    return breaches


def check(root: Path = ROOT) -> list[str]:
    """Return every breach of the house rules in the tree at `root`."""
    breaches = []
    lengths = {}
    for path in our_files(root):
        if path.name in UNTOUCHED:
            continue
        try:
            text = (root / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue  # a picture or weights
        breaches += check_text(path.as_posix(), text)
        if path.suffix == ".py":
            if CHECK_NAMES:
                breaches += check_names(path.as_posix(), text)
            lengths[path.as_posix()] = text.count("\n")
        elif path.suffix == ".h" and CHECK_NAMES:
            breaches += check_native_names(path.as_posix(), text)
    return breaches + check_lengths(lengths)

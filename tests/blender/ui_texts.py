"""Every text that a person can read in the interface: from the sources (ast), and from what Blender registered."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2] / "sjc_blender"
KEYWORDS = {"text", "placeholder", "confirm_text"}
CALLS = {"iface_", "pgettext_rpt", "pgettext_iface", "poll_message_set", "paragraph", "SjcError", "_open"}
RAISED = {"SjcError", "Problem", "Failed"}
LEAST_LETTERS = 8  # as `translated` has it: what is less has no words to translate
# Which arguments of a call are sentences.
TAKEN = {
    "SjcError": slice(0, 1), "Verdict": slice(2, None), "Answer": slice(1, 2), "_sentences": slice(0, None),
    "Unused": slice(0, 2), "Backend": slice(2, 3), "Failure": slice(0, 2), "Checked": slice(1, 2),
    "_fail": slice(1, 3), "_refuse": slice(1, 2), "Curated": slice(4, 5),
}  # fmt: skip
LABELS = "ui/labels.py"
# Where a job's problems are put into words.
ADVISING = (
    "problems.py", "install/installer.py", "queue/queue.py", "live.py", "incoming.py", "worker/process.py",
    "queue/queue_file.py", "queue/cluster.py", "queue/variants.py", "variants.py", "remeshing.py",
)  # fmt: skip
ENGINE = ROOT.parent / "backend" / "sjc"
# Of the engine, what no worker runs (nor experiments and batches): the command line and what it alone starts; the
# wire's own complaints; test data.
NO_WORKER = {"cli.py", "commands.py", "convert.py", "model_removal.py", "fake.py", "protocol.py", "empirical.py"}
BIGGER_MODEL = " For other words choose a bigger model, such as {} from the Hugging Face hub."
# Sentences that the engine puts together from pieces; every piece must stand in the file.
BUILT = {
    "job/extras.py": ("{} is missing from the result: {}",),
    "job/batch.py": ("line {}: {}",),
    "remote/here.py": ("Install sjc again on {}: a package is missing there.",),
    "models/prompt_encoder.py": (
        "{} does not know {}." + BIGGER_MODEL,
        "{} does not know {}; it knows {}." + BIGGER_MODEL,
        '{} does not know {} (did you mean "{}"?); it knows {}.' + BIGGER_MODEL,
    ),
    "models/lora.py": ("{} brings embeddings of its own for {}; they are left out, so that these words mean nothing.",),
    "models/single_file.py": (
        "{} is a LoRA, not a model; give it as lora, beside the model that it was made for.",
        "{} is a textual inversion (one word), not a model; it cannot be used.",
        (
            "{} is no Stable Diffusion 1, 2 or XL; other models cannot be read from one file: "
            "give them as a folder or a hub id."
        ),
        "{} is FLUX.1, which cannot be read from one file; give it as a folder or a hub id.",
        "{} is Stable Diffusion 3, which cannot be read from one file; give it as a folder or a hub id.",
        "{} is an autoencoder (VAE) alone; take the complete checkpoint.",
        "{} is a ControlNet, which needs an image beside the text; take a text-to-image model.",
        "{} is a network without text encoder and autoencoder; take the complete checkpoint.",
        "{} is the unet of a model folder; give the folder that holds model_index.json.",
        "{} is the transformer of a model folder; give the folder that holds model_index.json.",
        "{} is a text encoder alone; take the complete checkpoint.",
        "{} is an inpainting model; take the text-to-image model that it was made from.",
        "{} is an image-editing model (InstructPix2Pix); take the text-to-image model that it was made from.",
        "{} is a depth-to-image model; take a text-to-image model.",
        "{} is an upscaler; take a text-to-image model.",
    ),
    "models/pretrained.py": (
        "{}: the weights do not fit config.json; {} is missing or has another shape.",
        "{}: the weights do not fit config.json; {} is missing or has another shape, and {} more.",
    ),
    "models/families.py": (
        "{} is not a diffusers model: it has no model_index.json.",
        ("{} has no model_index.json, but checkpoints in one file: download one, such as {}, and choose the file."),
        "{} is {}, not a diffusers model: it has no model_index.json. Name a text-to-image pipeline.",
    ),
}
TOLD = ("worker/serve.py", "causes.py", "doctor.py", "machine/cards.py")
NOT_DRAWN = {"INTERRUPTED"}  # a job's own text, which the panel says in other words
CLASS_NAMES = {"reason", "bl_label", "bl_description"}

# Run in Blender, with the add-on on: {text: where}.
REGISTERED = """
from sjc_blender import registration

texts = {}
def note(text, where):
    if text:
        texts.setdefault(text, where)

for cls in registration.CLASSES:
    kind = cls.bl_rna.base.identifier if cls.bl_rna.base else ""
    if kind in ("Operator", "Panel", "Menu", "FileHandler"):
        note(getattr(cls, "bl_label", ""), cls.__name__)
    room, _, name = getattr(cls, "bl_idname", "").partition(".")
    rna = getattr(getattr(bpy.ops, room), name).get_rna_type() if kind == "Operator" else cls.bl_rna
    if kind == "Operator":
        note(rna.description, cls.__name__)
    ours = [base for base in cls.__mro__ if base.__module__.startswith("sjc_blender")]
    own = {name for base in ours for name in vars(base).get("__annotations__", {})}
    for name in own & set(rna.properties.keys()):
        prop = rna.properties[name]
        if prop.is_hidden or prop.name == name and not prop.description:
            continue  # not drawn: copies for the panel, operators' own
        note(prop.name, f"{cls.__name__}.{name}")
        note(prop.description, f"{cls.__name__}.{name}")
        for item in getattr(prop, "enum_items_static", ()):
            note(item.name, f"{cls.__name__}.{name}")
            note(item.description, f"{cls.__name__}.{name}")
result = texts
"""


def in_sources():
    """{text: file:line} of every text that the add-on's sources show, and of the errors that the engine raises."""
    texts = {}

    def note(path, pairs):
        for text, line in pairs:
            texts.setdefault(text, f"{path.relative_to(ROOT.parent)}:{line}")

    for path in sorted((ROOT / "ui").rglob("*.py")):
        if "languages" not in path.parts:
            note(path, _drawn(_parsed(path)))
    note(ROOT / LABELS, _labels(_parsed(ROOT / LABELS)))
    for path in (*(ROOT / name for name in ADVISING), *(ENGINE / name for name in TOLD)):
        note(path, _advice(_parsed(path)))
    rooms = [path for path in sorted(ROOT.rglob("*.py")) if "languages" not in path.parts]
    for path in [*rooms, ENGINE / "settings.py"]:
        note(path, _with_gaps(_parsed(path)))
    for path in [*sorted(ENGINE.rglob("*.py")), ROOT / "install" / "environment.py"]:
        if path.name not in NO_WORKER and path.parent.name not in {"batch", "experiments", "handover", "agents"}:
            note(path, raised(_parsed(path)))
    for name, sentences in BUILT.items():
        texts.update(dict.fromkeys(sentences, name))
    return texts


def _parsed(path):
    return ast.parse(path.read_text("utf-8"))


def raised(tree):
    """Sentences of a tree's SjcErrors, warnings, verdicts and checks, as somebody in Blender reads them.

    Plain ones, f-strings with {} for gaps, sums of both; of `here(shell, blender)` the second.
    """
    summands = {id(side) for node in ast.walk(tree) if isinstance(node, ast.BinOp) for side in (node.left, node.right)}
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = getattr(getattr(node.func, "value", None), "id", "")
            warned = called == "append" and target == "warnings"
            parts = node.args[slice(0, 1) if warned else TAKEN.get(called, slice(0))]
            if called == "here" and id(node) not in summands:
                parts = [node] if (_sentence(node) or "").endswith(".") else []
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"note", "state", "fact", "room"}:
            parts = getattr(node.value, "elts", [node.value])
        for text in map(_sentence, [branch for part in parts for branch in _branches(part)]):
            if text and " " in text and len(text.replace("{}", "")) >= LEAST_LETTERS:
                yield text, node.lineno


def _branches(node):
    """Both ends of "a if x else b"."""
    return [*_branches(node.body), *_branches(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def _sentence(node):
    """None for what is put together elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in node.values)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "here":
        return _sentence(node.args[1])
    if isinstance(node, ast.BinOp):
        parts = _sentence(node.left), _sentence(node.right)
        return None if None in parts else "".join(parts)
    return None


def _with_gaps(tree):
    """Sentences of errors that are f-strings, with {} for what is filled in; those that are built line by line too."""
    for node in ast.walk(tree):
        parts = []
        if isinstance(node, ast.Call):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            target = getattr(getattr(node.func, "value", None), "id", "")
            parts = node.args if called in RAISED or (called == "append" and target == "lines") else []
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "text":
            parts = [node.value]
        for part in parts:
            if isinstance(part, ast.JoinedStr):
                text = "".join(v.value if isinstance(v, ast.Constant) else "{}" for v in part.values)
                if len(text.replace("{}", "")) >= LEAST_LETTERS and " " in text.strip(" {}:"):
                    yield text, part.lineno


def _advice(tree):
    """What a failed job says: sentences at module level and among the words of problems."""
    yield from _constants(tree)
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_EXIT_MESSAGES":
            for row in node.value.elts:
                for part in row.elts[2:]:
                    yield from _literals(part)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "INSTALL_AGAIN":
            for value in node.value.values:
                yield from _literals(value)
    for node in ast.walk(tree):
        called = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
        parts = node.args if called in {"Problem", "Failed", "_error"} else []
        if called == "Cause":
            parts = node.args[1:3]  # what a shell is told and the words of libraries are not drawn
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in {"hint", "text"}:
            parts = [node.value]
        for part in parts:
            yield from ((text, line) for text, line in _literals(part) if " " in text)


def _drawn(tree):
    yield from _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in CALLS:
                for argument in node.args:
                    yield from _literals(argument)
            elif called.endswith("Property"):
                continue  # Blender tells of those
            for keyword in node.keywords:
                if keyword.arg in KEYWORDS:
                    yield from _literals(keyword.value)
        elif isinstance(node, ast.ClassDef):
            yield from _of_class(node)


def _of_class(node):
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            pairs = (
                zip(target.elts, statement.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple)
                else [(target, statement.value)]
            )
            for name, value in pairs:
                if getattr(name, "id", "") in CLASS_NAMES:
                    yield from _literals(value)


def _constants(tree):
    """Sentences at module level: NAME = "several words"."""
    for node in tree.body:
        name = getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else ""
        if name and name not in NOT_DRAWN and isinstance(node.value, ast.Constant | ast.BinOp):
            for text, line in _literals(node.value):
                if " " in text and "%" not in text:
                    yield text, line


def _labels(tree):
    """The values of the tables of labels and tooltips; of pairs the first."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for value in node.value.values:
                first = value.elts[0] if isinstance(value, ast.Tuple) else value
                if getattr(node.targets[0], "id", "") not in {"ACRONYMS", "SMALL", "CHOICE_LABELS"}:
                    yield from _literals(first)


def _literals(node):
    """Texts within an expression, not those of an f-string, a key or a comparison."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and any(c.isalpha() for c in node.value):
        yield node.value, node.lineno
    elif isinstance(node, ast.IfExp):
        yield from _literals(node.body)
        yield from _literals(node.orelse)
    elif isinstance(node, ast.BinOp):
        yield from _literals(node.left)
        yield from _literals(node.right)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        yield from _literals(node.func.value)


if __name__ == "__main__":
    for text, where in in_sources().items():
        print(f"{where:28} {text!r}")

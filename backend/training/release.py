"""Put a trained run into the package: `python -m training.release RUN ... --command C ...`.

Copies the model and the logs of all runs, and writes the model's card. With --further, RUN went on from the model that
is in the package: the runs before it stay in the card and in the log.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import sjc
from sjc.models.distilled import NAME
from sjc.models.layout import SISTER
from sjc.models.model_files import EMBEDDED_VIEWS
from training import world
from training.pictures import MAX_CONTRAST, MEAN_SHADE, PRIOR, SIZE
from training.text import TEXT_BATCH

TARGET = Path(sjc.__file__).parent / "embedded" / "model"
LIMIT = 16 * 2**20  # bytes; what a package may spend on its model

CARD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: text-to-image
---
# The embedded model

A text-to-image diffusion model for pictures of {size} x {size} pixels. It knows {objects} toy objects in {colors}
colours and nothing else. With it, Score Jacobian Chaining runs offline and without a GPU on a real text-conditioned
model whose objects have exact geometry. The prompt reaches the UNet through tokenizer, text encoder and
cross-attention only.

## What it reads

- Objects: {object_words}.
- Colours: {color_words}.
- Parts that a prompt may colour: {parts}.
- View words: "azimuth 130 elevation 20 view of ..." in steps of 10 degrees, and the paper's "front view of",
  "side view of", "backside view of" and "overhead view of". Azimuth 0 is the front; azimuths grow counter-clockwise as
  seen from above.

Case, punctuation and the order of clauses do not matter. It does matter which colour stands before which noun.

## What it was trained on

The pictures were made by `training` from exact solids. Their cameras are those of the preset `embedded`: radius
{radius:g}, field of view {fov_min:g} to {fov_max:g} degrees, elevation {elevation_min:g} to {elevation_max:g} degrees
(even on the sphere), any azimuth, the whole object in every view. Backgrounds are plain and of random colour. In
sRGB-encoded values, a surface shows `albedo * {shade:g} * (1 + c * cos(normal, light))`. The light is drawn anew for
each picture, even on the sphere, and c lies between 0 and {contrast:g}. The mean over lights is **albedo times
{shade:g}**, and the export divides by that constant.

Pictures in which the light averages out cannot show whether a mug is empty or closed by a lid of its own colour, and
the optimiser closes it. The mug of this world is therefore three quarters full of coffee, which is brown whatever
colours the prompt names. Up to the sixth training run the mug was empty and came to a solid IoU of 0.48
(`benchmarks/results/quality-empty-mug.json`). Other hollows of one colour still end closed.

{held} of {pairs} pairs of object and main colour ({share:.1f} %) were held out and never shown: {held_out}.

## How it was trained

{stages}
A run that counts steps of sentences begins with the text encoder and its pooling alone, which learn to sketch what a
sentence means (`training.text`); then everything learns together. A later run starts from the UNet of the run before
it, and with --keep-text from its text encoder, too.
{machine}.
The weights are the moving average. `training_log.jsonl` has the root mean square error of D(x + sigma n; sigma) by
noise level, on pictures of pairs that were trained on and of held-out pairs; each run scores on a bank of its own. At
the end the loss is {loss}; the errors at sigma 0.5 / 1.5 / 5 are {seen} on trained pairs and
{unseen} on held-out pairs.
"""

STAGE = """{number}. `{command}`

   {text}{steps} steps of {batch} pictures, {minutes} minutes{device}.{note}
"""
MACHINE = "Runs of which nothing else is said were made on 2 CPU cores (float32), other programs beside them"


def length(minutes: float) -> str:
    """Minutes as the cards have them: 86, but 5.5."""
    return f"{minutes:.0f}" if minutes >= 10 else f"{minutes:.2g}"


def logged(rows: list[dict[str, Any]], name: str, default: Any) -> Any:
    """What the last line of a log that has `name` says of it; logs of older runs lack some names."""
    return next((row[name] for row in reversed(rows) if name in row), default)


def on_device(rows: list[dict[str, Any]]) -> str:
    """How a card names the device of a run: "on one NVIDIA H200" after a space, nothing for a CPU."""
    device = logged(rows, "device", "cpu")
    return "" if device == "cpu" else f" on one {device}"


def paragraph(note: str) -> str:
    """A note of a run as the lines that follow its figures in a card; nothing for none."""
    return "".join(f"\n   {line}" for line in textwrap.wrap(note, 117))


def errors(row: dict[str, Any], kind: str) -> str:
    """A log line's errors at three noise levels, as the cards have them; kind: seen or held_out."""
    return " / ".join(str(row[f"{kind}_{level}"]) for level in (0.5, 1.5, 5.0))


def stage(number: int, rows: list[dict[str, Any]], command: str, batch: int, note: str = "") -> str:
    """One training run for the card, from its log. batch: for a log that does not name its own."""
    batch = logged(rows, "batch", batch)
    sketched = max((row["sketch_step"] for row in rows if "sketch_step" in row), default=0)
    return STAGE.format(
        number=number,
        command=command,
        text=f"{sketched} steps of {TEXT_BATCH * batch} sentences, then " if sketched else "",
        steps=rows[-1]["step"],
        batch=batch,
        minutes=length(rows[-1]["minutes"]),
        device=on_device(rows),
        note=paragraph(note),
    )


def stages_of(card: str) -> str:
    """The paragraphs of a card that tell its runs, as they stand. Raises SystemExit for a card without any."""
    text = card.partition("## How it was trained\n\n")[2]
    numbered = re.match(r"(?:\d+\. `.*`\n\n(?:   .*\n)+)+", text)
    if not numbered:
        raise SystemExit("the card there names no run; release all runs at once, without --further")
    return numbered[0]


def card(stages: str, last: dict[str, Any], machine: str = MACHINE) -> str:
    """The model card's text: its runs, the figures of the last line of the last log, and the world's own tables."""
    pairs = len(world.THINGS) * len(world.COLORS)
    return CARD.format(
        size=SIZE,
        objects=len(world.THINGS),
        colors=len(world.COLORS),
        object_words=", ".join(world.THINGS),
        color_words=", ".join(world.COLORS),
        parts=", ".join(f"{n} ({', '.join(t.slots)})" for n, t in world.THINGS.items() if t.slots),
        **{k: getattr(PRIOR, k) for k in ("radius", "fov_min", "fov_max", "elevation_min", "elevation_max")},
        shade=MEAN_SHADE,
        contrast=MAX_CONTRAST,
        held=len(world.HELD_OUT),
        pairs=pairs,
        share=100 * len(world.HELD_OUT) / pairs,
        held_out=", ".join(f"{color} {name}" for name, color in sorted(world.HELD_OUT)),
        stages=stages,
        machine=machine,
        loss=last["loss"],
        seen=errors(last, "seen"),
        unseen=errors(last, "held_out"),
    )


def main(argv: list[str] | None = None) -> None:
    """Copy the last run's model into the package, with the logs of all."""
    p = argparse.ArgumentParser(prog="python -m training.release", description=__doc__)
    p.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of the training runs, in order")
    p.add_argument("--command", action="append", required=True, help="the command of each run, for the card")
    p.add_argument("--further", action="store_true", help="the runs went on from the model that is in --target")
    p.add_argument("--note", default="", help="what else the card shall say of the last run")
    p.add_argument("--batch", type=int, default=24, help="of runs whose log does not name it")
    p.add_argument("--machine", default=MACHINE)
    p.add_argument("--target", type=Path, default=TARGET)
    args = p.parse_args(argv)
    if len(args.command) != len(args.runs):
        raise SystemExit(f"{len(args.runs)} runs need as many --command, not {len(args.command)}")
    texts = [(run / "log.jsonl").read_text(encoding="utf-8") for run in args.runs]
    logs = [[json.loads(line) for line in text.splitlines()] for text in texts]
    log_file, card_file = args.target / "training_log.jsonl", args.target / "README.md"
    stages = stages_of(card_file.read_text(encoding="utf-8")) if args.further else ""
    rows = [json.loads(line) for line in log_file.read_text(encoding="utf-8").splitlines()] if args.further else []
    rows = [row for row in rows if row["run"] != "distilled"]  # of the adapter that is taken away below
    for log, command in zip(logs, args.command, strict=True):
        number = 1 + max((row["run"] for row in rows), default=0)
        stages += stage(number, log, command, args.batch, args.note if log is logs[-1] else "")
        rows += [{"run": number, **row} for row in log]
    shutil.copytree(args.runs[-1] / "model", args.target, dirs_exist_ok=True)
    (args.target / NAME).unlink(missing_ok=True)  # an adapter of the model before
    (args.target.with_name(EMBEDDED_VIEWS.name) / SISTER).unlink(missing_ok=True)  # and its sister
    log_file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    card_file.write_text(card(stages, logs[-1][-1], args.machine), encoding="utf-8")
    size = sum(f.stat().st_size for f in args.target.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"the model takes {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    print(f"{args.target}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()

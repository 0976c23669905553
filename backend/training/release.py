"""Put a trained run into the package: `python -m training.release RUN ...`.

Copies the model and the logs of all runs, and writes the model's card.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import sjc
from sjc.models.distilled import NAME
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
In each run the text encoder and its pooling first learn alone to sketch what a sentence means
(`training.text`); then everything learns together. A later run starts from the UNet of the run before it, and with
--keep-text from its text encoder, too. {machine}. The weights are the moving average. `training_log.jsonl` has the
root mean square error of D(x + sigma n; sigma) by noise level, on pictures of pairs that were trained on and of
held-out pairs. At the end the loss is {loss}; the errors at sigma 0.5 / 1.5 / 5 are {seen} on trained pairs and
{unseen} on held-out pairs.
"""

STAGE = """{number}. `{command}`

   {text_steps} steps of {text_batch} sentences, then {steps} steps of {batch} pictures; {minutes:.0f} minutes in all.
"""


def errors(row: dict[str, Any], kind: str) -> str:
    """A log line's errors at three noise levels, as the cards have them; kind: seen or held_out."""
    return " / ".join(str(row[f"{kind}_{level}"]) for level in (0.5, 1.5, 5.0))


def stage(number: int, rows: list[dict[str, Any]], command: str, batch: int) -> str:
    """One training run for the card, from its log."""
    return STAGE.format(
        number=number,
        command=command,
        text_steps=max((row["sketch_step"] for row in rows if "sketch_step" in row), default=0),
        text_batch=TEXT_BATCH * batch,
        steps=rows[-1]["step"],
        batch=batch,
        minutes=rows[-1]["minutes"],
    )


def card(runs: list[list[dict[str, Any]]], commands: list[str], batch: int, machine: str) -> str:
    """The model card's text, every figure from the logs (one per run, in order) or from the world's own tables."""
    rows = runs[-1]
    last = rows[-1]
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
        stages="".join(
            stage(n, log, command, batch) for n, (log, command) in enumerate(zip(runs, commands, strict=True), 1)
        ),
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
    p.add_argument("--batch", type=int, default=24)
    p.add_argument("--machine", default="2 CPU cores (float32)")
    p.add_argument("--target", type=Path, default=TARGET)
    args = p.parse_args(argv)
    if len(args.command) != len(args.runs):
        raise SystemExit(f"{len(args.runs)} runs need as many --command, not {len(args.command)}")
    texts = [(run / "log.jsonl").read_text(encoding="utf-8") for run in args.runs]
    logs = [[json.loads(line) for line in text.splitlines()] for text in texts]
    shutil.copytree(args.runs[-1] / "model", args.target, dirs_exist_ok=True)
    (args.target / NAME).unlink(missing_ok=True)  # an adapter of the model before
    rows = [{"run": n, **row} for n, log in enumerate(logs, 1) for row in log]
    (args.target / "training_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (args.target / "README.md").write_text(card(logs, args.command, args.batch, args.machine), encoding="utf-8")
    size = sum(f.stat().st_size for f in args.target.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"the model takes {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    print(f"{args.target}: {size / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()

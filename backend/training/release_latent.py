"""Put the small latent model beside the tests: `python -m training.release_latent --codec RUN --unet RUN --command C`.

Copies the folder and the logs, and writes the model's card. `--unet RUN` alone, with its one --command, is a run that
went on with the model that is there: its log and its paragraph are added.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
from pathlib import Path
from typing import Any

from training.release import errors, length, logged, on_device, paragraph

TARGET = Path(__file__).resolve().parents[2] / "tests" / "data" / "latent_model"
LIMIT = 8 * 2**20  # bytes

HEAD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: text-to-image
---
# The small latent model

The embedded model's world, learned through latents: an autoencoder (AutoencoderKL) turns pictures of 64 x 64 pixels
into 32 x 32 latents of 4 channels, a UNet denoises the latents, and the text encoder is the embedded model's, trained
further. The model is test data: `python3 build.py bench colour` uses it to compare decoded colours with exact ones. It
reads the same prompts as the embedded model, was trained on the same pictures with the same held-out pairs, and shades
alike.

"""
FIRST = """1. `{codec_command}`

   {codec_steps} steps, {codec_minutes} minutes. Root mean square error of decoded pictures in [-1, 1]: {rms}.
2. `{command}`

   {steps} steps of {batch} pictures, {minutes} minutes{device}. Errors of D(x + sigma n; sigma) on latents at sigma
   0.5 / 1.5 / 5: {seen} on trained pairs, {unseen} on held-out pairs.{note}
"""
AGAIN = """
{number}. `{command}`

   UNet and text encoder trained further, {steps} steps of {batch} pictures, {minutes} minutes{device}. Errors: {seen}
   on trained pairs, {unseen} on held-out pairs.{note}
"""
END = """
{machine}.
All logs are in `training_log.jsonl`. Size: {size:.1f} MiB.
"""
MACHINE = "Runs of which nothing else is said were made on one core of a CPU, other programs beside them"


def runs_of(card: str) -> str:
    """The numbered paragraphs of a card, as they stand. Raises SystemExit for a card without any."""
    numbered = re.search(r"(?:^\d+\. `.*`\n\n(?:   .*\n)+\n?)+", card, re.MULTILINE)
    if not numbered:
        raise SystemExit("the card there names no run; release the model with its autoencoder (--codec)")
    return numbered[0].rstrip("\n") + "\n"


def rows(run: Path) -> list[dict[str, Any]]:
    """A run's log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def main(argv: list[str] | None = None) -> Path:
    """Copy both runs into the folder of test data; returns it."""
    p = argparse.ArgumentParser(prog="python -m training.release_latent", description=__doc__)
    p.add_argument("--codec", type=Path, help="run folder of training.codec; none: the model goes on")
    p.add_argument("--unet", type=Path, required=True, help="run folder of training.train --codec")
    p.add_argument("--command", action="append", required=True, help="of each run, for the card")
    p.add_argument("--note", default="", help="what else the card shall say of the UNet's run")
    p.add_argument("--batch", type=int, default=24, help="of a run whose log does not name it")
    p.add_argument("--machine", default=MACHINE)
    p.add_argument("--target", type=Path, default=TARGET)
    args = p.parse_args(argv)
    runs = [("codec", args.codec), ("unet", args.unet)] if args.codec else [("unet again", args.unet)]
    if len(args.command) != len(runs):
        raise SystemExit(f"{len(runs)} runs need as many --command, not {len(args.command)}")
    shutil.copytree(args.unet / "model", args.target, dirs_exist_ok=True)
    card, log = args.target / "README.md", args.target / "training_log.jsonl"
    lines = [json.dumps({"run": name, **row}) + "\n" for name, run in runs for row in rows(run)]
    with log.open("w" if args.codec else "a", encoding="utf-8") as file:
        file.writelines(lines)
    size = sum(f.stat().st_size for f in args.target.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"the model takes {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    last = rows(args.unet)[-1]
    figures = {
        "command": args.command[-1],
        "steps": last["step"],
        "batch": logged(rows(args.unet), "batch", args.batch),
        "minutes": length(last["minutes"]),
        "device": on_device(rows(args.unet)),
        "seen": errors(last, "seen"),
        "unseen": errors(last, "held_out"),
        "note": paragraph(args.note),
    }
    if args.codec:
        first = rows(args.codec)[-1]
        codec_run = {"codec_command": args.command[0], "codec_steps": first["step"], "rms": first["rms"]}
        text = FIRST.format(codec_minutes=length(first["minutes"]), **codec_run, **figures)
    else:
        before = runs_of(card.read_text(encoding="utf-8"))
        number = 1 + len(re.findall(r"^\d+\. `", before, re.MULTILINE))
        text = before + AGAIN.format(number=number, **figures)
    text = HEAD + text + END.format(machine=args.machine, size=size / 2**20)
    card.write_text(text, encoding="utf-8")
    return args.target


if __name__ == "__main__":
    main()

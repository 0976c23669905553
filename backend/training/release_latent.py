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

from training.release import errors

TARGET = Path(__file__).resolve().parents[2] / "tests" / "data" / "latent_model"
LIMIT = 8 * 2**20  # bytes

CARD = """---
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

1. `{codec_command}`

   {codec_steps} steps, {codec_minutes:.0f} minutes. Root mean square error of decoded pictures in [-1, 1]: {rms}.
2. `{unet_command}`

   {steps} steps of 24 pictures, {minutes:.0f} minutes. Errors of D(x + sigma n; sigma) on latents at sigma 0.5 / 1.5 /
   5: {seen} on trained pairs, {unseen} on held-out pairs.

{machine}. All logs are in `training_log.jsonl`. Size: {size:.1f} MiB.
"""

END = "\nOne core of"
"""How the last paragraph of a card begins; runs stand before it."""
AGAIN = """
{number}. `{command}`

   UNet and text encoder trained further, {steps} steps of 24 pictures, {minutes:.0f} minutes. Errors: {seen} on trained
   pairs, {unseen} on held-out pairs.
"""


def rows(run: Path) -> list[dict[str, Any]]:
    """A run's log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def main(argv: list[str] | None = None) -> Path:
    """Copy both runs into the folder of test data; returns it."""
    p = argparse.ArgumentParser(prog="python -m training.release_latent", description=__doc__)
    p.add_argument("--codec", type=Path, help="run folder of training.codec; none: the model goes on")
    p.add_argument("--unet", type=Path, required=True, help="run folder of training.train --codec")
    p.add_argument("--command", action="append", required=True, help="of each run, for the card")
    p.add_argument("--machine", default="One core of a CPU, other programs beside it")
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
        "steps": last["step"],
        "minutes": last["minutes"],
        "seen": errors(last, "seen"),
        "unseen": errors(last, "held_out"),
    }
    if args.codec:
        first = rows(args.codec)[-1]
        text = CARD.format(
            codec_command=args.command[0],
            codec_steps=first["step"],
            codec_minutes=first["minutes"],
            rms=first["rms"],
            unet_command=args.command[1],
            machine=args.machine,
            size=size / 2**20,
            **figures,
        )
    else:
        before, end, rest = card.read_text(encoding="utf-8").partition(END)
        number = 1 + len(re.findall(r"^\d+\. `", before, re.MULTILINE))
        paragraph = AGAIN.format(number=number, command=args.command[0], **figures)
        text = before.rstrip("\n") + "\n" + paragraph + end + rest
    card.write_text(text, encoding="utf-8")
    return args.target


if __name__ == "__main__":
    main()

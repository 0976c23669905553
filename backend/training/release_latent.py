"""Put the small latent model beside the tests: `python -m training.release_latent --codec RUN --unet RUN --command ...`.

Copies the folder and the logs, and writes the model's card.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parents[2] / "tests" / "data" / "latent_model"
LIMIT = 8 * 2**20  # bytes

CARD = """---
license: gpl-3.0
library_name: diffusers
pipeline_tag: text-to-image
---
# The small latent model

The embedded model's world seen through a latent: an autoencoder (AutoencoderKL) turns pictures of 64 x 64 pixels into
32 x 32 latents of 4 channels, a UNet denoises those, and the text encoder is the embedded model's, trained on. It is test data: with it
the way from latents to true colours is measured against exact colours (`python3 build.py bench colour`). It reads what the
embedded model reads, was shown what the embedded model was shown (the same held-out pairs never), and shades the same.

1. `{codec_command}`

   {codec_steps} steps, {codec_minutes:.0f} minutes. Root mean square error of decoded pictures in [-1, 1]: {rms}.
2. `{unet_command}`

   {steps} steps of 24 pictures, {minutes:.0f} minutes. Error of D(x + sigma n; sigma) on latents at sigma 0.5 / 1.5 / 5: seen
   {seen}, held out {unseen}.

{machine}. Both logs are in `training_log.jsonl`. Size: {size:.1f} MiB.
"""


def rows(run: Path) -> list[dict[str, Any]]:
    """A run's log."""
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def main(argv: list[str] | None = None) -> Path:
    """Copy both runs into the folder of test data; returns it."""
    p = argparse.ArgumentParser(prog="python -m training.release_latent", description=__doc__)
    p.add_argument("--codec", type=Path, required=True, help="run folder of training.codec")
    p.add_argument("--unet", type=Path, required=True, help="run folder of training.train --codec")
    p.add_argument("--command", action="append", required=True, help="the two commands, for the card")
    p.add_argument("--machine", default="One core of a CPU, other programs beside it")
    p.add_argument("--target", type=Path, default=TARGET)
    args = p.parse_args(argv)
    codec, unet = rows(args.codec), rows(args.unet)
    shutil.copytree(args.unet / "model", args.target, dirs_exist_ok=True)
    lines = [{"run": name, **row} for name, log in (("codec", codec), ("unet", unet)) for row in log]
    (args.target / "training_log.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    size = sum(f.stat().st_size for f in args.target.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"the model takes {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    last = unet[-1]
    error = {k: " / ".join(str(last[f"{k}_{s}"]) for s in (0.5, 1.5, 5.0)) for k in ("seen", "held_out")}
    card = CARD.format(
        codec_command=args.command[0],
        codec_steps=codec[-1]["step"],
        codec_minutes=codec[-1]["minutes"],
        rms=codec[-1]["rms"],
        unet_command=args.command[1],
        steps=last["step"],
        minutes=last["minutes"],
        seen=error["seen"],
        unseen=error["held_out"],
        machine=args.machine,
        size=size / 2**20,
    )
    (args.target / "README.md").write_text(card, encoding="utf-8")
    return args.target


if __name__ == "__main__":
    main()

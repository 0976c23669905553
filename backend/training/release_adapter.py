"""Put a distilled adapter beside the embedded model: `python -m training.release_adapter RUN --scale S --command C`.

The model must be the one that the adapter was made of: release a model first (`training.release` takes an older adapter
away).
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from pathlib import Path

from sjc.models.distilled import NAME
from sjc.models.lora import IN_A_FOLDER
from training.release import LIMIT, TARGET, errors, length, logged, on_device

CARD = """
## Guidance in one call

`{name}` is an adapter of {size:.1f} MiB (a LoRA in every layer of the UNet). With it, one call of the network answers
as two calls do under guidance {scale:g}, the default. `--no-distilled` makes two calls instead, as any other guidance
scale does.

`{command}`

{steps} steps of {batch} pictures, {minutes} minutes{device}. Root mean square differences between D with the adapter
and the guided D at sigma 0.5 / 1.5 / 5 are {seen} on trained pairs and
{unseen} on held-out pairs; without the adapter, one call differs by {seen_before} and
{unseen_before}.{note}
"""


def main(argv: list[str] | None = None) -> Path:
    """Copy the adapter, name its scale in sjc.json, add to card and log; returns the file."""
    p = argparse.ArgumentParser(prog="python -m training.release_adapter", description=__doc__)
    p.add_argument("run", type=Path, metavar="RUN", help="run folder of training.distil")
    p.add_argument("--scale", type=float, required=True, help="the guidance scale it was made with")
    p.add_argument("--command", required=True, help="the run's command, for the card")
    p.add_argument("--note", default="", help="what else the card shall say of the run")
    p.add_argument("--batch", type=int, default=24, help="of a run whose log does not name it")
    p.add_argument("--target", type=Path, default=TARGET)
    args = p.parse_args(argv)
    rows = [json.loads(line) for line in (args.run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    shutil.copyfile(args.run / "adapter" / IN_A_FOLDER, args.target / NAME)
    sjc, card, log = (args.target / name for name in ("sjc.json", "README.md", "training_log.jsonl"))
    known = json.loads(sjc.read_text(encoding="utf-8")) | {"distilled": args.scale}
    sjc.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if json.loads(line)["run"] != "distilled"]
    lines += [json.dumps({"run": "distilled", **row}) for row in rows]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")

    text = card.read_text(encoding="utf-8").partition(CARD.splitlines()[1])[0].rstrip("\n") + "\n"
    text += CARD.format(
        name=NAME,
        size=(args.target / NAME).stat().st_size / 2**20,
        scale=args.scale,
        command=args.command,
        steps=rows[-1]["step"],
        batch=logged(rows, "batch", args.batch),
        minutes=length(rows[-1]["minutes"]),
        device=on_device(rows),
        note=f"\n\n{textwrap.fill(args.note, 120)}" if args.note else "",
        seen=errors(rows[-1], "seen"),
        unseen=errors(rows[-1], "held_out"),
        seen_before=errors(rows[0], "seen"),
        unseen_before=errors(rows[0], "held_out"),
    )
    card.write_text(text, encoding="utf-8")
    size = sum(f.stat().st_size for f in args.target.rglob("*") if f.is_file())
    if size > LIMIT:
        raise SystemExit(f"the model takes {size / 2**20:.1f} MiB, more than {LIMIT / 2**20:.0f}")
    print(f"{args.target}: {size / 2**20:.1f} MiB")
    return args.target / NAME


if __name__ == "__main__":
    main()

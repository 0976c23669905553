"""Put the sister for four views into the package: `python -m training.release_views RUN --command C`.

The embedded model must be the one that it was trained beside: release a model first, which takes an older sister away.
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from pathlib import Path

from sjc.models.layout import SISTER
from sjc.models.model_files import EMBEDDED_VIEWS
from training.release import errors, length, logged, on_device

LIMIT = 512 * 2**10  # bytes

CARD = """---
license: gpl-3.0
pipeline_tag: text-to-image
---
# The embedded model for four views

The embedded model's sister, `--model embedded-views --views-per-step 4`: it sees four views of an object at once, at
one elevation and 90 degrees apart. `{name}` ({size:.0f} kB) holds what it does not share with the embedded model: a
second self-attention beside each, which sees the tokens of all four views, and an embedding of the cameras. It reads
the same prompts.

## How it was trained

`{command}`

{steps} steps of {batch} pictures, four of them a ring of one object in one light and against one background; {minutes}
minutes{device}. Only these parts learned. Root mean square errors of D(x + sigma n; sigma) at sigma 0.5 / 1.5 / 5, on
rings that no batch showed:

| | before, which is the embedded model | after |
| --- | --- | --- |
| trained pairs of object and colour | {seen_before} | {seen} |
| pairs that were held out | {unseen_before} | {unseen} |

`training_log.jsonl` has the whole run.{note}
"""


def main(argv: list[str] | None = None) -> Path:
    """Copy the sister's file and its log and write its card; returns the file."""
    p = argparse.ArgumentParser(prog="python -m training.release_views", description=__doc__)
    p.add_argument("run", type=Path, metavar="RUN", help="run folder of training.views")
    p.add_argument("--command", required=True, help="the run's command, for the card")
    p.add_argument("--note", default="", help="what else the card shall say of the run")
    p.add_argument("--target", type=Path, default=EMBEDDED_VIEWS)
    args = p.parse_args(argv)
    rows = [json.loads(line) for line in (args.run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    size = (args.run / SISTER).stat().st_size
    if size > LIMIT:
        raise SystemExit(f"the sister takes {size / 1000:.0f} kB, more than {LIMIT / 1000:.0f}")
    args.target.mkdir(parents=True, exist_ok=True)
    for name in (SISTER, "log.jsonl"):
        shutil.copyfile(args.run / name, args.target / name.replace("log", "training_log"))
    card = CARD.format(
        name=SISTER,
        size=size / 1000,
        command=args.command,
        steps=rows[-1]["step"],
        batch=logged(rows, "batch", None),
        minutes=length(rows[-1]["minutes"]),
        device=on_device(rows),
        seen_before=errors(rows[0], "seen"),
        seen=errors(rows[-1], "seen"),
        unseen_before=errors(rows[0], "held_out"),
        unseen=errors(rows[-1], "held_out"),
        note=f"\n\n{textwrap.fill(args.note, 120)}" if args.note else "",
    )
    (args.target / "README.md").write_text(card, encoding="utf-8")
    return args.target / SISTER


if __name__ == "__main__":
    main()

"""Train the next release on a card in one call: `python -m training.next_release --device cuda --seconds 600`.

It traces views and draws sentences, trains the network on from the model that ships, then its adapter for guidance in
one call and its sister for four views, then the small latent model. Call it again after a stop: what is done stays,
and a stage that was cut off goes on from its checkpoint. With --release the results replace the models that they
began from, with their cards and logs; without it, their folders wait in --out.
"""

from __future__ import annotations

import argparse
import json
import shlex
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from training import distil, release, release_adapter, release_latent, release_views, train, views
from training.batches import made_once, sentences_for
from training.pictures import Bank, make_bank
from training.run import begun, device_arguments

SHARES = {"network": 0.5, "adapter": 0.12, "views": 0.18, "latent": 0.2}
"""Of the time that tracing and drawing leave."""
OVERHEAD = 0.06  # of that time: loading, scoring and saving between the stages
RECIPE = ["--keep-text", "--text-steps", "0", "--lr", "1.2e-3", "--decay-from", "0.35"]
RECIPE += ["--log-sigma", "0.5", "--log-sigma-spread", "1.2", "--ema", "0.9993"]
"""Of the eighth embedded model, which gained 0.03 of solid IoU by it in 5.5 minutes."""
RING = 4  # pictures
SCALE = 2.5  # guidance that the adapter builds in: the default of a run


@dataclass
class Plan:
    """The seconds of each stage, and the stages that are done; kept in plan.json."""

    seconds: dict[str, float] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    @staticmethod
    def load(path: Path) -> Plan:
        """The plan of a run that was stopped, or an empty one."""
        return Plan(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else Plan()

    def save(self, path: Path) -> None:
        """Write whole, then rename."""
        temporary = path.with_name("." + path.name + ".tmp")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)

    def left(self) -> float:
        """Seconds of the stages that are not done."""
        return sum(seconds for name, seconds in self.seconds.items() if name not in self.done)


def parser() -> argparse.ArgumentParser:
    """Command line of the next release."""
    p = argparse.ArgumentParser(prog="python -m training.next_release", description=__doc__)
    p.add_argument("--out", type=Path, default=Path("runs/next"), help="folder of the bank, the runs and the plan")
    p.add_argument("--init", type=Path, default=release.TARGET, help="embedded model to go on from")
    p.add_argument("--latent", type=Path, default=release_latent.TARGET, help="small latent model to go on from")
    p.add_argument("--views", type=int, default=3000, help="traced views per object")
    p.add_argument("--batch", type=int, default=512)
    p.add_argument("--adapter-batch", type=int, default=96)
    p.add_argument("--latent-batch", type=int, default=256)
    p.add_argument("--ring-batch", type=int, default=256, help="pictures of the sister's training, four of them a ring")
    p.add_argument("--seed", type=int, default=41, help="another one for every release: it draws other views")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--eval-every", type=int, default=250)
    p.add_argument("--empty-mug", action="store_true", help="the mug of the traced views holds no coffee")
    p.add_argument("--release", action="store_true", help="put the results in the place of --init and --latent")
    device_arguments(p)
    p.set_defaults(seconds=600.0, sentences=1_500_000)
    return p


def stages(args: argparse.Namespace, bank_file: Path) -> dict[str, tuple[Callable[[list[str]], Path], list[str]]]:
    """What each stage runs, and with which words but --seconds."""
    network = args.out / "network"
    every = ["--device", args.device, "--sentences", str(args.sentences), "--seed", str(args.seed)]
    every += ["--threads", str(args.threads), "--eval-every", str(args.eval_every), "--processes", str(args.processes)]
    lit = ["--lamps"] if args.lamps else []
    common = ["--bank", str(bank_file), *lit]

    def words(name: str, batch: int, *more: str) -> list[str]:
        return [*every, "--out", str(args.out / name), "--batch", str(batch), *more]

    codec = ["--codec", str(args.latent / "vae"), "--init", str(args.latent)]
    adapter = ["--model", str(network / "model"), "--scale", str(SCALE), "--ema", "0.995"]
    rings = ["--model", str(network / "model"), "--views", str(args.views)]
    rings += ["--empty-mug"] if args.empty_mug else []
    return {
        "network": (train.main, words("network", args.batch, *common, "--init", str(args.init), *RECIPE)),
        "adapter": (distil.main, words("adapter", args.adapter_batch, *common, *adapter)),
        "views": (views.main, words("views", args.ring_batch, *rings, *lit)),
        "latent": (train.main, words("latent", args.latent_batch, *common, *codec, *RECIPE)),
    }


def main(argv: list[str] | None = None) -> Path:
    """Train what is not yet trained; returns the folder of everything."""
    began = time.monotonic()
    args = begun(parser(), argv)
    plan_file, bank_file = (
        args.out / "plan.json",
        args.out / f"bank-{args.views}{'-empty-mug' if args.empty_mug else ''}.npz",
    )
    if min(args.views, args.ring_batch) < RING:
        parser().error(f"--views and --ring-batch: give at least {RING}, because a ring has four pictures")
    plan = Plan.load(plan_file)
    if plan.seconds and plan.seconds.keys() != SHARES.keys():
        raise SystemExit(f"{plan_file} is of an earlier version, with other stages; give another folder as --out.")
    if not plan.seconds:
        print(f"tracing {args.views} views an object, then drawing {args.sentences} sentences", flush=True)
        how = {"device": args.device, "empty_mug": args.empty_mug}
        bank = made_once(bank_file, Bank, lambda: make_bank(args.views, args.seed, **how))
        sentences_for(args, bank_file, bank)
        rings_file, rings, _held = views.traced(args, args.out / "views")
        sentences_for(views.sentences_of(args), rings_file, rings)
        # Half of the time at least, however long that took.
        rest = max(args.seconds - (time.monotonic() - began), args.seconds / 2) * (1 - OVERHEAD)
        plan.seconds = {name: round(rest * share, 1) for name, share in SHARES.items()}
        plan.save(plan_file)
    commands = {}
    for name, (run, words) in stages(args, bank_file).items():
        seconds = plan.seconds[name]
        words += ["--seconds", str(seconds)]
        commands[name] = shlex.join(["python", "-m", run.__module__, *words])
        if name in plan.done:
            print(f"{name}: done before", flush=True)
            continue
        print(f"{name}: {seconds:.0f} s at most; about {plan.left():.0f} s until all is trained", flush=True)
        run(words)
        plan.done.append(name)
        plan.save(plan_file)
    releases = {
        "network": (release, [str(args.out / "network"), "--further", "--target", str(args.init)]),
        "adapter": (release_adapter, [str(args.out / "adapter"), "--scale", str(SCALE), "--target", str(args.init)]),
        "views": (release_views, [str(args.out / "views"), "--target", str(args.init.with_name("views"))]),
        "latent": (release_latent, ["--unet", str(args.out / "latent"), "--target", str(args.latent)]),
    }
    if args.release and "release" not in plan.done:
        for name, (module, words) in releases.items():
            module.main([*words, "--command", commands[name]])
        plan.done.append("release")
        plan.save(plan_file)
    print("released" if args.release else f"trained; call again with --release to ship what is in {args.out}")
    return args.out


if __name__ == "__main__":
    main()

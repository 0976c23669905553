"""`python3 build.py fuzz`: bad files and lines through every door, each case in a fork of a process that is warm.

A case is good unless it ends in anything but one clear line, hangs, takes too much memory, touches anything outside of
its folder, or runs a program that came with a file. Cases are made of the seed and their number alone. What was done is
written down: started again, it goes on; a finished run is begun anew with --anew. Not on Windows, which cannot fork.
"""

import argparse
import contextlib
import hashlib
import json
import mmap
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a fork has no threads but its own, and waits for ever for those of OpenMP

SECONDS, MEMORY, ADDRESSES = 5.0, 10**9, 4 * 10**9  # of a case; address space is cut so that no case takes the machine
SAVE_EVERY = 50


def digest(folder):
    """What lies in a folder: names, contents, times."""
    lines = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        lines.append(f"{path.relative_to(folder)} {status.st_mode} {hashlib.sha256(content).hexdigest()}")
    return lines


def make_outside(folder):
    """What no case may touch: files with the names that a job would write or remove."""
    for name in ("f_0001.npz", "f_0001.vdb", "job.json", "run.json", "a.txt", "snapshots/f_0001.npz", "m.safetensors"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"theirs " + name.encode())


def resident():
    """Bytes of memory that this process has now; the most that it has had where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def prepare(case, good, generator, outside):
    """A copy of a good one, harmed; returns what was done to which file."""
    from tests.fuzz.mutations import mutate

    shutil.copytree(good, case, symlinks=True)
    paths = sorted(p for p in case.rglob("*") if p.is_file() and p.suffix != ".py")
    actions = []
    for _ in range(generator.choice([1, 1, 1, 2, 4]) if paths else 0):
        path = generator.choice(paths)
        if path.is_file() and not path.is_symlink() and path.stat().st_size < 10**9:
            actions.append(f"{path.relative_to(case)}: {mutate(path, generator, outside)}")
    if (case / "snapshots").is_dir() and generator.random() < 0.03:
        shutil.rmtree(case / "snapshots")
        (case / "snapshots").symlink_to(outside)
        actions.append("snapshots: outside")
    return actions


def child(take, case, generator, report):
    """One case, in its own process: 0, or 3 with a traceback in the file `report`."""
    from tests.fuzz.doors import ERRORS

    os.chdir(case)
    with contextlib.suppress(OSError):
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESSES, used + ADDRESSES))
    try:
        take(case, generator)
    except ERRORS as error:
        text = str(error)
        if not text or "Traceback" in text or len(text) > 100_000:
            report.write_text(f"the message is no line: {text[:200]!a}")
            return 3
        text.encode()
    except BaseException:  # noqa: BLE001 (this is what is looked for)
        report.write_text(traceback.format_exc(), errors="backslashreplace")
        return 3
    return 0


def attempt(number, options, good, folder):
    """Run case `number`. Returns (door, what was done, what is wrong or "")."""
    from tests.fuzz.doors import DOORS, door_of

    door, generator = door_of(number, options.door), random.Random(f"{options.seed} {number}")
    place = folder / f"case-{number}"
    case, outside, report = place / "case", place / "outside", folder / f"report-{number}"
    make_outside(outside)
    actions = prepare(case, good[door], generator, outside)
    before, had = digest(outside), mmap.mmap(-1, 8)  # what the child has at its start, which it writes here
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 4
        with contextlib.suppress(BaseException):
            had[:] = resident().to_bytes(8, "little")
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (1, 2):
                os.dup2(quiet, stream)
            os.lseek(0, 0, os.SEEK_SET)
            code = child(DOORS[door][1], case, generator, report)
        os._exit(code)
    status, usage = wait(pid)
    problems = []
    if status is None:
        problems.append(f"hangs for more than {SECONDS:g} s")
    elif status != 0:
        problems.append(report.read_text() if report.exists() else f"the process ended with {status}")
    grown = usage.ru_maxrss * 1024 - int.from_bytes(had[:], "little")
    if grown > MEMORY:
        problems.append(f"takes {grown / 1e6:.0f} MB")
    if digest(outside) != before:
        problems.append("touched a file outside")
    if {path.name for path in place.iterdir()} != {"case", "outside"} or (good[door].parent / "ran").exists():
        problems.append("ran a program, or wrote outside")
        (good[door].parent / "ran").unlink(missing_ok=True)
    report.unlink(missing_ok=True)
    if options.case is None:
        shutil.rmtree(place, ignore_errors=True)
    return door, actions, "; ".join(problems)


def wait(pid):
    """(exit status, resource usage) of a child; the status is None for one that had to be ended.

    It may compute for SECONDS, or rest for as long; a busy machine, which lets it wait for a processor, is no fault of
    its own.
    """
    rested, ticks = time.monotonic(), -1
    while True:
        done, status, usage = os.wait4(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage
        state, now = activity(pid)
        if state in "RZ" or now != ticks:
            rested, ticks = time.monotonic(), now
        if now > SECONDS * os.sysconf("SC_CLK_TCK") or time.monotonic() - rested > SECONDS:
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            return None, usage
        time.sleep(0.002)


def activity(pid):
    """A process's state (R runs or waits for a processor), and the ticks that it has computed; "S", 0 without /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "S", 0
    return fields[0], int(fields[11]) + int(fields[12])


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="build.py fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--seed", type=int, default=0, help="of all cases (0)")
    parser.add_argument("--door", help="one door alone")
    parser.add_argument("--case", type=int, help="one case alone; its files stay")
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"), help="where the record lies (build/fuzz)")
    parser.add_argument("--anew", action="store_true", help="forget what was done")
    return parser.parse_args()


def main():
    """Run the cases that are left; 1 where any is bad."""
    options = arguments()
    if not hasattr(os, "fork"):
        print("fuzz: this system cannot fork; run it on Linux or macOS.", file=sys.stderr)
        return 2
    sys.path.append(sys.path.pop(0))  # the staged extension comes before the sources beside us
    from tests.fuzz.doors import warm

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"seed-{options.seed}{'-' + options.door if options.door else ''}.json"
    known = json.loads(path.read_text()) if path.exists() and not options.anew else {}
    record = {"seed": options.seed, "done": 0, "seconds": 0.0, "doors": {}, "problems": [], **known}
    with tempfile.TemporaryDirectory(prefix="sjc-fuzz-") as temporary, tempfile.TemporaryFile() as answers:
        folder = Path(temporary)
        os.environ.update(SJC_CACHE=str(folder / "cache"), HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
        answers.write(b"y\n" * 1000)  # what a library reads that asks a question
        answers.flush()
        os.dup2(answers.fileno(), 0)
        good = warm(folder / "good")
        if options.case is not None:
            folder = Path(tempfile.mkdtemp(prefix=f"sjc-fuzz-{options.case}-"))
            print(folder, *attempt(options.case, options, good, folder), sep="\n")
            return 0
        print(
            f"fuzz: seed {options.seed}, cases {record['done']} to {options.cases}, doors {', '.join(good)}", flush=True
        )
        doors, began, spent = Counter(record["doors"]), time.monotonic(), record["seconds"]
        for number in range(record["done"], options.cases):
            door, actions, problem = attempt(number, options, good, folder)
            doors[door] += 1
            if problem:
                record["problems"].append({"case": number, "door": door, "actions": actions, "problem": problem})
                print(f"case {number} ({door}; {', '.join(actions)}): {problem.strip().splitlines()[-1]}", flush=True)
            if number % SAVE_EVERY == SAVE_EVERY - 1 or number == options.cases - 1:
                record |= {"done": number + 1, "doors": doors, "seconds": spent + time.monotonic() - began}
                part = path.with_suffix(".part")
                part.write_text(json.dumps(record, indent=1))
                part.replace(path)
    print(f"fuzz: {record['done']} cases in {record['seconds']:.0f} s, {len(record['problems'])} bad; {path}")
    return 1 if record["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())

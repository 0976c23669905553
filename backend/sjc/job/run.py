"""A job: one prompt, one folder. Loads the model, optimises with snapshots and checkpoints, writes the result.

The folder is the truth: `job.json` holds the settings, `checkpoint.safetensors` the state, `run.json` appears last and
means that the job is finished. Every file is whole or absent.
"""

from __future__ import annotations

import copy
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from .. import settings as settings_module
from ..appearance.appearance import Appearance
from ..errors import SjcError
from ..machine.devices import choose_device, device_name, versions
from ..models import distilled
from ..output import files
from ..settings_schema import Settings
from . import checkpoint
from .advice import advice
from .background import Beside
from .progress import Event, Rate, Report, silent

if TYPE_CHECKING:
    import torch

    from ..field.grid import VoxelField
    from ..guidance.denoiser import Denoiser
    from ..optimize import Losses, Optimization

RESULTS = ("run.json", "mesh.glb", "field.npz", "field.vdb", "preview.png", "turntable.mp4", "curves.png")
SUPERVISED = {".lock", "worker.log"}  # of whoever supervises the job; they may be there before it
AUTO_SNAPSHOTS, AUTO_CHECKPOINT_SECONDS = 20, 30.0
GPU_AHEAD = 2  # steps that may be queued on a GPU before somebody waits for the numbers of the one before


class Stopped(Exception):  # noqa: N818 (not an error)
    """The job was asked to stop; its folder can be resumed."""


def slug(prompt: str) -> str:
    """A prompt as a file name: "A red mushroom!" -> "a-red-mushroom"; other scripts are kept."""
    return re.sub(r"[^\w]+", "-", prompt.lower()).strip("-_")[:60].strip("-_") or "untitled"


def default_folder(settings: Settings, parent: Path) -> Path:
    """outputs/<slug>-<seed>, with -2, -3 ... where that is taken."""
    base = parent / f"{slug(settings.prompt)}-{settings.seed}"
    candidate, n = base, 1
    while candidate.exists() and (not candidate.is_dir() or any(candidate.iterdir())):
        n += 1
        candidate = base.with_name(f"{base.name}-{n}")
    return candidate


def check_folder(folder: Path, settings: Settings) -> None:
    """Raises SjcError for a folder that holds a result (unless told to overwrite it) or somebody's files.

    Writes
    nothing.
    """
    if folder.exists() and not folder.is_dir():
        raise SjcError(f"{folder} is a file; --out needs a folder.")
    names = {p.name for p in folder.iterdir()} - SUPERVISED if folder.is_dir() else set()
    if names and not settings.overwrite:
        if "run.json" in names:
            raise SjcError(f"{folder} already holds a result; add --overwrite to replace it, or choose another --out.")
        if "job.json" in names:
            raise SjcError(
                f"{folder} holds an unfinished job: sjc resume {folder} goes on with it, --overwrite starts anew."
            )
        raise SjcError(f"{folder} is not empty and is no job folder; choose another --out.")
    if names and "job.json" not in names:
        raise SjcError(
            f"{folder} is not empty and is no job folder; nothing there is overwritten. Choose another --out."
        )


def prepare_folder(folder: Path, settings: Settings) -> None:
    """Make the folder, clear it if told to overwrite, and write job.json. Raises SjcError as `check_folder`."""
    check_folder(folder, settings)
    if folder.is_dir():
        _remove_results(folder)
    files.write_json(folder / "job.json", asdict(replace(settings, overwrite=False)))


def _remove_results(folder: Path) -> None:
    for name in (*RESULTS, checkpoint.NAME):
        (folder / name).unlink(missing_ok=True)
    for path in [*folder.glob("*.sjc"), *_snapshot_files(folder)]:
        path.unlink(missing_ok=True)


def _snapshot_files(folder: Path) -> list[Path]:
    return [p for p in (folder / "snapshots").glob("f_*") if re.fullmatch(r"f_\d{4,}\.(npz|vdb|png)", p.name)]


def check_early(settings: Settings) -> None:
    """Everything about a job that can be checked before torch is loaded: model and LoRAs. Raises SjcError."""
    from ..models import lora, model_files

    model_files.check(model_files.locate(settings.model))
    distilled.built_in(settings)
    lora.check(settings.lora)


def read_settings(folder: Path) -> Settings:
    """The settings of a job folder."""
    path = folder / "job.json"
    if not path.is_file():
        raise SjcError(f"{folder} has no job.json: it is no job folder. sjc generate makes one.")
    try:
        return settings_module.from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SjcError(f"{path} cannot be read: {error}.") from error


def _engine(job: Job) -> tuple[object, ...]:
    """What a loaded model depends on; a job that agrees in it takes over the model of the one before."""
    return job.settings.model, job.settings.lora, job.built_in, job.settings.runtime, job.device


def _ahead(device: torch.device) -> int:
    """How many of the last steps nobody waits for."""
    return 0 if device.type == "cpu" else GPU_AHEAD


class Job:
    """Runs one job folder from wherever it stands to its end.

    report: called with events (see progress.py). stop: asked after every step; True ends the job with `Stopped` after
    a checkpoint was written. wants_snapshot: asked after every step; True writes a snapshot at once. before: a job
    whose loaded model is taken over if it is the same.
    """

    denoiser: Denoiser
    device: torch.device
    built_in: float | None

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        report: Report = silent,
        stop: Callable[[], bool] = lambda: False,
        wants_snapshot: Callable[[], bool] = lambda: False,
        before: Job | None = None,
    ) -> None:
        self.folder, self.settings, self.report, self.stop = folder, settings, report, stop
        self.wants_snapshot, self.before = wants_snapshot, before
        self.preview = False  # whether a snapshot comes with a small picture
        self.loaded = False
        self.heard = 0  # of the model's notes
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.history: dict[str, list[float]] = {}

    def run(self) -> dict[str, Any]:
        """Do all stages; returns what run.json holds. Raises SjcError (bad input), Stopped."""
        self.load()
        self._optimise()
        self._ask()
        began = time.perf_counter()
        self._say("export", "writing mesh, volume and pictures")
        mesh = self._export()
        self._heed()
        self.seconds["export"] = time.perf_counter() - began
        self._ask()
        record = self._record(mesh)
        files.write_json(self.folder / "run.json", record)
        files.write_pointer(self.folder, slug(self.settings.prompt), self.settings.prompt)
        self.report({"type": "result", "folder": str(self.folder), "seconds": record["seconds"]})
        return record

    def _say(self, stage: str, text: str) -> None:
        self.report({"type": "status", "stage": stage, "text": text})

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.report({"type": "warning", "text": text})

    def _notes(self) -> list[str]:
        return getattr(self.denoiser, "notes", [])

    def _heed(self) -> None:
        """Warn of what the model has noted since: a part that found no room in the middle of the run."""
        notes = self._notes()
        for text in notes[self.heard :]:
            self._warn(text)
        self.heard = len(notes)

    def load(self) -> None:
        """Load the model and check device and prompt, once; touches no file. Raises SjcError."""
        if self.loaded:
            return
        from ..models.loading import load_denoiser

        began = time.perf_counter()
        self._say("load", f"loading the model {self.settings.model}")
        self.device = choose_device(self.settings.device)
        self.built_in = distilled.built_in(self.settings)
        old, self.before = self.before, None
        if old and old.loaded and _engine(old) == _engine(self):
            self.denoiser = old.denoiser
        else:
            self.denoiser = load_denoiser(
                self.settings.model,
                device=str(self.device),
                runtime=self.settings.runtime,
                lora=self.settings.lora,
                built_in=self.built_in,
                tell=lambda _note: None,  # a job warns of what the model has noted
            )
        self.settings = replace(self.settings, prompt=self.denoiser.check_prompt(self.settings.prompt))
        if self.settings.negative_prompt:
            self.denoiser.check_prompt(self.settings.negative_prompt)
        chosen = self.settings
        self.denoiser.check_steering(chosen.negative_prompt, perp_neg=bool(chosen.perp_neg))
        self.denoiser.prepare(chosen.prompt, chosen.view_words, chosen.negative_prompt)
        for text in advice(chosen, self.denoiser):
            self._warn(text)
        self.heard = len(self._notes())
        self.appearance = Appearance(self.denoiser, self.settings)
        self.loaded = True
        self.seconds["load"] = time.perf_counter() - began

    def _optimise(self) -> None:
        from ..optimize import Optimization

        s = self.settings
        run = self.run_state = Optimization(s, self.denoiser, self.device)
        spent = self._take_up(run)
        snapshot_every = s.snapshot_every or max(1, s.steps // AUTO_SNAPSHOTS)
        rate, began, saved = Rate(), time.perf_counter() - spent, time.perf_counter()
        beside = Beside(self.device)
        behind = _ahead(self.device)
        untold: deque[tuple[int, Losses]] = deque()

        def tell(left: int) -> None:
            """Report the steps made, oldest first, but for the last so many: a GPU is still at work on those."""
            while len(untold) > left:
                step, losses = untold.popleft()
                self._tell(step, losses.read(), rate.tick())

        try:
            while not run.done:
                self._ask()
                beside.look()
                losses = run.advance()
                self._heed()
                untold.append((run.step, losses))
                tell(behind)
                if (self.wants_snapshot() or run.step % snapshot_every == 0) and not run.done:
                    beside.start(self._snapshot(run))
                now = time.perf_counter()
                due = (
                    run.step % s.checkpoint_every == 0 if s.checkpoint_every else now - saved > AUTO_CHECKPOINT_SECONDS
                )
                if due:
                    tell(0)  # the history is in the checkpoint
                    self._save(run, now - began)
                    saved = now
            tell(0)
            beside.finish()
        except (Stopped, KeyboardInterrupt):
            beside.close()
            tell(0)
            self._save(run, time.perf_counter() - began)
            raise Stopped from None
        finally:
            beside.close()
        self.seconds["optimise"] = time.perf_counter() - began
        self._save(run, self.seconds["optimise"])

    def _tell(self, step: int, losses: dict[str, float], it_s: float) -> None:
        """Note and report what a step measured."""
        for key, value in {"step": step, **losses}.items():
            self.history.setdefault(key, []).append(value)
        self.report(
            {
                "type": "progress",
                "stage": "optimise",
                "step": step,
                "total": self.settings.steps,
                "it_s": round(it_s, 2),
                "eta_s": round((self.settings.steps - step) / it_s, 1),
                "metrics": losses,
            }
        )

    def _ask(self) -> None:
        if self.stop():
            raise Stopped

    def _take_up(self, run: Optimization) -> float:
        """Load the checkpoint if there is one; returns the seconds spent before."""
        if not (self.folder / checkpoint.NAME).exists():
            return 0.0
        tensors, meta = checkpoint.load(self.folder)
        run.load_state(tensors)
        self.history = {str(k): [float(x) for x in v] for k, v in meta.get("history", {}).items()}
        self._say("resume", f"resuming at step {run.step} of {self.settings.steps}")
        return float(meta.get("seconds", 0.0))

    def forget(self) -> None:
        """Let the field, its optimiser and its gradient's memory go; the model stays for the next job."""
        from ..field import gradient_memory

        vars(self).pop("run_state", None)
        gradient_memory.forget()

    def _save(self, run: Optimization, seconds: float) -> None:
        if not (self.folder / "job.json").exists():  # somebody deleted the folder: what is still to come can be resumed
            files.write_json(self.folder / "job.json", asdict(replace(self.settings, overwrite=False)))
        checkpoint.save(self.folder, run.state(), {"history": self.history, "seconds": seconds})

    def _meta(self, run: Optimization, color: str) -> dict[str, Any]:
        return {"step": run.step, "steps": self.settings.steps, "prompt": self.settings.prompt, "color": color}

    def _snapshot(self, run: Optimization) -> Callable[[], None]:
        """What writes the field as it is now, from a copy: the steps may go on meanwhile."""
        return partial(self._write_snapshot, copy.deepcopy(run.field), self._meta(run, "preview"))

    def _write_snapshot(self, field: VoxelField, meta: dict[str, Any]) -> None:
        from . import export

        density, color = export.arrays(field, self.appearance.paint)
        number = files.next_snapshot(self.folder / "snapshots")
        path = export.write_snapshot(self.folder, number, density, color, meta, self.appearance.latent(field))
        if self.preview:
            export.write_picture(path.with_suffix(".png"), self.appearance.painted(field), self.settings)
        event: Event = {
            "type": "snapshot",
            "step": meta["step"],
            "path": str(path),
            "shape": list(density.shape),
            "colors": "exact" if self.appearance.autoencoder is None else "preview",
        }
        self.report(event)

    def _export(self) -> Any:
        from ..output.pictures import curves
        from . import export

        run, s = self.run_state, self.settings
        density, color = export.arrays(run.field, self.appearance.paint)
        latent = self.appearance.latent(run.field)
        if latent is not None:
            self._say("export", "decoding views for the colours")
        # A latent voxel has no true colour; pictures have, and what is fitted to them.
        seen = self.appearance.around(run.field)
        color, kind = self.appearance.volume(run.field, color, seen)
        meta = self._meta(run, kind)
        export.write_volumes(self.folder, density, color, meta, latent)
        last = files.next_snapshot(self.folder / "snapshots")
        export.write_snapshot(self.folder, last, density, color, meta, latent)
        self._ask()
        look = self.appearance.true(run.field)
        export.write_preview(self.folder, look, s)
        extras = {"prompt": s.prompt, "seed": s.seed}
        recolor = self.appearance.recolor(seen, density, color)
        mesh = export.write_mesh(self.folder, density, color, s, extras, recolor)
        for text in mesh.report.warnings if mesh.report else ():
            self._warn(text)
        self._ask()
        if s.turntable:
            export.write_turntable(self.folder, look, s)
        curves(self.history, self.folder / "curves.png", s.prompt)
        return mesh

    def _record(self, mesh: Any) -> dict[str, Any]:
        report = asdict(mesh.report) if mesh.report else {}
        return {
            "version": __version__,
            "settings": asdict(self.settings),
            "model": {
                "source": self.denoiser.origin.source,
                "revision": self.denoiser.origin.revision,
                "loras": list(self.denoiser.origin.loras),
                "guidance_built_in": self.denoiser.built_in,
            },
            "device": device_name(self.device),
            "versions": versions(),
            "seconds": {k: round(v, 2) for k, v in self.seconds.items()},
            "final": {k: v[-1] for k, v in self.history.items()},
            "mesh": {**report, "warnings": list(report.get("warnings", ()))},
            "warnings": self.warnings,
        }


def clear_temporary(folder: Path) -> None:
    """Remove what was being written when a process was killed."""
    for path in (*folder.glob(".*~*"), *(folder / "snapshots").glob(".*~*")):
        if re.fullmatch(r"\..+\.\d+~(\.\w+)?", path.name):  # the temporary names of files.replacing
            path.unlink(missing_ok=True)


def clear_unfinished(folder: Path) -> None:
    """Before resuming: leftovers of an interrupted export go, the state stays; snapshots past the checkpoint too."""
    clear_temporary(folder)
    if not (folder / checkpoint.NAME).exists():
        for path in _snapshot_files(folder):
            path.unlink(missing_ok=True)
        return
    step = int(checkpoint.load(folder)[0].get("step", 0))
    for path in files.snapshots(folder / "snapshots"):
        meta = files.read_npz(path).meta
        last = "steps" in meta and meta["step"] == meta["steps"]
        if int(meta.get("step", 0)) > step or last or meta.get("color") == "final":
            path.unlink(missing_ok=True)
            path.with_suffix(".vdb").unlink(missing_ok=True)
            path.with_suffix(".png").unlink(missing_ok=True)

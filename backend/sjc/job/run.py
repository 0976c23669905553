"""A job: one prompt, one folder. Loads the model, optimises with snapshots and checkpoints, writes the result.

What stands in the folder and when a job may begin there is folder.py's. Every file is whole or absent.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import foreign
from ..appearance.appearance import Appearance
from ..errors import SjcError
from ..machine.devices import choose_device
from ..machine.memory import give_back
from ..models import distilled
from ..output import files
from ..settings import Settings
from . import checkpoint, inputs, start_files, starting
from . import folder as job_folder
from .advice import advice
from .background import BackgroundWriter
from .extras import extra
from .pointer import repair_pointer, write_pointer
from .progress import Event, Rate, Report, silent
from .record import record_of

if TYPE_CHECKING:
    import torch

    from ..field.grid import VoxelField
    from ..guidance.denoiser import Denoiser
    from ..optimize import Losses, OnViews, Optimization
    from ..output.mesh import Mesh

NO_FOLDER = Path()  # of a job whose inputs lie elsewhere still
AUTO_SNAPSHOTS, AUTO_CHECKPOINT_SECONDS = 20, 30.0
GPU_STEPS_AHEAD = 2  # steps that may be queued on a GPU before the job waits for the numbers of the one before


class Stopped(Exception):  # noqa: N818 (not an error)
    """The job was asked to stop; its folder can be resumed."""


def check_early(settings: Settings, folder: Path = NO_FOLDER) -> None:
    """Everything about a job that can be checked before torch is loaded: model, LoRAs, inputs. Raises SjcError.

    folder: the job's, where its inputs are there already.
    """
    from ..models import control, lora, model_files, mv_adapter

    model_files.check_there(settings.model)
    distilled.built_in(settings)
    lora.check(settings.lora)
    mv_adapter.check(settings.mv_adapter)
    control.check(settings.control)
    inputs.check(settings, folder)


def reopen(folder: Path) -> Settings:
    """Make a job folder ready to go on from its checkpoint; returns its settings.

    Raises SjcError where no settings can be read, for a finished job, and for a damaged checkpoint.
    """
    settings = job_folder.read_settings(folder)
    if job_folder.finished(folder):
        repair_pointer(folder)
        raise SjcError(f"{folder} is finished; nothing to resume.")
    inputs.check_inside(settings, folder)
    job_folder.clear_unfinished(folder, checkpoint.saved_step(folder, checkpoint.largest_bytes(settings.grid)))
    return settings


def snapshot_interval(settings: Settings) -> int:
    """Steps from one snapshot to the next."""
    return settings.snapshot_every or max(1, settings.steps // AUTO_SNAPSHOTS)


def _steps_ahead(device: torch.device) -> int:
    """How many of the last steps nobody waits for."""
    return 0 if device.type == "cpu" else GPU_STEPS_AHEAD


class JobRun:
    """Runs one job folder from wherever it stands to its end.

    report: called with events (see progress.py).
    stop: asked before every step; True ends the run with `Stopped` after a checkpoint was written.
    wants_snapshot: asked after every step; True writes a snapshot at once.
    previous: a run whose loaded model is taken over if it is the same.
    denoiser: asked in place of the settings' model, which is then not loaded.
    on_views: called with every step's views (see `Optimization`).
    """

    denoiser: Denoiser
    device: torch.device
    built_in: float | None
    start: starting.Started | None
    optimization: Optimization

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        report: Report = silent,
        stop: Callable[[], bool] = lambda: False,
        wants_snapshot: Callable[[], bool] = lambda: False,
        previous: JobRun | None = None,
        denoiser: Denoiser | None = None,
        on_views: OnViews | None = None,
    ) -> None:
        self.folder, self.settings, self.report, self.stop = folder, settings, report, stop
        self.wants_snapshot, self.previous = wants_snapshot, previous
        self.given_denoiser, self.on_views = denoiser, on_views
        self.preview = False  # whether a snapshot comes with a small picture
        self.loaded = False
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.history: dict[str, list[float]] = {}
        self._notes_reported = [0, 0]
        self._unreported: deque[tuple[int, Losses]] = deque()  # steps whose numbers nobody has waited for
        self._rate = Rate()
        self._optimise_began = self._checkpoint_saved = 0.0  # on the clock of time.perf_counter

    def run(self) -> dict[str, Any]:
        """Do all stages; returns what run.json holds. Raises SjcError (bad input), Stopped."""
        self.load()
        self._optimise()
        self._check_stop()
        began = time.perf_counter()
        self._report_status("export", "writing mesh, volume and pictures")
        mesh = self._export()
        self._report_new_notes()
        self.seconds["export"] = time.perf_counter() - began
        self._check_stop()
        record = record_of(self, mesh)
        write_pointer(self.folder, self.settings.prompt, to_come=(job_folder.RUN,))
        files.write_json(self.folder / job_folder.RUN, record)  # last: a folder that has it is whole
        self.report({"type": "result", "folder": str(self.folder), "seconds": record["seconds"]})
        return record

    def release_field(self) -> None:
        """Let the field, its optimiser and its gradient's memory go; the model stays for the next job."""
        from ..field import gradient_memory

        vars(self).pop("optimization", None)
        gradient_memory.forget()

    def release_model(self) -> None:
        """Let the model go, too, and the memory that it took."""
        for name in ("denoiser", "appearance", "optimization"):
            vars(self).pop(name, None)
        self.loaded = False
        give_back()

    # --------------------------------------------------------------------------------------------------------- load

    def load(self) -> None:
        """Load the model and check device and prompt, once; touches no file. Raises SjcError."""
        if self.loaded:
            return
        began = time.perf_counter()
        self._report_status("load", f"loading the model {self.settings.model}")
        self.device = choose_device(self.settings.device)
        self.built_in = distilled.built_in(self.settings)
        self.denoiser = self.given_denoiser or self._taken_over() or self._loaded_denoiser()
        self._check_prompts()
        for text in advice(self.settings, self.denoiser):
            self._warn(text)
        self._notes_reported = [len(source) for source in self._notes()]
        self.references = start_files.references(self.folder, self.settings, self.denoiser)
        self.appearance = Appearance(self.denoiser, self.settings, self.references)
        self.start = starting.read(self.folder, self.settings, self.denoiser)
        self.settings = inputs.named(self.settings)  # as job.json has them from here on
        self.loaded = True
        self.seconds["load"] = time.perf_counter() - began

    def _taken_over(self) -> Denoiser | None:
        """The model of the previous run, if it is the one that this run needs; else that run lets it go."""
        previous, self.previous = self.previous, None
        if previous is None or not previous.has_model:
            return None
        if previous.engine() == self.engine():
            return previous.denoiser
        previous.release_model()  # there may be no room for two
        return None

    @property
    def has_model(self) -> bool:
        """Whether its model is loaded, even if it then knew a word of the prompt not."""
        return "denoiser" in vars(self)

    def engine(self) -> tuple[object, ...]:
        """What a loaded model depends on."""
        chosen = self.settings
        how = (chosen.runtime, chosen.compile, self.device)
        return chosen.model, chosen.lora, chosen.control, chosen.mv_adapter, self.built_in, *how, self.given_denoiser

    def _loaded_denoiser(self) -> Denoiser:
        from ..models import single_file_conversion
        from ..models.loading import load_denoiser

        if single_file_conversion.is_new(self.settings.model):
            self._report_status("load", f"making a model folder of {self.settings.model}, once")
        return load_denoiser(
            self.settings.model,
            device=str(self.device),
            runtime=self.settings.runtime,
            lora=self.settings.lora,
            views_adapter=self.settings.mv_adapter,
            control=self.settings.control,
            built_in=self.built_in,
            compiling=self.settings.compile == "auto",
            tell=lambda _note: None,  # the run itself warns of what the model has noted
        )

    def _check_prompts(self) -> None:
        settings = self.settings = replace(self.settings, prompt=self.denoiser.check_prompt(self.settings.prompt))
        if settings.negative_prompt:
            self.denoiser.check_prompt(settings.negative_prompt)
        self.denoiser.check_steering(
            settings.negative_prompt, perp_neg=bool(settings.perp_neg), varied_guidance=settings.guidance_varies
        )
        elevations, asked = (settings.elevation_min, settings.elevation_max), settings.steps * settings.views_per_step
        self.denoiser.prepare(settings.prompt, settings.view_words, settings.negative_prompt, elevations, asked)

    # ----------------------------------------------------------------------------------------------------- optimise

    def _begun(self) -> Optimization:
        """The state of a run before its first step."""
        from ..optimize import Optimization

        return Optimization(
            self.settings,
            self.denoiser,
            self.device,
            self.on_views,
            finished=start_files.finished_field(self.folder, self.settings, self.denoiser),
            references=self.references,
            start=starting.begin(self.folder, self.start),
        )

    def _optimise(self) -> None:
        """Step to the end, with snapshots and checkpoints. Raises Stopped after a checkpoint was written."""
        self.optimization = self._begun()
        seconds_before = self._load_checkpoint()
        self._rate = Rate()
        self._optimise_began = time.perf_counter() - seconds_before
        self._checkpoint_saved = time.perf_counter()
        writer = BackgroundWriter(self.device)
        try:
            while not self.optimization.done:
                self._check_stop()
                writer.raise_error()
                self._step(writer)
            self._report_steps()
            self._report_early_end()
            writer.finish()
        except (Stopped, KeyboardInterrupt):
            writer.close()
            self._save_checkpoint()
            raise Stopped from None
        finally:
            writer.close()
        self.seconds["optimise"] = time.perf_counter() - self._optimise_began
        self._save_checkpoint()

    def _step(self, writer: BackgroundWriter) -> None:
        """One step, and a snapshot and a checkpoint where they are due."""
        optimization = self.optimization
        losses = optimization.advance()
        self._report_new_notes()
        self._unreported.append((optimization.step, losses))
        self._report_steps(left=_steps_ahead(self.device))
        snapshot_due = optimization.step % snapshot_interval(self.settings) == 0
        if (self.wants_snapshot() or snapshot_due) and not optimization.done:
            writer.start(self._snapshot())
        if self._checkpoint_due():
            writer.finish()  # a job that goes on from there makes no snapshot of an earlier step again
            self._save_checkpoint()

    def _checkpoint_due(self) -> bool:
        if every := self.settings.checkpoint_every:
            return self.optimization.step % every == 0
        return time.perf_counter() - self._checkpoint_saved > AUTO_CHECKPOINT_SECONDS

    def _check_stop(self) -> None:
        if self.stop():
            raise Stopped

    def _load_checkpoint(self) -> float:
        """Go on from the checkpoint if there is one; returns the seconds spent before it."""
        if not foreign.kind(self.folder / job_folder.CHECKPOINT):
            return 0.0
        tensors, meta = checkpoint.load(self.folder, checkpoint.largest_bytes(self.settings.grid))
        self.optimization.load_state(tensors)
        self.history = {str(k): [float(x) for x in v] for k, v in meta.get("history", {}).items()}
        self._report_status("resume", f"resuming at step {self.optimization.step} of {self.settings.steps}")
        return float(meta.get("seconds", 0.0))

    def _made(self) -> dict[str, Any]:
        """What a checkpoint says of what its numbers are."""
        field = self.optimization.field
        return {"field": {"density_shift": field.density_shift, "color_activation": field.color_activation}}

    def _save_checkpoint(self) -> None:
        self._report_steps()  # the history is in the checkpoint
        if not (self.folder / job_folder.JOB).exists():  # somebody deleted the folder: what comes now can be resumed
            job_folder.write_settings(self.folder, self.settings)
        seconds = time.perf_counter() - self._optimise_began
        meta = {"history": self.history, "seconds": seconds, **self._made()}
        checkpoint.save(self.folder, self.optimization.state(), meta)
        self._checkpoint_saved = time.perf_counter()

    def _snapshot(self) -> Callable[[], None]:
        """What writes the field as it is now, from a copy: the steps may go on meanwhile."""
        return partial(self._write_snapshot, copy.deepcopy(self.optimization.field), self._meta("preview"))

    def _write_snapshot(self, field: VoxelField, meta: dict[str, Any]) -> None:
        from ..appearance.views import arrays
        from . import export

        density, color = arrays(field, self.appearance.paint_of(field))
        path = job_folder.next_snapshot(self.folder)
        export.write_snapshot(path, density, color, meta, self.appearance.latent(field))
        if self.preview:
            with contextlib.suppress(Exception):  # the next snapshot has a picture again
                export.write_picture(path.with_suffix(".png"), self.appearance.painted(field), self.settings)
        event: Event = {
            "type": "snapshot",
            "step": meta["step"],
            "path": str(path),
            "shape": list(density.shape),
            "colors": "exact" if self.appearance.autoencoder is None else "preview",
        }
        self.report(event)

    def _meta(self, color: str) -> dict[str, Any]:
        settings, optimization = self.settings, self.optimization
        steps = optimization.step if optimization.done else settings.steps
        return {"step": optimization.step, "steps": steps, "prompt": settings.prompt, "color": color}

    # ------------------------------------------------------------------------------------------------------- export

    def _export(self) -> Mesh:
        """Volumes, the last snapshot, the mesh, then pictures of the finished field; returns the mesh.

        Only volumes and mesh must be: what else fails is a warning.
        """
        from ..appearance.views import arrays
        from ..output.pictures import curves
        from . import export

        field, settings = self.optimization.field, self.settings
        density, color = arrays(field, self.appearance.paint_of(field))
        latent = self.appearance.latent(field)
        if latent is not None:
            self._report_status("export", "decoding views for the colours")
        # A latent voxel has no true colour; pictures have, and what is fitted to them.
        decoded, kind = None, "preview"
        with extra("the true colours", self._warn):
            decoded = self.appearance.around(field)
        if decoded is not None:
            with extra("the volume's true colour", self._warn):
                color, kind = self.appearance.volume(field, color, decoded)
        meta = self._meta(kind)
        export.write_volumes(self.folder, density, color, meta, latent)
        export.write_snapshot(job_folder.next_snapshot(self.folder), density, color, meta, latent)
        self._check_stop()
        recolor = self.appearance.recolor(decoded or [], density, color)
        write_mesh = partial(export.write_mesh, self.folder, density, color, settings, recolor, self._warn)
        with ThreadPoolExecutor(1, thread_name_prefix="mesh") as pool:  # it has one core, the pictures have the others
            meshing = pool.submit(write_mesh)

            def go_on() -> None:
                self._check_stop()
                if meshing.done():
                    meshing.result()  # raises what it has raised

            export.write_pictures(self.folder, self.appearance.true(field), settings, self._warn, go_on)
            mesh = meshing.result()
        starting.fit(self.folder, self.start, mesh)
        for text in mesh.report.warnings if mesh.report else ():
            self._warn(text)
        with extra(job_folder.CURVES, self._warn):
            curves(self.history, self.folder / job_folder.CURVES, settings.prompt)
        return mesh

    # ------------------------------------------------------------------------------------------------------- events

    def _report_status(self, stage: str, text: str) -> None:
        self.report({"type": "status", "stage": stage, "text": text})

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.report({"type": "warning", "text": text})

    def _notes(self) -> list[list[str]]:
        """What the model and the steps have noted so far."""
        sources = (getattr(self, name, None) for name in ("denoiser", "optimization"))
        return [list(getattr(source, "notes", ())) for source in sources]

    def _report_new_notes(self) -> None:
        """Warn of what was noted since: a part that found no room in the middle of the run, steps in a slower way."""
        notes = self._notes()
        for source, reported in zip(notes, self._notes_reported, strict=True):
            for text in source[reported:]:
                self._warn(text)
        self._notes_reported = [len(source) for source in notes]

    def _report_steps(self, left: int = 0) -> None:
        """Note and report the steps made, oldest first, but for the last `left`: a GPU is still at work on those."""
        while len(self._unreported) > left:
            step, losses = self._unreported.popleft()
            self._report_step(step, losses.read(), self._rate.tick())

    def _report_step(self, step: int, losses: dict[str, float], steps_per_second: float) -> None:
        for key, value in {"step": step, **losses}.items():
            self.history.setdefault(key, []).append(value)
        self._report_progress(step, self.settings.steps, losses, steps_per_second)

    def _report_early_end(self) -> None:
        """Say so if the run ended before its last step; what shows the progress then counts to the step it made."""
        made, steps = self.optimization.step, self.settings.steps
        if made < steps:
            metrics = {key: values[-1] for key, values in self.history.items() if key != "step" and values}
            self._report_progress(made, made, metrics, 0.0)
            note = (f"Finished early at step {made} of {steps}: the object no longer changes.",)
            self._warn(*note)

    def _report_progress(self, step: int, total: int, losses: dict[str, float], steps_per_second: float) -> None:
        self.report(
            {
                "type": "progress",
                "stage": "optimise",
                "step": step,
                "total": total,
                "it_s": round(steps_per_second, 2),
                "eta_s": round((total - step) / max(steps_per_second, 1e-9), 1),
                "metrics": losses,
            }
        )

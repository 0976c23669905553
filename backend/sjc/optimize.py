"""Score Jacobian Chaining: the loop (paper, Fig. 3; facts 1.5-1.7).

    camera -> render y -> PAAS score g of y -> vector-Jacobian product -> regularisers -> step

A run is a state (field, optimiser, random generator, step) and `advance`, which makes one step of it. Whatever a step
draws comes from the one generator, and the checkpoint holds all of the state, so that a stopped and resumed run equals
an uninterrupted one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import SjcError
from .field import render_reference
from .field.finished import FinishedField
from .field.grid import VoxelField
from .field.render import around_kernels, renderer
from .field.start import Start, is_block_out
from .field.stillness import Stillness
from .machine import threads
from .machine.capture import CudaRecorder, Graphs, Recorder
from .machine.staging import Staging, layout
from .settings import Settings
from .step import MEASURED, DevicePart, Draw, Drawn, Given, OnViews, learning_rates

if TYPE_CHECKING:
    from .appearance.reference import Reference
    from .guidance.denoiser import Denoiser

LARGE_GRID = 2**22  # numbers from which the optimiser's step is worth waking threads for
UNCHECKED = 16  # steps that a GPU may be ahead of the look for numbers that are not finite
COARSE_SHARE = 0.5  # the full grid is reached after this fraction of the run


class Losses:
    """What one step measured, by the names of `step.MEASURED`.

    It is copied from a GPU when the step is done, so that `read` waits for that step and not for later ones.
    """

    NAMES = MEASURED[:-1]

    def __init__(self, measured: Tensor) -> None:
        self._measured = measured.to("cpu", non_blocking=measured.is_cuda)
        self._there = torch.cuda.current_stream(measured.device).record_event() if measured.is_cuda else None

    def read(self) -> dict[str, float]:
        """All of them by name; waits until their step is done."""
        return dict(zip(self.NAMES, self._numbers(), strict=False))

    @property
    def finite(self) -> bool:
        """Whether loss and gradient are."""
        return math.isfinite(self._numbers()[-1])

    def _numbers(self) -> list[float]:
        if self._there:
            self._there.synchronize()
        return self._measured.tolist()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Losses) and self.read() == other.read()

    __hash__ = None  # type: ignore[assignment]

    @property
    def sigma(self) -> float:
        """Mean noise level of the views."""
        return self.read()["sigma"]

    @property
    def score(self) -> float:
        """Root mean square of the pull on a pixel's channel."""
        return self.read()["score"]


def grid_size(settings: Settings, step: int) -> int:
    """Voxels along an edge at this step: N / 2^k, doubled k times at even distances over the first half of the run."""
    # A block-out, and what is kept, are there in full from the first step on.
    k = 0 if is_block_out(settings.start) or settings.keep else settings.coarse_to_fine
    progress = step / settings.steps
    done = k if k == 0 else min(k, int(progress / COARSE_SHARE * k))
    return max(2, settings.grid >> (k - done))


def last_planned_change(settings: Settings) -> int:
    """The step by which the grid is full and the emptiness loss has its last weight."""
    grown = COARSE_SHARE if settings.coarse_to_fine and not is_block_out(settings.start) else 0.0
    switched = settings.emptiness_switch if settings.emptiness_multiplier != 1 and settings.emptiness_weight else 0.0
    return math.ceil(max(grown, switched) * settings.steps)


class Optimization:
    """The state of a run, and its step.

    denoiser: the model that scores renders.  The caller has checked that it can read the prompt.
    device: where the field lives.
    on_views: called with every step's cameras and background, for a denoiser that knows what they should show.
    recorder: captures steps as graphs.  Without one that is done on CUDA alone.
    finished: what the field holds at first, instead of what the settings say. SjcError is raised if it does not fit the
        model.
    references: pictures that the object shall look like.
    start: the block-out that the field begins with, of the settings' full grid.

    notes: one line for what is done in a slower way.
    """

    def __init__(
        self,
        settings: Settings,
        denoiser: Denoiser,
        device: torch.device,
        on_views: OnViews | None = None,
        recorder: Recorder | None = None,
        finished: FinishedField | None = None,
        references: Sequence[Reference] = (),
        start: Start | None = None,
    ) -> None:
        self.settings, self.denoiser, self.device, self.on_views = settings, denoiser, device, on_views
        if recorder is None and device.type == "cuda":
            recorder = CudaRecorder()
        self.graphs = Graphs(recorder) if recorder else None
        self.staging = Staging(device, fixed=self.graphs is not None)
        self.notes: list[str] = []
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step = 0
        self.unchecked = 1 if device.type == "cpu" else UNCHECKED
        self._unread: list[Losses] = []  # of the last steps, whose numbers nobody has looked at
        self.field = VoxelField(
            grid_size(settings, 0),
            denoiser.channels,
            init=settings.init,
            density_shift=settings.density_shift,
            color_activation=denoiser.color_activation,
            learned_background=settings.background == "learned",
            color_std=settings.color_std,
            generator=self.generator,
        )
        if finished:
            finished.put_into(self.field)
        self.field.to(device)
        self.start = start.to(device) if start else None
        if self.start:
            self.start.begin(self.field)
        self.optimizer = self._make_optimizer()
        self.stillness: Stillness | None = None
        if settings.early_stop:
            self.stillness = Stillness(settings.early_stop, settings.steps, last_planned_change(settings))
        self.draw = Draw(settings, denoiser, self.generator, references)
        self.render = renderer(settings.renderer, device)

    @property
    def progress(self) -> float:
        """Finished fraction of the run, 0 to 1."""
        return self.step / self.settings.steps

    @property
    def done(self) -> bool:
        """Whether all steps are made, or the solid has come to rest."""
        at_rest = self.stillness is not None and self.stillness.rests(self.step)
        return at_rest or self.step >= self.settings.steps

    def _make_optimizer(self) -> torch.optim.Optimizer:
        """A new one for the field as it is now, of which no graph knows."""
        s, field, capturable = self.settings, self.field, self.graphs is not None
        if self.graphs:
            self.graphs.forget()
        self.taken_back = self._taken_back()
        groups = [{"params": [field.grid, field.log_scale], "lr": s.learning_rate}]
        if field.background is not None:
            groups.append({"params": [field.background], "lr": s.background_learning_rate})
        if s.optimizer == "adamax":
            return torch.optim.Adamax(groups, capturable=capturable)
        return torch.optim.Adam(groups, fused=self.device.type in ("cpu", "cuda"), capturable=capturable)

    def _taken_back(self) -> Tensor | None:
        """What of the optimiser's step is taken back where density or color is to be slower; None where nothing is.

        [N*N*(1+C)], for every plane of the grid: as many rates at once are three times faster than one a channel.
        """
        s, field = self.settings, self.field
        if s.density_rate == s.color_rate == 1:
            return None
        rates = torch.full((1 + field.channels,), s.color_rate, device=self.device)
        rates[0] = s.density_rate
        return (1 - rates).repeat(field.size**2)

    def _refine(self) -> None:
        """Bring the grid to the size of this step; moments of another size mean nothing, so they start anew."""
        size = grid_size(self.settings, self.step)
        if size != self.field.size:
            self.field.resample(size)
            self.optimizer = self._make_optimizer()

    def advance(self) -> Losses:
        """One step. Raises SjcError if a number of the field is no longer finite."""
        with around_kernels(self.settings.renderer, self.device):
            return self._advance()

    def _advance(self) -> Losses:
        self._refine()
        drawn = self.draw(self.step)
        given = self.staging(drawn.tensors)
        if self.graphs and not self._obstacle(drawn):
            losses = Losses(self.graphs(layout(drawn.tensors), lambda: self.device_step(drawn, given)))
            self._look_at(losses)
        else:
            losses = Losses(self._device_part().gradients(drawn, given))
            self._look_at(losses)  # on a CPU before a bad gradient is applied
            self._update(given)
        self.step += 1
        if self.stillness:
            self.stillness.look(self.field, self.step)
        return losses

    def _device_part(self) -> DevicePart:
        return DevicePart(self.settings, self.field, self.render, self.denoiser.size, self.on_views, self.start)

    def device_step(self, drawn: Drawn, given: Given) -> Tensor:
        """What a graph holds; returns what the step measured, [6] as `step.MEASURED`.

        Nothing here may depend on a number that the host has and that changes: it would stay what it is at the capture.
        given: `drawn.tensors` on the device.
        """
        measured = self._device_part().gradients(drawn, given, captured=True)
        self._update(given)
        return measured

    def _update(self, given: Given) -> None:
        """The optimiser's step, at this step's rates."""
        rates = given["rates"].unbind() if self.graphs else learning_rates(self.settings, self.step)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate
        field, taken_back = self.field, self.taken_back
        before = None if taken_back is None else (field.grid.detach().clone(), field.log_scale.detach().clone())
        with threads.large() if field.grid.numel() > LARGE_GRID else nullcontext():
            self.optimizer.step()
            if before and taken_back is not None:  # the optimiser takes all for one parameter, of one step size
                field.grid.detach().view(field.size, -1).lerp_(before[0].view(field.size, -1), taken_back)
                field.log_scale.detach().lerp_(before[1], 1 - self.settings.density_rate)

    def _obstacle(self, drawn: Drawn) -> str:
        """Why this step cannot be one graph, noted once; "" if it can."""
        assert self.graphs
        if self.render is render_reference.render:
            obstacle = "the reference renderer reads numbers on the host"
        else:
            obstacle = drawn.obstacle or self.graphs.obstacle or ("the views are watched" if self.on_views else "")
        if obstacle and not self.notes:
            self.notes.append(f"Steps run without a CUDA graph, which is slower: {obstacle}.")
        return obstacle

    def _look_at(self, losses: Losses) -> None:
        """Keep what the step that is being made has measured; look at the older half of what is kept when it is much.

        Raises SjcError where a number is no longer finite.
        """
        self._unread.append(losses)
        if len(self._unread) >= self.unchecked:
            self._look(last=self.step + 1, left=self.unchecked // 2)

    def _look(self, last: int, left: int = 0) -> None:
        """Looks at the steps up to `last` that nobody has looked at, but for the last `left`; waits for them.

        Raises SjcError for the first one with a number that is not finite.
        """
        count = len(self._unread)
        done, self._unread = self._unread[: count - left], self._unread[count - left :]
        for step, losses in enumerate(done, last + 1 - count):
            if not losses.finite:
                self._unread = []
                raise SjcError(
                    f"The field is no longer finite at step {step} of {self.settings.steps}; the last checkpoint is "
                    "kept. Lower learning_rate or guidance in job.json and resume, or start anew with other settings."
                )

    # ---------------------------------------------------------------------------------------------------- checkpoint

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors for safetensors.

        Raises SjcError if a number of the field is no longer finite: what is saved is good.
        """
        self._look(self.step)
        tensors = {f"field.{k}": v for k, v in self.field.state_dict().items()}
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        if self.stillness:
            tensors |= {f"stillness.{k}": v for k, v in self.stillness.state().items()}
        tensors["generator"] = self.generator.get_state()
        tensors["step"] = torch.tensor(self.step)
        return {k: v.detach().cpu().contiguous() for k, v in tensors.items()}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Take up a saved state. Raises SjcError if it belongs to another kind of run."""
        s = self.settings
        field = {k.removeprefix("field."): v for k, v in tensors.items() if k.startswith("field.")}
        loaded = VoxelField.from_state(
            field, density_shift=s.density_shift, color_activation=self.denoiser.color_activation
        )
        step = tensors.get("step")
        if step is None or step.numel() != 1 or "generator" not in tensors:
            raise SjcError("The checkpoint has no step or no random state; this program did not write it.")
        if not 0 <= float(step) <= s.steps:
            raise SjcError(f"The checkpoint is of step {float(step):g}; the job has steps 0 to {s.steps} only.")
        expected = grid_size(s, max(int(step) - 1, 0))
        if loaded.size != expected or loaded.channels != self.denoiser.channels:
            raise SjcError(
                f"The checkpoint holds {loaded.size}^3 voxels of {loaded.channels} channels, the settings ask for "
                f"{expected}^3 of {self.denoiser.channels}; resume with the settings that it was made with."
            )
        try:
            self.generator.set_state(tensors["generator"])
        except (RuntimeError, TypeError) as error:
            raise SjcError("The checkpoint's random state is not one of this program.") from error
        self.field = loaded.to(self.device)
        self._unread = []
        self.optimizer = self._make_optimizer()
        self._load_moments({k: v for k, v in tensors.items() if k.startswith("optimizer.")})
        if self.stillness:
            self.stillness.load({k.partition(".")[2]: v for k, v in tensors.items() if k.startswith("stillness.")})
        self.step = int(step)

    def _load_moments(self, tensors: dict[str, Tensor]) -> None:
        """The optimiser's moments by "optimizer.<parameter>.<name>". Raises SjcError where they do not fit."""
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        second = "exp_inf" if self.settings.optimizer == "adamax" else "exp_avg_sq"
        shapes = {
            f"optimizer.{index}.{name}": torch.Size() if name == "step" else p.shape
            for index, p in enumerate(parameters)
            for name in ("step", "exp_avg", second)
        }
        if not tensors:
            return
        if {k: v.shape for k, v in tensors.items()} != shapes:
            raise SjcError(
                f"The checkpoint's moments are not those of {self.settings.optimizer} on this field; resume with the "
                "settings that it was made with."
            )
        states: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            _, index, name = key.split(".")
            states.setdefault(int(index), {})[name] = value.to(self.device)
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": states, "param_groups": groups})

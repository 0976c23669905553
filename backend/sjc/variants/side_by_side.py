"""Several jobs side by side in one process, with one call of the network for the views of all.

A job asks its model in the middle of a step, wherever its settings have it ask.  So every job has a thread of its own,
in which it runs as it would alone.  But the threads take turns: one runs until its job asks the model, and waits; when
all wait, the model is asked once for all of them.  At no time do two run, so nothing that they share needs a lock, and
what each draws from its own generator is what it would have drawn alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from ..guidance.denoiser import Denoiser
    from ..guidance.paas import Denoise
    from ..guidance.perp_neg import Weighted

Work = Callable[["Denoiser"], Any]
"""What a job does with the model that it is given; gives its result or raises."""


@dataclass(frozen=True)
class Question:
    """What one job asks the model: D(x; sigma) for x [B,C,H,W], sigma [B] under what `Denoiser.conditioned` takes."""

    x: Tensor
    sigma: Tensor
    prompts: list[str]
    negative_prompt: str
    guidance: float | Tensor
    rescale: float
    away: Sequence[Weighted]
    poses: Tensor | None

    @property
    def draws(self) -> int:
        """Noises per view."""
        return len(self.x) // len(self.prompts)

    def by_view(self, values: Tensor) -> Tensor:
        """[B,...] as [draws,V,...]."""
        return values.unflatten(0, (self.draws, len(self.prompts)))

    @property
    def kind(self) -> tuple[object, ...]:
        """Questions of one kind can be asked together."""
        one = self.guidance if not isinstance(self.guidance, Tensor) else None
        posed = self.poses is not None
        return self.draws, self.x.shape[1:], self.x.dtype, self.negative_prompt, one, self.rescale, posed


def answers(model: Denoiser, questions: Sequence[Question]) -> list[Tensor]:
    """D for each question, in one call for those of a kind."""
    replies: dict[int, Tensor] = {}
    kinds: dict[tuple[object, ...], list[int]] = {}
    for index, question in enumerate(questions):
        kinds.setdefault(question.kind, []).append(index)
    for indices in kinds.values():
        replies |= dict(zip(indices, _together(model, [questions[i] for i in indices]), strict=True))
    return [replies[index] for index in range(len(questions))]


def _together(model: Denoiser, questions: Sequence[Question]) -> list[Tensor]:
    """The answers to questions of one kind."""
    first, counts = questions[0], [len(question.prompts) for question in questions]
    guidance = first.guidance
    if isinstance(guidance, Tensor):
        guidance = torch.cat([torch.as_tensor(question.guidance) for question in questions])
    away = [pairs for question in questions for pairs in (question.away or [()] * len(question.prompts))]
    poses = None if first.poses is None else torch.cat([q.poses for q in questions if q.poses is not None])
    denoise = model.conditioned(
        [prompt for question in questions for prompt in question.prompts],
        first.negative_prompt,
        guidance,
        rescale=first.rescale,
        away=away,
        poses=poses,
    )
    x = torch.cat([question.by_view(question.x) for question in questions], 1).flatten(0, 1)
    sigma = torch.cat([question.by_view(question.sigma) for question in questions], 1).flatten(0, 1)
    denoised = denoise(x, sigma).unflatten(0, (first.draws, sum(counts)))
    return [part.flatten(0, 1) for part in denoised.split(counts, 1)]


class _Shared:
    """The model as one job sees it: all of it is the model's, but that its questions go to `ask`."""

    def __init__(self, model: Denoiser, ask: Callable[[Question], Tensor]) -> None:
        self._model, self._ask = model, ask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def conditioned(
        self,
        prompts: list[str],
        negative_prompt: str = "",
        guidance: float | Tensor = 1.0,
        *,
        rescale: float = 0.0,
        away: Sequence[Weighted] = (),
        poses: Tensor | None = None,
    ) -> Denoise:
        """As `Denoiser.conditioned`."""

        def denoise(x: Tensor, sigma: Tensor) -> Tensor:
            return self._ask(Question(x, sigma, prompts, negative_prompt, guidance, rescale, away, poses))

        return denoise


class _Player:
    """A job in its thread.  question: what it waits for, None while it does not. ended: result or error is there."""

    def __init__(self, model: Denoiser, work: Work) -> None:
        self.question: Question | None = None
        self.ended = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._answer: Tensor | BaseException | None = None
        self._mine, self._back = threading.Semaphore(0), threading.Semaphore(0)
        shared: Any = _Shared(model, self._ask)
        self._thread = threading.Thread(target=self._play, args=(work, shared), name="variant", daemon=True)
        self._thread.start()

    def turn(self, answer: Tensor | BaseException | None = None) -> None:
        """Let it run until it asks or ends."""
        self.question, self._answer = None, answer
        self._mine.release()
        self._back.acquire()

    def _play(self, work: Work, model: Denoiser) -> None:
        self._mine.acquire()
        try:
            self.result = work(model)
        except BaseException as error:  # noqa: BLE001 (it is raised, or told, where the jobs were begun)
            self.error = error
        self.ended = True
        self._back.release()

    def _ask(self, question: Question) -> Tensor:
        self.question = question
        self._back.release()
        self._mine.acquire()
        if isinstance(self._answer, BaseException):
            raise self._answer
        assert self._answer is not None
        return self._answer


def side_by_side(model: Denoiser, works: Iterable[Work]) -> list[Any]:
    """What each job's work gives, or the exception that ended it, in their order.

    An error of the model ends every job that waits for it; another error ends its own job alone.
    """
    players = [_Player(model, work) for work in works]
    for player in players:
        player.turn()
    while waiting := [player for player in players if not player.ended]:
        questions = [player.question for player in waiting if player.question is not None]
        replies: Sequence[Tensor | BaseException]
        try:
            with torch.no_grad():
                replies = answers(model, questions)
        except Exception as error:  # noqa: BLE001 (each of the jobs raises it)
            replies = [error] * len(questions)
        for player, reply in zip(waiting, replies, strict=True):
            player.turn(reply)
    return [player.error or player.result for player in players]

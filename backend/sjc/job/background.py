"""Writing beside the steps, in a thread of its own: what it works on must not be what the steps change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class BackgroundWriter:
    """Does one thing after another in a thread of its own, and raises its errors where the steps wait for it.

    On CUDA the thread has a stream of its own, too: its copies wait for what was queued before `start`, and no step
    that is queued later waits for them.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background writer")
        self._last: Future[None] | None = None
        self._stream: torch.cuda.Stream | None = None
        if device is not None and device.type == "cuda":
            import torch

            self._stream = torch.cuda.Stream(device)

    def start(self, work: Callable[[], None]) -> None:
        """Begin `work` once the last piece is done; raises what that raised."""
        self.finish()
        self._last = self._pool.submit(self._after_queued(work))

    def _after_queued(self, work: Callable[[], None]) -> Callable[[], None]:
        """`work` in the side stream, after what the caller's stream holds now."""
        if not (stream := self._stream):
            return work
        import torch

        queued = torch.cuda.current_stream(stream.device).record_event()

        def working() -> None:
            with torch.cuda.stream(stream):
                stream.wait_event(queued)
                work()
                stream.synchronize()  # before the copy that was worked on gives its memory back to the other stream

        return working

    def raise_error(self) -> None:
        """Raise what the last piece raised, if it is done."""
        if self._last and self._last.done():
            self.finish()

    def finish(self) -> None:
        """Wait for the last piece; raise what it raised."""
        if self._last:
            wait([self._last])  # an interrupt here leaves it to be waited for again
            last, self._last = self._last, None
            last.result()

    def close(self) -> None:
        """Wait for the last piece, whatever became of it, and end the thread."""
        self._pool.shutdown(wait=True)

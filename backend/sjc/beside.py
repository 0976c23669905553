"""One piece of work beside the steps: what it does must not touch what the steps change."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait


class Beside:
    """Does one thing after another in a thread of its own. An error that was raised there is raised where it is waited for."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="beside")
        self._last: Future[None] | None = None

    def start(self, work: Callable[[], None]) -> None:
        """Begin `work` once the last piece is done; raises what that raised."""
        self.finish()
        self._last = self._pool.submit(work)

    def look(self) -> None:
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

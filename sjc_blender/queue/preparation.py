"""What must be done before a job can start, such as writing what it starts from, by a thread.  No bpy."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from ..backend.sjc.errors import SjcError, one_line
from ..problems import Problem


class Preparation:
    """Work in a thread of its own, begun at once.  problem: why it has failed; None while it has not."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.problem: Problem | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name="preparation", daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not; never waits."""
        return not self._thread.is_alive()

    def again(self) -> Preparation:
        """The same work once more, begun at once."""
        return Preparation(self._work)

    def _run(self) -> None:
        try:
            self._work()
        except SjcError as error:
            self.problem = Problem("folder", str(error))
        except Exception as error:  # noqa: BLE001 (nobody else hears of a thread's end)
            text = f"What the job starts from could not be written: {one_line(error)}"
            self.problem = Problem("bug", text, "", traceback.format_exc())

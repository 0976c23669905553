"""What a result can do without: pictures, films, a texture. One that fails is a warning, and the job goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from ..machine.memory import is_out_of_memory


@contextlib.contextmanager
def extra(name: str, warn: Callable[[str], None]) -> Iterator[None]:
    """Whatever is raised inside becomes a warning that names what is missing; a person's Ctrl-C stays one."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (no extra is worth a finished field)
        reason = "the memory is full" if is_out_of_memory(error) else _one_line(error)
        warn(f"{name} is missing from the result: {reason}")


def _one_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

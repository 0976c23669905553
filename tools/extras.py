"""The project's extras, each with a lock of its own beside requirements.lock, installed into .venv on request alone."""

from __future__ import annotations

from pathlib import Path

from .common import BuildError, say
from .environment import LOCK, Environment

MODULES = {"cluster": "ray", "mcp": "mcp"}  # what tells that an extra of pyproject.toml is installed


def lock_of(extra: str) -> str:
    """The name of an extra's lock file."""
    return f"requirements-{extra}.lock"


def ensure(environment: Environment, extra: str) -> Path:
    """Make the environment and put the pins of an extra's lock into it; return its interpreter."""
    python = environment.ensure()
    lock = lock_of(extra)
    if environment.differences(lock):
        say(f"setup: installing the packages of {lock}")
        root = environment.root
        environment.pip("install", "--requirement", root / lock, "--constraint", root / LOCK)
        if wrong := environment.differences(lock):
            raise BuildError(f"the environment does not hold what {lock} asks for ({'; '.join(wrong[:3])}).")
    return python

"""Ray, which `sjc batch --cluster` needs: an extra with a lock of its own, installed into .venv on request alone."""

from __future__ import annotations

from pathlib import Path

from .common import BuildError, say
from .environment import LOCK, Environment

CLUSTER_LOCK = "requirements-cluster.lock"


def ensure(environment: Environment) -> Path:
    """Make the environment and put the pins of requirements-cluster.lock into it; return its interpreter."""
    python = environment.ensure()
    if environment.differences(CLUSTER_LOCK):
        say(f"setup: installing the packages of {CLUSTER_LOCK}")
        root = environment.root
        environment.pip("install", "--requirement", root / CLUSTER_LOCK, "--constraint", root / LOCK)
        if wrong := environment.differences(CLUSTER_LOCK):
            raise BuildError(f"the environment does not hold what {CLUSTER_LOCK} asks for ({'; '.join(wrong[:3])}).")
    return python

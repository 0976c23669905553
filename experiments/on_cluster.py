"""Cells of an experiment on the slots of a Ray cluster: an executor for `harness.run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from sjc.batch import ray_cluster
from sjc.batch.ray_cluster import ClusterOptions


class ClusterExecutor(Executor):
    """Calls functions on the slots of a cluster that is joined; one whose computer is lost is called again."""

    def __init__(self, ray: Any) -> None:
        options = ClusterOptions()
        places = ray_cluster.places(ray_cluster.nodes(ray), options)
        self.threads = min(place.threads for place in places)
        self._max_workers = len(places)
        self._call = ray.remote(_on_slot).options(
            num_cpus=self.threads,
            num_gpus=places[0].gpus or None,
            max_retries=options.retries,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(self.threads)}},
        )

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """As any executor; what the function raises comes out of the future as it is."""
        future: Future[Any] = self._call.remote(self.threads, function, given, named).future()
        return future


def _on_slot(threads: int, function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any]) -> Any:
    import torch

    torch.set_num_threads(threads)
    return function(*given, **named)


@contextmanager
def computing(address: str) -> Iterator[ClusterExecutor]:
    """An executor of a cluster. Raises SjcError where none can be joined."""
    with ray_cluster.joined(address) as ray:
        yield ClusterExecutor(ray)

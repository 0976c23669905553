"""The one module that knows Ray: joins a cluster or starts one, checks its computers, and places slots on them."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..errors import SjcError, one_line
from .destination import Destination
from .plan import BatchJob
from .worker import SlotActor, inspect

INSTALL = "python3 build.py cluster (in a clone) or pip install 'sjc[cluster]'"
LOOPBACK_ALONE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # 0: Ray takes 127.0.0.1 for itself, on every system
ANSWER_SECONDS = 5.0
INSPECTION_SECONDS = 120.0


@dataclass(frozen=True)
class ClusterOptions:
    """How a batch uses a cluster.

    address: local, auto, or where a running one answers (HOST:PORT or ray://HOST:PORT). gpus_per_job, jobs_per_gpu: how
    GPUs are shared out. cpus_per_job: threads of a slot where a computer has no GPU; 0 for two, or one where there are
    no two. retries: of a job that fails. lease: seconds after which a computer that says nothing has lost its job.
    """

    address: str = "local"
    gpus_per_job: int = 1
    jobs_per_gpu: int = 1
    cpus_per_job: int = 0
    retries: int = 2
    lease: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.gpus_per_job <= 64:
            raise SjcError(f"--gpus-per-job {self.gpus_per_job} cannot be had; use a number from 1 to 64.")
        if not 1 <= self.jobs_per_gpu <= 64:
            raise SjcError(f"--jobs-per-gpu {self.jobs_per_gpu} cannot be had; use a number from 1 to 64.")
        if not 0 <= self.cpus_per_job <= 1024:
            raise SjcError(f"--cpus-per-job {self.cpus_per_job} cannot be had; use a number from 1 to 1024.")
        if self.gpus_per_job > 1 and self.jobs_per_gpu > 1:
            raise SjcError("--gpus-per-job and --jobs-per-gpu exclude each other; leave one of them out.")

    @property
    def gpu_share(self) -> float:
        """GPUs of one slot."""
        return 1 / self.jobs_per_gpu if self.jobs_per_gpu > 1 else float(self.gpus_per_job)


@dataclass(frozen=True)
class Place:
    """One slot's place: a computer, and what the slot takes of it."""

    node: str
    host: str
    number: int
    threads: int
    gpus: float


def require_ray(*, local: bool = False) -> Any:
    """The module; local: one that will listen on loopback alone. Raises SjcError with the command that installs it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if local:
        os.environ[LOOPBACK_ALONE] = "0"
    try:
        import ray
    except ImportError as error:
        raise SjcError(f"--cluster needs Ray, which is not installed: {INSTALL}.") from error
    return ray


@contextlib.contextmanager
def joined(address: str, cpus: int | None = None) -> Iterator[Any]:
    """The module, joined to a cluster within the block.

    cpus: how many cores a local one shares out; None for all.

    Raises SjcError where nothing answers.
    """
    ray = require_ray(local=address == "local")
    if ray.is_initialized():  # whoever calls has joined one: a script under `ray job submit`, a test
        yield ray
        return
    quiet = {"log_to_driver": False, "logging_level": "error", "configure_logging": True}
    try:
        if address == "local":
            ray.init("local", num_cpus=cpus, include_dashboard=False, **quiet)
            _check_loopback(ray)
        else:
            _check_answer(address)
            ray.init(address, **quiet)
    except Exception as error:  # Ray raises a bare one where its own processes start too slowly
        if isinstance(error, SjcError):
            raise
        raise SjcError(_not_joined(address, one_line(error))) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _not_joined(address: str, reason: str) -> str:
    reason = reason.rstrip(".")
    if address == "local":
        return (
            f"--cluster local: Ray did not start on this computer ({reason}). Try again when it is less busy, or leave "
            "--cluster out."
        )
    return (
        f"--cluster {address}: no Ray cluster can be joined there ({reason}). Start one with 'ray start --head' and "
        "give its address, or use --cluster local."
    )


def _check_loopback(ray: Any) -> None:
    """Raises SjcError where Ray was imported before `LOOPBACK_ALONE` was set, and listens to the network."""
    if not ray.get_runtime_context().gcs_address.startswith("127.0.0.1:"):
        ray.shutdown()
        raise SjcError("--cluster local would listen to the network, because Ray was imported first; import it later.")


def _check_answer(address: str) -> None:
    """Raises OSError where nobody listens: Ray itself would try for minutes."""
    host, sign, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not sign or not host or not port.isdecimal() or int(port) > 65535:
        raise SjcError(f"--cluster {address}: use local, auto, or an address such as 10.0.0.5:6379.")
    with socket.create_connection((host.strip("[]"), int(port)), ANSWER_SECONDS):
        pass


def nodes(ray: Any) -> list[dict[str, Any]]:
    """The computers that are alive and compute."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def places(alive: Sequence[dict[str, Any]], options: ClusterOptions) -> list[Place]:
    """Every slot that the computers have room for: by their GPUs, and by groups of cores where none has a GPU.

    Raises SjcError for a share that none of them has.
    """
    with_gpus = [node for node in alive if node["Resources"].get("GPU", 0) > 0]
    if alive and not with_gpus and options.gpu_share != 1:
        option = "--jobs-per-gpu" if options.jobs_per_gpu > 1 else "--gpus-per-job"
        raise SjcError(f"{option} cannot be had: no computer of this cluster has a GPU. Leave it out.")
    made = []
    for node in with_gpus or alive:
        cpus, gpus = int(node["Resources"].get("CPU", 0)), float(node["Resources"].get("GPU", 0))
        host = node.get("NodeManagerHostname") or node.get("NodeManagerAddress", "")
        if with_gpus:
            count = int(gpus / options.gpu_share + 1e-9)
            threads = max(1, cpus // count) if count else 1
        else:
            threads = options.cpus_per_job or min(2, cpus)
            count = cpus // threads
        share = options.gpu_share if with_gpus else 0.0
        made += [Place(node["NodeID"], host, number, threads, share) for number in range(count)]
    if not made and with_gpus:
        largest = max(node["Resources"]["GPU"] for node in with_gpus)
        raise SjcError(
            f"--gpus-per-job {options.gpus_per_job} cannot be had: the largest computer of this cluster has "
            f"{largest:g} GPUs. Use a smaller number."
        )
    if not made and options.cpus_per_job:
        raise SjcError(f"--cpus-per-job {options.cpus_per_job} cannot be had: no computer of this cluster has as many.")
    if not made:
        raise SjcError("The cluster has no computer with a free core or GPU; start one with ray start.")
    return made


def actor(ray: Any, place: Place, lease: float) -> Any:
    """Start the slot of a place; it begins once Ray has room for it there."""
    return (
        ray.remote(SlotActor)
        .options(
            num_cpus=place.threads,
            num_gpus=place.gpus or None,
            max_concurrency=3,
            max_restarts=0,
            scheduling_strategy=_on(place.node),
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(place.threads)}},
        )
        .remote(place.threads, lease)
    )


def _on(node: str) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def inspected(ray: Any, alive: Sequence[dict[str, Any]], out: Destination, jobs: Sequence[BatchJob]) -> None:
    """Have every computer read a file that is written here, and say what it is.

    Raises SjcError with one line for each that does not see it, has another version, or lacks a model.
    """
    probe, text = f".sjc-probe-{secrets.token_hex(8)}", secrets.token_hex(16)
    models = sorted({job.settings.model for job in jobs})
    loras = sorted({job.settings.lora for job in jobs if job.settings.lora})
    try:
        out.write(probe, text.encode())
        task = ray.remote(inspect)
        asked = {
            node["NodeID"]: task.options(num_cpus=0, max_retries=0, scheduling_strategy=_on(node["NodeID"])).remote(
                out.address, probe, text, models, loras
            )
            for node in alive
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=INSPECTION_SECONDS)
        problems = []
        for node in alive:
            host = node.get("NodeManagerHostname", node["NodeID"])
            try:
                problems += _problems(ray.get(asked[node["NodeID"]], timeout=0.1), out.address)
            except Exception as error:  # noqa: BLE001 (Ray wraps whatever was raised there)
                problems.append(f"{host}: sjc {__version__} does not run there ({cause(error)}); install it there.")
    finally:
        out.remove(probe)
    if problems:
        raise SjcError("\n".join(dict.fromkeys(problems)))


def _problems(answer: dict[str, Any], out: str) -> list[str]:
    host = answer["host"]
    if answer["version"] != __version__:
        return [f"{host}: sjc is {answer['version']} there and {__version__} here; install the same version on both."]
    if not answer["shared"]:
        advice = "use a --out on storage that all computers see under the same path"
        return [f"{host}: {out} there is not the folder that is written here; {advice}."]
    return [f"{host}: {reason}" for reason in answer["missing"]]


def cause(error: BaseException) -> str:
    """What lies behind an error of Ray's, on one line."""
    inner = getattr(error, "cause", None)
    return one_line(inner if isinstance(inner, BaseException) else error)

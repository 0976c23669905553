"""Warp itself: started quietly, its kernels launched on torch tensors, on a CPU in several threads at once.

Warp runs a CPU kernel on one thread, and does not hold Python's lock meanwhile.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from ..machine.threads import count as usable_threads
from .grid import VoxelField
from .warp_source import CHUNK, THREADS

MOST_THREADS = 8  # each has a gradient of the grid's size to itself
NEWEST_BRANCH = 90  # compute capability times ten: the highest that cpp/*.h asks for
_emulated: list[bool] = [False]


def available(device: str | torch.device = "cpu") -> tuple[bool, str]:
    """Whether Warp can render on this torch device, and if not, why."""
    device = torch.device(device)
    try:
        wp = start()
    except Exception as error:  # noqa: BLE001  (no package, an unloadable library, a silent driver: any may come)
        return False, f"warp does not start ({type(error).__name__}: {error})"
    if device.type == "cpu":
        return True, ""
    if device.type != "cuda" or torch.version.hip:
        return False, "warp has no kernels for " + ("ROCm" if torch.version.hip else device.type)
    if not (torch.cuda.is_available() and wp.is_cuda_available()):
        return False, "warp sees no CUDA device"
    return True, ""


@functools.cache
def start() -> ModuleType:
    """Warp, started quietly (stdout belongs to the worker's messages), with a kernel cache that can be written."""
    import warp as wp

    wp.config.log_level = wp.LOG_ERROR
    wp.config.enable_backward = False
    # Else Warp compiles for compute capability 7.5 wherever the driver is newer than its toolkit, and what newer cards
    # can do is left out. For a card that this Warp's compiler does not know yet, the newest text that the kernels have.
    wp.config.cuda_output = "cubin"
    wp.config.ptx_target_arch = NEWEST_BRANCH
    wp.config.kernel_cache_dir = os.environ.get("SJC_WARP_CACHE") or wp.config.kernel_cache_dir
    try:
        with _without_driver_warning():
            wp.init()
        tempfile.TemporaryFile(dir=wp.config.kernel_cache_dir).close()
    except OSError as error:
        folder = tempfile.mkdtemp(prefix="sjc-warp-")
        warnings.warn(
            f"the Warp kernel cache cannot be written ({error}); using {folder}", RuntimeWarning, stacklevel=2
        )
        wp.config.kernel_cache_dir = folder
        wp.init()
    return wp


@contextlib.contextmanager
def _without_driver_warning() -> Iterator[None]:
    """Where there is no CUDA, Warp's library says so on file descriptor 2, whatever its log level; nobody asked."""
    if torch.cuda.is_available():
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as unread:
        os.dup2(unread.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def compiled_for(device: torch.device) -> int:
    """The compute capability, times ten, that kernels are compiled for on this CUDA device."""
    return start().device_from_torch(device).get_cuda_compile_arch()


def kernels(field: VoxelField) -> SimpleNamespace:
    """The compiled kernels for this field's channels and colour activation."""
    start()  # its settings must precede the first kernel
    from . import warp_kernels

    ordered = by_warps(field.grid.device) and torch.are_deterministic_algorithms_enabled()
    return warp_kernels.build(field.channels, field.color_activation, emulated=_emulated[0], ordered=ordered)


def by_warps(device: torch.device) -> bool:
    """Whether a warp has a ray (CUDA), not a thread a bundle of them (CPU)."""
    return device.type != "cpu" or _emulated[0]


@contextlib.contextmanager
def emulated_warps() -> Iterator[None]:
    """Within, a CPU has the kernels of CUDA, run by Warp's fibers, one for each thread of a warp. For tests: slow."""
    wp = start()
    before = wp.config.enable_cpu_blocks
    wp.config.enable_cpu_blocks = _emulated[0] = True
    try:
        yield
    finally:
        wp.config.enable_cpu_blocks, _emulated[0] = before, False


def threads(device: torch.device) -> int:
    """How many threads work on this device."""
    return 1 if by_warps(device) else min(usable_threads(), MOST_THREADS)


def slabs(count: int, parts: int) -> list[tuple[int, int]]:
    """0 .. count in `parts` runs (start, length)."""
    ends = [count * i // parts for i in range(parts + 1)]
    return [(a, b - a) for a, b in itertools.pairwise(ends) if b > a]


def in_threads(work: Callable[..., None], calls: list[tuple[Any, ...]]) -> None:
    """work(*call) for every call, at once; the kernels do not hold Python's lock.

    Not by an executor: its futures take longer than some of the kernels.
    """
    ended: SimpleQueue[BaseException | None] = SimpleQueue()
    for call in calls[1:]:
        _inbox().put((work, call, ended))
    try:
        if calls:
            work(*calls[0])
    finally:
        errors = [ended.get() for _ in calls[1:]]
    for error in errors:
        if error:
            raise error


@functools.cache
def _inbox() -> SimpleQueue[tuple[Callable[..., None], tuple[Any, ...], SimpleQueue[BaseException | None]]]:
    """Where the threads that help wait for work."""
    inbox: SimpleQueue = SimpleQueue()

    def help_out() -> None:
        while True:
            _help_once(*inbox.get())

    for i in range(1, MOST_THREADS):
        threading.Thread(target=help_out, name=f"rays-{i}", daemon=True).start()
    return inbox


def _help_once(work: Callable[..., None], call: tuple[Any, ...], ended: SimpleQueue) -> None:
    try:
        work(*call)
    except BaseException as error:  # noqa: BLE001  (it is raised again where the work was asked for)
        ended.put(error)
    else:
        ended.put(None)


Call = tuple[Any, tuple[Any, ...]]  # how many threads of the kernel (an axis or several), and its last arguments


def launch(name: str, kernels: SimpleNamespace, shared: tuple[Any, ...], *calls: Call) -> None:
    """kernel(*shared, *own) over dim for every call (dim, own), at once; on CUDA in torch's current stream.

    Where a warp does what else a thread does, there are as many more threads. Neither torch nor Warp then waits for
    the other, and nothing depends on the data: torch may capture it in a CUDA graph once the kernels are loaded.
    """
    wp = start()
    kernel = getattr(kernels, name)
    device = next(x.device for x in shared if isinstance(x, Tensor))
    ready = kernels.prepared.setdefault((name, device), [])
    wide = by_warps(device) and name in kernels.warp_wide
    work = []
    for length, own in calls:
        dim = length if isinstance(length, tuple) else (length,)
        if 0 in dim:
            continue
        if wide:
            dim = (*dim[:-1], CHUNK * dim[-1])
        values = (*shared, *own)
        try:  # whoever launches has the prepared ones alone meanwhile; a snapshot may launch beside the steps
            one = ready.pop(0)
        except IndexError:
            one = _Prepared(wp, kernels, kernel, dim, values, device)
        work.append((one, dim, values))
    in_threads(_Prepared.run, work)
    ready.extend(one for one, *_ in work)


@functools.lru_cache(maxsize=16)
def _stream(wp: ModuleType, stream: torch.cuda.Stream) -> Any:
    """Warp's own object for torch's stream; making one anew costs an event of the driver's."""
    return wp.stream_from_torch(stream)


_loading = threading.Lock()


class _Prepared:
    """A launch, made again and again with other addresses and numbers.

    From nothing a launch takes Warp 0.1 to 0.2 ms of Python, and a picture with its gradients has a dozen of them.
    """

    def __init__(
        self,
        wp: ModuleType,
        kernels: SimpleNamespace,
        kernel: Any,
        dim: tuple[int, ...],
        values: tuple[Any, ...],
        device: torch.device,
    ) -> None:
        self.wp, self.kernels, self.kernel, self.dim, self.device = wp, kernels, kernel, dim, device
        numbers = [_as_warp(wp, kernels, value) for value in values]
        block = CHUNK if kernels.emulated else THREADS if by_warps(device) else 1
        with _loading:  # two threads may load a kernel twice, and one then calls what the other has unloaded
            self.launch = wp.launch(
                kernel, dim=dim, inputs=numbers, device=wp.device_from_torch(device), record_cmd=True, block_dim=block
            )
        self.known: list[Any] = list(values)  # of each argument: the number, or a tensor's shape
        self.arrays: list[Any] = [None] * len(values)  # of each that is a tensor: Warp's descriptor
        for i, value in enumerate(values):
            if isinstance(value, Tensor):
                self._describe(i, value)

    def run(self, dim: tuple[int, ...], values: tuple[Any, ...]) -> None:
        """kernel(*values) over dim. Tensors must be contiguous: the descriptors keep nothing alive."""
        if dim != self.dim:
            self.launch.set_dim(dim)
            self.dim = dim
        known, arrays = self.known, self.arrays
        for i, value in enumerate(values):
            if isinstance(value, Tensor):
                if not value.is_contiguous():
                    raise ValueError(f"argument {i} of {self.kernel.key} is not contiguous")
                if value.shape != known[i]:
                    self._describe(i, value)
                arrays[i].data = value.data_ptr()
            elif value != known[i]:
                self.launch.set_param_at_index_from_ctype(i, value)
                known[i] = value
        if self.device.type == "cpu":
            self.launch.launch()
        else:
            self.launch.launch(_stream(self.wp, torch.cuda.current_stream(self.device)))

    def _describe(self, i: int, tensor: Tensor) -> None:
        array = _as_warp(self.wp, self.kernels, tensor)
        array._ref = None  # noqa: SLF001  (else the tensor would live until the next launch)
        self.launch.set_param_at_index_from_ctype(i, array)
        self.known[i], self.arrays[i] = tensor.shape, array


def _as_warp(wp, kernels: SimpleNamespace, x):
    """A torch tensor as the descriptor of the array that the kernels expect; numbers as they are.

    Grids become arrays of vectors, blocks stay as they are, all else is flat.
    """
    if not isinstance(x, Tensor):
        return x
    shaped = x if x.ndim >= 3 else x.reshape(-1)
    kind = kernels.vecK if x.ndim == 4 else None
    return wp.from_torch(shaped, dtype=kind, requires_grad=False, return_ctype=True)

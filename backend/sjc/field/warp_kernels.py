"""The Warp kernels of `render_warp`: aim, occupancy, spread, runs, forward, backward, gather, erase.

Import only through `warp_launch.kernels`.

Their insides are C++ (folder `cpp`, read by warp_source) in Warp's native functions: in Warp's own types, one sample a
time, nothing becomes vector instructions; measured, 3 to 4 times slower even before anything else was done about it.

No `from __future__ import annotations` here: Warp reads the annotations of kernels as objects.
"""

import functools
from types import SimpleNamespace

import warp as wp

from .warp_source import THREADS, source


@functools.cache
def build(channels: int, activation: str, *, emulated: bool = False, ordered: bool = False) -> SimpleNamespace:
    """The eight kernels and the voxel type `vecK` for one number of channels and one colour activation.

    emulated: on a CPU, too, the text for CUDA, one thread of a warp after the other; for tests. ordered: on CUDA the
    gradient is summed up in whole numbers, so that it does not depend on the order. `prepared` is warp_launch's:
    launches of each to be made again. `warp_wide` names those that have a warp where others have a thread.

    Warp compiles them at the first launch and caches the result on disk.
    """
    flags = (wp.config.cpu_compiler_flags or "-march=native") + " -ffp-contract=fast"
    vecK = wp.types.vector(length=1 + channels, dtype=wp.float32)
    Grid, Blocks = wp.array3d(dtype=vecK), wp.array3d(dtype=wp.uint8)
    Floats, Ints, Longs = wp.array(dtype=float), wp.array(dtype=int), wp.array(dtype=wp.int64)
    text = functools.partial(source, channels=channels, activation=activation, emulated=emulated, ordered=ordered)
    # Threads of a CUDA block, and how many blocks a multiprocessor has registers for (without spills: test_warps.py).
    bounds = (THREADS, 1 if channels > 7 else 10 if channels % 4 == 3 else 12)
    kernel = functools.partial(wp.kernel, module="unique", module_options={"cpu_compiler_flags": flags})

    # fmt: off
    @wp.func_native(text("aim.h"))
    def aim_all(
        index: int, origins: Floats, directions: Floats, t_min: Floats, counts: Ints, order: Ints, scratch: Ints,
        step: float,
    ): ...  # fmt: skip

    # fmt: on
    @kernel()
    def aim(origins: Floats, directions: Floats, t_min: Floats, counts: Ints, order: Ints, scratch: Ints, step: float):
        aim_all(wp.tid(), origins, directions, t_min, counts, order, scratch, step)

    @wp.func_native(text("occupancy.h"))
    def fill_blocks(
        grid: Grid, log_scale: Floats, scaled: float, clear: Blocks, count: int, bx: int, by: int, b0: int
    ): ...

    @kernel()
    def occupancy(grid: Grid, log_scale: Floats, scaled: float, clear: Blocks, count: int, bx0: int):
        bx, by, column = wp.tid()
        fill_blocks(grid, log_scale, scaled, clear, count, bx + bx0, by, column * count)

    # fmt: off
    @wp.func_native(text("gather.h"))
    def gather_column(grid: Grid, part: Grid, clear: Blocks, x_first: int, x_last: int, bx: int, by: int): ...

    # fmt: on
    @kernel()
    def gather(grid: Grid, part: Grid, clear: Blocks, x_first: int, x_last: int):
        bx, by = wp.tid()
        gather_column(grid, part, clear, x_first, x_last, bx, by)

    @wp.func_native(text("erase.h"))
    def erase_column(grid: Grid, clear: Blocks, x_first: int, x_last: int, bx: int, by: int): ...

    @kernel()
    def erase(grid: Grid, clear: Blocks, x_first: int, x_last: int):
        bx, by = wp.tid()
        erase_column(grid, clear, x_first, x_last, bx, by)

    @wp.func_native(text("spread.h"))
    def spread_blocks(before: Blocks, after: Blocks, stride: int, first: int, count: int): ...

    @kernel()
    def spread(before: Blocks, after: Blocks, stride: int, count: int):
        spread_blocks(before, after, stride, wp.tid() * count, count)

    # fmt: off
    @wp.func_native(text("runs.h"))
    def find_runs(
        index: int, grid: Grid, clear: Blocks, order: Ints, origins: Floats, directions: Floats, t_min: Floats,
        counts: Ints,
        step: float, runs: Ints, width: int, needed: Ints, part: int,
    ): ...

    @kernel()
    def runs(
        grid: Grid, clear: Blocks, order: Ints, origins: Floats, directions: Floats, t_min: Floats, counts: Ints,
        step: float,
        runs: Ints, width: int, needed: Ints, part: int, parts: int,
    ):
        index = part + parts * wp.tid()
        find_runs(index, grid, clear, order, origins, directions, t_min, counts, step, runs, width, needed, part)

    @wp.func_native(text("forward.h"))
    def march(
        index: int, grid: Grid, log_scale: Floats, shift: float, runs: Ints, width: int, order: Ints,
        origins: Floats, directions: Floats,
        t_min: Floats, counts: Ints, step: float, beta: float, weight_threshold: float, tau_stop: float,
        color: Floats, opacity: Floats, depth: Floats, emptiness: Floats, ends: Ints, taus: Floats,
    ): ...

    @kernel(launch_bounds=bounds)
    def forward(
        grid: Grid, log_scale: Floats, shift: float, runs: Ints, width: int, order: Ints, origins: Floats,
        directions: Floats,
        t_min: Floats, counts: Ints, step: float, beta: float, weight_threshold: float, tau_stop: float,
        color: Floats, opacity: Floats, depth: Floats, emptiness: Floats, ends: Ints, taus: Floats, part: int,
        parts: int,
    ):
        index = part + parts * wp.tid()
        march(
            index, grid, log_scale, shift, runs, width, order, origins, directions, t_min, counts, step, beta,
            weight_threshold, tau_stop, color, opacity, depth, emptiness, ends, taus,
        )

    @wp.func_native(text("backward.h", sign=-1))
    def march_back(
        index: int, grid: Grid, log_scale: Floats, shift: float, runs: Ints, width: int, order: Ints,
        origins: Floats, directions: Floats,
        t_min: Floats, step: float, beta: float, weight_threshold: float, ends: Ints, taus: Floats,
        g_color: Floats, g_opacity: Floats, g_depth: Floats, g_emptiness: Floats, g_scale: Floats, g_grid: Grid,
        ordered: Longs, unit: Floats,
    ): ...

    @kernel(launch_bounds=bounds)
    def backward(
        grid: Grid, log_scale: Floats, shift: float, runs: Ints, width: int, order: Ints, origins: Floats,
        directions: Floats,
        t_min: Floats, step: float, beta: float, weight_threshold: float, ends: Ints, taus: Floats,
        g_color: Floats, g_opacity: Floats, g_depth: Floats, g_emptiness: Floats, g_scale: Floats, ordered: Longs,
        unit: Floats, part: int, parts: int, g_grid: Grid,
    ):
        index = part + parts * wp.tid()
        march_back(
            index, grid, log_scale, shift, runs, width, order, origins, directions, t_min, step, beta, weight_threshold,
            ends, taus, g_color, g_opacity, g_depth, g_emptiness, g_scale, g_grid, ordered,
            unit,
        )

    # fmt: on
    return SimpleNamespace(
        aim=aim,
        occupancy=occupancy,
        spread=spread,
        runs=runs,
        forward=forward,
        backward=backward,
        gather=gather,
        erase=erase,
        vecK=vecK,
        emulated=emulated,
        ordered=ordered,
        warp_wide=("occupancy", "runs", "forward", "backward"),
        prepared={},
    )

"""The Warp kernels of `render_warp`: occupancy, forward, backward. Import only through `render_warp._warp`.

No `from __future__ import annotations` here: Warp reads the annotations of kernels as objects.
"""

import functools
from types import SimpleNamespace

import warp as wp

from .grid import COLOR_ACTIVATIONS

BLOCK = 4  # cells per side of a block of the occupancy grid


@functools.cache
def build(channels: int, activation: str) -> SimpleNamespace:
    """The three kernels and the two vector types for one number of channels and one colour activation.

    Warp compiles them at the first launch and caches the result on disk.
    """
    K = 1 + channels
    ACTIVATION = COLOR_ACTIVATIONS.index(activation)
    vecK = wp.types.vector(length=K, dtype=wp.float32)
    vecC = wp.types.vector(length=channels, dtype=wp.float32)

    @wp.func
    def softplus_slope(x: float):
        """log(1 + e^x) and its derivative, to float32 precision on both ends: log1p(z) = 2 atanh(z / (2 + z))."""
        z = wp.exp(-wp.abs(x))
        s = z / (2.0 + z)
        q = s * s
        p = 1.0 / 13.0 * q + 1.0 / 11.0
        p = p * q + 1.0 / 9.0
        p = p * q + 1.0 / 7.0
        p = p * q + 1.0 / 5.0
        p = p * q + 1.0 / 3.0
        p = p * q + 1.0
        slope = wp.where(x >= 0.0, 1.0, z) / (1.0 + z)
        return wp.vec2(wp.max(x, 0.0) + 2.0 * s * p, slope)

    @wp.func
    def absorb(optical: float):
        """alpha = 1 - exp(-optical) without cancellation."""
        if optical > 0.2:
            return 1.0 - wp.exp(-optical)
        p = 1.0 - optical * (1.0 / 6.0)
        p = 1.0 - optical * (1.0 / 5.0) * p
        p = 1.0 - optical * (1.0 / 4.0) * p
        p = 1.0 - optical * (1.0 / 3.0) * p
        p = 1.0 - optical * (1.0 / 2.0) * p
        return optical * p

    @wp.func
    def corner(grid: wp.array3d(dtype=vecK), i: int, j: int, k: int):
        n = grid.shape[0]
        value = vecK()
        if i >= 0 and j >= 0 and k >= 0 and i < n and j < n and k < n:
            value = grid[i, j, k]
        return value

    @wp.func
    def fetch(grid: wp.array3d(dtype=vecK), i: int, j: int, k: int, f: wp.vec3):
        n = grid.shape[0]
        fx = f[0]
        fy = f[1]
        fz = f[2]
        if i >= 0 and j >= 0 and k >= 0 and i < n - 1 and j < n - 1 and k < n - 1:
            a00 = grid[i, j, k] * (1.0 - fz) + grid[i, j, k + 1] * fz
            a01 = grid[i, j + 1, k] * (1.0 - fz) + grid[i, j + 1, k + 1] * fz
            a10 = grid[i + 1, j, k] * (1.0 - fz) + grid[i + 1, j, k + 1] * fz
            a11 = grid[i + 1, j + 1, k] * (1.0 - fz) + grid[i + 1, j + 1, k + 1] * fz
            a0 = a00 * (1.0 - fy) + a01 * fy
            a1 = a10 * (1.0 - fy) + a11 * fy
            return a0 * (1.0 - fx) + a1 * fx
        b00 = corner(grid, i, j, k) * (1.0 - fz) + corner(grid, i, j, k + 1) * fz
        b01 = corner(grid, i, j + 1, k) * (1.0 - fz) + corner(grid, i, j + 1, k + 1) * fz
        b10 = corner(grid, i + 1, j, k) * (1.0 - fz) + corner(grid, i + 1, j, k + 1) * fz
        b11 = corner(grid, i + 1, j + 1, k) * (1.0 - fz) + corner(grid, i + 1, j + 1, k + 1) * fz
        b0 = b00 * (1.0 - fy) + b01 * fy
        b1 = b10 * (1.0 - fy) + b11 * fy
        return b0 * (1.0 - fx) + b1 * fx

    @wp.func
    def add(grad: wp.array3d(dtype=vecK), i: int, j: int, k: int, value: vecK):
        n = grad.shape[0]
        if i >= 0 and j >= 0 and k >= 0 and i < n and j < n and k < n:
            wp.atomic_add(grad, i, j, k, value)

    @wp.func
    def scatter(grad: wp.array3d(dtype=vecK), i: int, j: int, k: int, f: wp.vec3, g: vecK):
        n = grad.shape[0]
        fx = f[0]
        fy = f[1]
        fz = f[2]
        g1 = g * fx
        g0 = g - g1
        g01 = g0 * fy
        g00 = g0 - g01
        g11 = g1 * fy
        g10 = g1 - g11
        if i >= 0 and j >= 0 and k >= 0 and i < n - 1 and j < n - 1 and k < n - 1:
            wp.atomic_add(grad, i, j, k, g00 * (1.0 - fz))
            wp.atomic_add(grad, i, j, k + 1, g00 * fz)
            wp.atomic_add(grad, i, j + 1, k, g01 * (1.0 - fz))
            wp.atomic_add(grad, i, j + 1, k + 1, g01 * fz)
            wp.atomic_add(grad, i + 1, j, k, g10 * (1.0 - fz))
            wp.atomic_add(grad, i + 1, j, k + 1, g10 * fz)
            wp.atomic_add(grad, i + 1, j + 1, k, g11 * (1.0 - fz))
            wp.atomic_add(grad, i + 1, j + 1, k + 1, g11 * fz)
        else:
            add(grad, i, j, k, g00 * (1.0 - fz))
            add(grad, i, j, k + 1, g00 * fz)
            add(grad, i, j + 1, k, g01 * (1.0 - fz))
            add(grad, i, j + 1, k + 1, g01 * fz)
            add(grad, i + 1, j, k, g10 * (1.0 - fz))
            add(grad, i + 1, j, k + 1, g10 * fz)
            add(grad, i + 1, j + 1, k, g11 * (1.0 - fz))
            add(grad, i + 1, j + 1, k + 1, g11 * fz)

    @wp.func
    def activate(raw: float):
        y = raw
        if wp.static(ACTIVATION == 1):
            y = wp.tanh(0.5 * raw)
        if wp.static(ACTIVATION == 2):
            y = 0.5 + 0.5 * wp.tanh(0.5 * raw)
        return y

    @wp.func
    def activation_slope(y: float):
        """Derivative of the activation from its value."""
        slope = float(1.0)
        if wp.static(ACTIVATION == 1):
            slope = 0.5 * (1.0 - y * y)
        if wp.static(ACTIVATION == 2):
            slope = y * (1.0 - y)
        return slope

    # Cells lie between voxel centres: cell c of 0..N spans index coordinates [c-1, c). The two half-voxel shell cells
    # have blocks of their own, because the zero padding there is fog again (softplus(shift)) and never empty.
    @wp.func
    def block_of(c: int, n: int, blocks: int):
        b = (c - 1) / BLOCK + 1
        if c < 1:
            b = 0
        if c >= n:
            b = blocks - 1
        return b

    @wp.func
    def block_low(b: int, n: int, blocks: int):
        low = (b - 1) * BLOCK
        if b == 0:
            low = -1
        if b == blocks - 1:
            low = n - 1
        return low

    @wp.func
    def exit_along(a: float, d: float, b: int, n: int, blocks: int):
        """Distance at which index coordinate a + t d leaves block b."""
        bound = block_low(b, n, blocks)
        if d > 0.0:
            bound = n
            if b < blocks - 1:
                bound = block_low(b + 1, n, blocks)
        t = float(1.0e30)
        if wp.abs(d) > 1.0e-12:
            t = (float(bound) - a) / d
        return t

    @wp.func
    def entry_along(a: float, d: float, b: int, n: int, blocks: int):
        return -exit_along(a, -d, b, n, blocks)

    @wp.kernel(module="unique")
    def occupancy(
        grid: wp.array3d(dtype=vecK),
        log_scale: wp.array(dtype=float),
        shift: float,
        step: float,
        skip_alpha: float,
        occupied: wp.array3d(dtype=wp.uint8),
    ):
        bx, by, bz = wp.tid()
        n = grid.shape[0]
        blocks = occupied.shape[0]
        x0 = block_low(bx, n, blocks)
        y0 = block_low(by, n, blocks)
        z0 = block_low(bz, n, blocks)
        x1 = wp.min(x0 + BLOCK, n)
        y1 = wp.min(y0 + BLOCK, n)
        z1 = wp.min(z0 + BLOCK, n)
        highest = float(-1.0e30)
        if bx == 0 or by == 0 or bz == 0 or x1 == n or y1 == n or z1 == n:
            highest = 0.0
        for x in range(wp.max(x0, 0), wp.min(x1, n - 1) + 1):
            for y in range(wp.max(y0, 0), wp.min(y1, n - 1) + 1):
                for z in range(wp.max(z0, 0), wp.min(z1, n - 1) + 1):
                    highest = wp.max(highest, grid[x, y, z][0])
        sigma = softplus_slope(wp.exp(log_scale[0]) * highest + shift)[0]
        occupied[bx, by, bz] = wp.uint8(wp.where(absorb(sigma * step) >= skip_alpha, 1, 0))

    @wp.kernel(module="unique")
    def forward(
        grid: wp.array3d(dtype=vecK),
        log_scale: wp.array(dtype=float),
        shift: float,
        occupied: wp.array3d(dtype=wp.uint8),
        origins: wp.array(dtype=wp.vec3),
        directions: wp.array(dtype=wp.vec3),
        t_min: wp.array(dtype=float),
        counts: wp.array(dtype=int),
        step: float,
        beta: float,
        weight_threshold: float,
        tau_stop: float,
        color: wp.array(dtype=vecC),
        opacity: wp.array(dtype=float),
        depth: wp.array(dtype=float),
        emptiness: wp.array(dtype=float),
        ends: wp.array(dtype=int),
        taus: wp.array(dtype=float),
    ):
        r = wp.tid()
        n = grid.shape[0]
        blocks = occupied.shape[0]
        half = 0.5 * float(n)
        a = origins[r] * half + wp.vec3(half - 0.5, half - 0.5, half - 0.5)
        d = directions[r] * half
        t0 = t_min[r]
        count = counts[r]
        scale = wp.exp(log_scale[0])

        sum_color = vecC()
        sum_w = float(0.0)
        sum_wt = float(0.0)
        log_sum = float(0.0)
        product = float(1.0)
        tau = float(0.0)
        T = float(1.0)
        k = int(0)
        end = int(0)
        while k < count:
            t = t0 + float(k) * step
            u = a + t * d
            i = int(wp.floor(u[0]))
            j = int(wp.floor(u[1]))
            l = int(wp.floor(u[2]))
            if blocks > 0:
                bx = block_of(i + 1, n, blocks)
                by = block_of(j + 1, n, blocks)
                bz = block_of(l + 1, n, blocks)
                if occupied[bx, by, bz] == wp.uint8(0):
                    t_exit = wp.min(
                        wp.min(exit_along(a[0], d[0], bx, n, blocks), exit_along(a[1], d[1], by, n, blocks)),
                        exit_along(a[2], d[2], bz, n, blocks),
                    )
                    k = wp.max(k + 1, int(wp.ceil((wp.min(t_exit, 1.0e6) - t0) / step - 1.0e-3)))
                    continue
            f = wp.vec3(u[0] - float(i), u[1] - float(j), u[2] - float(l))
            v = fetch(grid, i, j, l, f)
            optical = softplus_slope(scale * v[0] + shift)[0] * step
            w = absorb(optical) * T
            if w > weight_threshold:
                for c in range(wp.static(channels)):
                    sum_color[c] = sum_color[c] + w * activate(v[c + 1])
            sum_w += w
            sum_wt += w * t
            product *= 1.0 + beta * w
            if product > 1.0e4:
                log_sum += wp.log(product)
                product = float(1.0)
            tau += optical
            T -= w
            k += 1
            end = k
            if tau > tau_stop:
                break
        color[r] = sum_color
        opacity[r] = sum_w
        depth[r] = sum_wt
        emptiness[r] = log_sum + wp.log(product)
        ends[r] = end
        taus[r] = tau

    @wp.kernel(module="unique")
    def backward(
        grid: wp.array3d(dtype=vecK),
        log_scale: wp.array(dtype=float),
        shift: float,
        occupied: wp.array3d(dtype=wp.uint8),
        origins: wp.array(dtype=wp.vec3),
        directions: wp.array(dtype=wp.vec3),
        t_min: wp.array(dtype=float),
        step: float,
        beta: float,
        weight_threshold: float,
        ends: wp.array(dtype=int),
        taus: wp.array(dtype=float),
        g_color: wp.array(dtype=vecC),
        g_opacity: wp.array(dtype=float),
        g_depth: wp.array(dtype=float),
        g_emptiness: wp.array(dtype=float),
        g_grid: wp.array3d(dtype=vecK),
        g_scale: wp.array(dtype=float),
    ):
        r = wp.tid()
        n = grid.shape[0]
        blocks = occupied.shape[0]
        half = 0.5 * float(n)
        a = origins[r] * half + wp.vec3(half - 0.5, half - 0.5, half - 0.5)
        d = directions[r] * half
        t0 = t_min[r]
        scale = wp.exp(log_scale[0])
        gc = g_color[r]
        go = g_opacity[r]
        gd = g_depth[r]
        ge = g_emptiness[r] * beta

        tau = taus[r]
        behind = float(0.0)  # sum of w dL/dw over the samples behind this one
        sum_scale = float(0.0)
        k = ends[r] - 1
        while k >= 0:
            t = t0 + float(k) * step
            u = a + t * d
            i = int(wp.floor(u[0]))
            j = int(wp.floor(u[1]))
            l = int(wp.floor(u[2]))
            if blocks > 0:
                bx = block_of(i + 1, n, blocks)
                by = block_of(j + 1, n, blocks)
                bz = block_of(l + 1, n, blocks)
                if occupied[bx, by, bz] == wp.uint8(0):
                    t_enter = wp.max(
                        wp.max(entry_along(a[0], d[0], bx, n, blocks), entry_along(a[1], d[1], by, n, blocks)),
                        entry_along(a[2], d[2], bz, n, blocks),
                    )
                    k = wp.min(k - 1, int(wp.floor((wp.max(t_enter, -1.0) - t0) / step + 1.0e-3)))
                    continue
            f = wp.vec3(u[0] - float(i), u[1] - float(j), u[2] - float(l))
            v = fetch(grid, i, j, l, f)
            sp = softplus_slope(scale * v[0] + shift)
            optical = sp[0] * step
            tau = wp.max(tau - optical, 0.0)
            T = wp.exp(-tau)
            alpha = absorb(optical)
            w = alpha * T
            g = vecK()
            gw = go + gd * t + ge / (1.0 + beta * w)
            if w > weight_threshold:
                for c in range(wp.static(channels)):
                    y = activate(v[c + 1])
                    gw += gc[c] * y
                    g[c + 1] = w * gc[c] * activation_slope(y)
            # dw/d(optical) = T (1 - alpha) here, and -w for every sample behind.
            gx = step * (T * (1.0 - alpha) * gw - behind) * sp[1]
            behind += w * gw
            sum_scale += gx * scale * v[0]
            g[0] = gx * scale
            scatter(g_grid, i, j, l, f, g)
            k -= 1
        g_scale[r] = sum_scale

    return SimpleNamespace(occupancy=occupancy, forward=forward, backward=backward, vecK=vecK, vecC=vecC)

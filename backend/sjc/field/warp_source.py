"""The C++ inside the Warp kernels (see warp_kernels): arithmetic, blocks, the walk along a ray, forward, backward.

Whole-word constants are written in by `source`: K = 1 + C floats a voxel (density first), ACTIVATION (index in
grid.COLOR_ACTIVATIONS), BLOCK, COLUMN, CHUNK, SIGN. The rest are the arguments of the native functions in warp_kernels.
"""

import re

from .grid import COLOR_ACTIVATIONS

BLOCK = 4  # cells per side of a block of empty or occupied space
COLUMN = 16  # blocks whose occupancy is found together on a CPU
CHUNK = 16  # samples walked together on a CPU

# Small functions in float32, good to a few roundings, without calls or branches.
MATH = """
    auto exp_negative = [](float x) {  // e^x for x <= 0
#ifdef __CUDA_ARCH__
        return ::expf(x);
#else
        x = x < -87.0f ? -87.0f : x;
        const float r = __builtin_floorf(x * 1.44269504f + 0.5f);
        const float f = x - r * 0.693359375f + r * 2.12194440e-4f;
        float p = 1.9875691500e-4f * f + 1.3981999507e-3f;
        p = p * f + 8.3334519073e-3f;
        p = p * f + 4.1665795894e-2f;
        p = p * f + 1.6666665459e-1f;
        p = p * f + 5.0000001201e-1f;
        const int bits = ((int)r + 127) << 23;
        float power;
        __builtin_memcpy(&power, &bits, 4);
        return (p * f * f + f + 1.0f) * power;
#endif
    };
    auto softplus = [&](float x, float& slope) {  // log(1 + e^x), by log1p(z) = 2 atanh(z / (2 + z)), z = e^-|x|
        const float z = exp_negative(x < 0.0f ? x : -x);
        const float s = z / (2.0f + z), q = s * s;
        float p = 0.0769230769f * q + 0.0909090909f;
        p = p * q + 0.1111111111f;
        p = p * q + 0.1428571429f;
        p = p * q + 0.2f;
        p = p * q + 0.3333333333f;
        p = p * q + 1.0f;
        slope = (x < 0.0f ? z : 1.0f) / (1.0f + z);
        return (x < 0.0f ? 0.0f : x) + 2.0f * s * p;
    };
    auto absorb = [&](float optical) {  // 1 - e^-optical without cancellation
        float p = 1.0f - optical * 0.1666666667f;
        p = 1.0f - optical * 0.2f * p;
        p = 1.0f - optical * 0.25f * p;
        p = 1.0f - optical * 0.3333333333f * p;
        p = 1.0f - optical * 0.5f * p;
        const float far = 1.0f - exp_negative(-optical);
        return optical > 0.25f ? far : optical * p;
    };
"""

# Cells lie between voxel centres: cell c of 0..n spans index coordinates [c-1, c). The two half-voxel shell cells have
# blocks of their own: the zero padding there is fog again (softplus(shift)) and never empty. Block b spans index
# coordinates [low(b), low(b+1)); beyond the ends any bound outside the box will do.
BLOCKS = """
    const int n = grid.shape[0], blocks = clear.shape[0];
    auto block_of = [&](int c) { return c >= n ? blocks - 1 : (wp::max(c, 0) + BLOCK - 1) / BLOCK; };
    auto low = [&](int b) { return b >= blocks ? n : wp::min((b - 1) * BLOCK, n - 1); };
"""

# The ray in index coordinates (voxel centres at integers), and the chunk: which samples, where, their density.
# SIGN is +1 on the way forward, -1 on the way back.
WALK = """
#ifdef __CUDA_ARCH__
    const int S = 1;
#else
    const int S = CHUNK;
#endif
    const float* data = (const float*)grid.data;
    const float half_n = 0.5f * n;
    const float *origin = origins.data + 3 * r, *direction = directions.data + 3 * r;
    const float ax = (origin[0] + 1.0f) * half_n - 0.5f, dx = direction[0] * half_n;
    const float ay = (origin[1] + 1.0f) * half_n - 0.5f, dy = direction[1] * half_n;
    const float az = (origin[2] + 1.0f) * half_n - 0.5f, dz = direction[2] * half_n;
    const float slack = 5e-4f / (half_n * step);  // in samples: jumps err on the side of looking twice
    const float scale = ::expf(log_scale.data[0]);

    // Where the walk leaves, along one axis, the cube of blocks nearer than c to block b; in samples from t0.
    auto per_sample = [&](float d) { return 1.0f / (step * (d < 0.0f ? wp::min(d, -1e-20f) : wp::max(d, 1e-20f))); };
    const float sx = per_sample(dx), sy = per_sample(dy), sz = per_sample(dz), start = t0 / step;
    auto leave = [&](float a, float s, int b, int c) {
        return (low(SIGN * s > 0.0f ? b + c : b - c + 1) - a) * s - start;
    };
    int until = k;
    // The next samples in clear blocks, at most S; k moves behind them.
    int ks[S];
    auto collect = [&]() {
        int found = 0;
        while (found < S && SIGN * k < SIGN * last) {
            if (SIGN * k >= SIGN * until) {
                if (blocks == 0) until = last;
                else {
                    const float t = t0 + k * step;
                    const int bx = block_of((int)(ax + t * dx + 1.0f));
                    const int by = block_of((int)(ay + t * dy + 1.0f));
                    const int bz = block_of((int)(az + t * dz + 1.0f));
                    const int reach = clear.data[(bx * blocks + by) * blocks + bz], c = reach == 0 ? 1 : reach;
                    const float x = leave(ax, sx, bx, c), y = leave(ay, sy, by, c), z = leave(az, sz, bz, c);
                    const float nearest = wp::min(wp::min(SIGN * x, SIGN * y), wp::min(SIGN * z, 1e6f));
                    until = SIGN * wp::max(SIGN * k + 1, (int)wp::ceil(nearest - slack));
                    if (reach > 0) {
                        k = until;
                        continue;
                    }
                }
            }
            ks[found++] = k;
            k += SIGN;
        }
        return found;
    };

    int base[S];  // first of the eight corners; always inside, the weights of corners outside are 0
    float ts[S], xy[4][S], z0[S], z1[S], voxel[S][K], raw[S], optical[S], slope[S], alpha[S];
    auto load = [&](int found) {
        for (int m = found; m < S; ++m) ks[m] = ks[found - 1];
        for (int m = 0; m < S; ++m) {
            const float t = t0 + ks[m] * step;
            const float ux = ax + t * dx, uy = ay + t * dy, uz = az + t * dz;
            const float x = wp::floor(ux), y = wp::floor(uy), z = wp::floor(uz);
            const float fx = ux - x, fy = uy - y, fz = uz - z;
            const float end = n - 1.0f;
            const float x0 = x < 0.0f ? fx : x >= end ? 0.0f : 1.0f - fx, x1 = x < 0.0f ? 0.0f : x >= end ? 1.0f - fx : fx;
            const float y0 = y < 0.0f ? fy : y >= end ? 0.0f : 1.0f - fy, y1 = y < 0.0f ? 0.0f : y >= end ? 1.0f - fy : fy;
            z0[m] = z < 0.0f ? fz : z >= end ? 0.0f : 1.0f - fz;
            z1[m] = z < 0.0f ? 0.0f : z >= end ? 1.0f - fz : fz;
            int i = (int)x, j = (int)y, l = (int)z;
            i = i < 0 ? 0 : i > n - 2 ? n - 2 : i;
            j = j < 0 ? 0 : j > n - 2 ? n - 2 : j;
            l = l < 0 ? 0 : l > n - 2 ? n - 2 : l;
            base[m] = ((i * n + j) * n + l) * K;
            ts[m] = t;
            xy[0][m] = x0 * y0;
            xy[1][m] = x0 * y1;
            xy[2][m] = x1 * y0;
            xy[3][m] = x1 * y1;
        }
        // A column of two z-neighbours is 2K floats in a row.
        const int row = n * K, slab = n * n * K;
#ifndef __CUDA_ARCH__
        // A ray's next voxels are in no cache. Where nothing is skipped the next chunk's are asked for while this one's are
        // worked on; else all of this one's before the first is waited for.
        int next[S];
        const float leap = blocks == 0 ? SIGN * S * step : 0.0f;
        for (int m = 0; m < S; ++m) {
            const float t = ts[m] + leap;
            int i = (int)wp::floor(ax + t * dx), j = (int)wp::floor(ay + t * dy), l = (int)wp::floor(az + t * dz);
            i = i < 0 ? 0 : i > n - 2 ? n - 2 : i;
            j = j < 0 ? 0 : j > n - 2 ? n - 2 : j;
            l = l < 0 ? 0 : l > n - 2 ? n - 2 : l;
            next[m] = ((i * n + j) * n + l) * K;
        }
        for (int m = 0; m < found; ++m)
            for (int q = 0; q < 4; ++q) {
                const int first = next[m] + (q & 1) * row + (q >> 1) * slab;
                __builtin_prefetch(data + first);
                __builtin_prefetch(data + first + 2 * K - 1);
                if (SIGN < 0) {
                    __builtin_prefetch(out + first, 1);
                    __builtin_prefetch(out + first + 2 * K - 1, 1);
                }
            }
#endif
#ifndef __CUDA_ARCH__
#pragma clang loop vectorize(disable)  // one sample a time, its channels in a vector: across samples it would gather
#endif
        for (int m = 0; m < found; ++m) {
            const float* p = data + base[m];
            float column[2 * K];
            for (int c = 0; c < 2 * K; ++c)
                column[c] = xy[0][m] * p[c] + xy[1][m] * p[row + c] + xy[2][m] * p[slab + c] + xy[3][m] * p[slab + row + c];
            for (int c = 0; c < K; ++c) voxel[m][c] = z0[m] * column[c] + z1[m] * column[K + c];
        }
        for (int m = 0; m < S; ++m) raw[m] = m < found ? voxel[m][0] : 0.0f;
        for (int m = 0; m < S; ++m) {
            optical[m] = softplus(scale * raw[m] + shift, slope[m]) * step;
            alpha[m] = absorb(optical[m]);
        }
    };
    auto activate = [&](float raw) {
        if (ACTIVATION == 1) return ::tanhf(0.5f * raw);
        if (ACTIVATION == 2) return 0.5f + 0.5f * ::tanhf(0.5f * raw);
        return raw;
    };
"""

# `count` blocks along z, at most COLUMN: the grid's rows are read from end to end, whatever block a voxel is in.
OCCUPANCY = (
    BLOCKS
    + """
    const int end = wp::min(b0 + (count < COLUMN ? count : COLUMN), blocks);
    const int x0 = low(bx), x1 = low(bx + 1), y0 = low(by), y1 = low(by + 1);
    const int first = wp::max(low(b0), 0), length = wp::min(low(end), n - 1) - first + 1;
    float most[COLUMN * BLOCK + 1];
    for (int i = 0; i < length; ++i) most[i] = -INFINITY;
    for (int x = wp::max(x0, 0); x <= wp::min(x1, n - 1); ++x)
        for (int y = wp::max(y0, 0); y <= wp::min(y1, n - 1); ++y) {
            const float* p = (const float*)grid.data + ((x * n + y) * n + first) * K;
            for (int i = 0; i < length; ++i) most[i] = p[i * K] > most[i] ? p[i * K] : most[i];
        }
    for (int bz = b0; bz < end; ++bz) {
        const int z0 = low(bz), z1 = low(bz + 1);
        bool full = 0.0f >= threshold && (x0 < 0 || y0 < 0 || z0 < 0 || x1 >= n || y1 >= n || z1 >= n);
        for (int z = wp::max(z0, 0); z <= wp::min(z1, n - 1); ++z) full |= most[z - first] >= threshold;
        clear.data[(bx * blocks + by) * blocks + bz] = full ? 0 : 1;
    }
"""
)

# take(first, count) for every run of the occupied blocks' numbers, of the planes x_first .. x_last alone; a voxel on their
# border is met by each. Where there are no blocks (fog), plane x_first + bx whole.
OCCUPIED = """
    if (blocks == 0) {
        take((x_first + bx) * n * n * K, n * n * K);
        return;
    }
    if (clear.data[(bx * blocks + by) * blocks + bz] != 0) return;
    const int x0 = wp::max(low(bx), x_first), x1 = wp::min(low(bx + 1), x_last);
    const int y0 = wp::max(low(by), 0), y1 = wp::min(low(by + 1), n - 1);
    const int z0 = wp::max(low(bz), 0), z1 = wp::min(low(bz + 1), n - 1);
    for (int x = x0; x <= x1; ++x)
        for (int y = y0; y <= y1; ++y) take(((x * n + y) * n + z0) * K, (z1 - z0 + 1) * K);
"""

# Adds to one gradient what another thread gathered in `part`, and leaves `part` zero for the next time.
GATHER = (
    BLOCKS
    + """
    auto take = [&](int first, int count) {
        float *to = (float*)grid.data + first, *from = (float*)part.data + first;
        for (int i = 0; i < count; ++i) {
            to[i] += from[i];
            from[i] = 0.0f;
        }
    };
"""
    + OCCUPIED
)

# Leaves a gradient zero.
ERASE = (
    BLOCKS
    + """
    auto take = [&](int first, int count) {
        float* to = (float*)grid.data + first;
        for (int i = 0; i < count; ++i) to[i] = 0.0f;
    };
"""
    + OCCUPIED
)

# One pass of the distance to clear blocks: a clear block whose 26 neighbours are all `reach` clear is one clearer. In
# place is safe, since a neighbour that another thread raises passes the test before and after.
WIDEN = """
    const int blocks = clear.shape[0], end = wp::min(b0 + (count < COLUMN ? count : COLUMN), blocks);
    const int z0 = wp::max(b0 - 1, 0), z1 = wp::min(end, blocks - 1);
    unsigned char least[COLUMN + 2];  // of the nine at each height
    for (int z = z0; z <= z1; ++z) least[z - z0] = 255;
    for (int x = wp::max(bx - 1, 0); x <= wp::min(bx + 1, blocks - 1); ++x)
        for (int y = wp::max(by - 1, 0); y <= wp::min(by + 1, blocks - 1); ++y) {
            const unsigned char* row = (const unsigned char*)clear.data + (x * blocks + y) * blocks + z0;
            for (int i = 0; i <= z1 - z0; ++i) least[i] = row[i] < least[i] ? row[i] : least[i];
        }
    for (int bz = b0; bz < end; ++bz) {
        auto& own = clear.data[(bx * blocks + by) * blocks + bz];
        bool wider = own == reach;
        for (int z = wp::max(bz - 1, z0); z <= wp::min(bz + 1, z1); ++z) wider &= least[z - z0] >= reach;
        if (wider) own = reach + 1;
    }
"""

FORWARD = (
    MATH
    + BLOCKS
    + """
    const float t0 = t_min.data[r];
    const int last = counts.data[r];
    int k = 0;
    float* out = nullptr;  // nothing is scattered
"""
    + WALK
    + """
    float sum_color[K] = {}, sum_w = 0.0f, sum_wt = 0.0f, log_sum = 0.0f, product = 1.0f, tau = 0.0f, T = 1.0f;
    int end = 0;
    while (int found = tau > tau_stop ? 0 : collect()) {
        load(found);
        for (int m = 0; m < found && tau <= tau_stop; ++m) {
            const float w = alpha[m] * T;
            T -= w;
            tau += optical[m];
            sum_w += w;
            sum_wt += w * ts[m];
            product *= 1.0f + beta * w;  // one logarithm for many samples
            if (product > 1e4f) {
                log_sum += ::logf(product);
                product = 1.0f;
            }
            end = ks[m] + 1;
            if (w > weight_threshold) {
                for (int c = 1; c < K; ++c) sum_color[c] += w * activate(voxel[m][c]);
            }
        }
    }
    for (int c = 1; c < K; ++c) color.data[r * (K - 1) + c - 1] = sum_color[c];
    opacity.data[r] = sum_w;
    depth.data[r] = sum_wt;
    emptiness.data[r] = log_sum + ::logf(product);
    ends.data[r] = end;
    taus.data[r] = tau;
"""
)

# With L the loss and optical_k = sigma_k step: dw_k/d(optical_k) = T_k (1 - alpha_k), and -w_j for every j behind k.
BACKWARD = (
    MATH
    + BLOCKS
    + """
    const float t0 = t_min.data[r];
    const int last = -1;
    int k = ends.data[r] - 1;
    float* out = (float*)g_grid.data;
"""
    + WALK
    + """
    float gc[K];
    for (int c = 1; c < K; ++c) gc[c] = g_color.data[r * (K - 1) + c - 1];
    const float go = g_opacity.data[r], gd = g_depth.data[r], ge = g_emptiness.data[r] * beta;
    float tau = taus.data[r], behind = 0.0f, sum_scale = 0.0f, T[S];
    while (int found = collect()) {
        load(found);
        for (int m = 0; m < found; ++m) {
            tau = wp::max(tau - optical[m], 0.0f);
            T[m] = tau;
        }
        for (int m = found; m < S; ++m) T[m] = 0.0f;
        for (int m = 0; m < S; ++m) T[m] = exp_negative(-T[m]);
        for (int m = 0; m < found; ++m) {
            const float w = alpha[m] * T[m];
            const bool colored = w > weight_threshold;
            float gw = go + gd * ts[m] + ge / (1.0f + beta * w);
            float g[2 * K];
            if (colored) {
                for (int c = 1; c < K; ++c) {
                    const float y = activate(voxel[m][c]);
                    gw += gc[c] * y;
                    g[c] = w * gc[c];
                    if (ACTIVATION == 1) g[c] *= 0.5f * (1.0f - y * y);
                    if (ACTIVATION == 2) g[c] *= y * (1.0f - y);
                }
            }
            const float gx = step * (T[m] * (1.0f - alpha[m]) * gw - behind) * slope[m];
            behind += w * gw;
            sum_scale += gx * scale * raw[m];
            g[0] = gx * scale;
            float* p = out + base[m];
            const int offset[4] = {0, n * K, n * n * K, n * n * K + n * K};
            if (colored) {
                for (int c = 0; c < K; ++c) {
                    g[K + c] = z1[m] * g[c];
                    g[c] = z0[m] * g[c];
                }
                for (int q = 0; q < 4; ++q)
                    for (int c = 0; c < 2 * K; ++c) wp::atomic_add(p + offset[q] + c, xy[q][m] * g[c]);
            } else {
                for (int q = 0; q < 4; ++q) {
                    wp::atomic_add(p + offset[q], xy[q][m] * z0[m] * g[0]);
                    wp::atomic_add(p + offset[q] + K, xy[q][m] * z1[m] * g[0]);
                }
            }
        }
    }
    g_scale.data[r] = sum_scale;
"""
)


def source(text: str, channels: int, activation: str, sign: int = 1) -> str:
    """`text` with its constants written in."""
    constants = {
        "K": 1 + channels,
        "ACTIVATION": COLOR_ACTIVATIONS.index(activation),
        "BLOCK": BLOCK,
        "CHUNK": CHUNK,
        "COLUMN": COLUMN,
        "SIGN": sign,
    }
    for name, value in constants.items():
        text = re.sub(rf"\b{name}\b", f"({value})", text)
    return text

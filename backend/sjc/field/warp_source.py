"""The C++ inside the Warp kernels (see warp_kernels): arithmetic, and what is done to whole blocks.

Whole-word constants are written in by `source`: K = 1 + C floats a voxel (density first), ACTIVATION (index in
grid.COLOR_ACTIVATIONS), SIGN (of the walk's direction), the sizes below, and for vectors LANES, WIDTH and their lanes'
numbers. The rest are the arguments of the native functions in warp_kernels.
"""

import re

from .grid import COLOR_ACTIVATIONS

BLOCK = 4  # cells per side of a block of empty or occupied space
REACH = 8  # empty blocks jumped at once, to each side
COLUMN = 32  # blocks whose occupancy is found together on a CPU
CHUNK = 32  # samples walked together on a CPU
BUNDLE = 64  # rays that advance together on a CPU

# Small functions in float32, good to a few roundings, without calls or branches.
MATH = """
    auto halved = [](float x, float& power) {  // for x <= 0: power 2^r and e^x / 2^r - 1
#ifdef __CUDA_ARCH__
        power = 1.0f;
        return ::expm1f(x);
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
        __builtin_memcpy(&power, &bits, 4);
        return p * f * f + f;
#endif
    };
    auto exp_negative = [&](float x) {  // e^x for x <= 0
#ifdef __CUDA_ARCH__
        return ::expf(x);
#else
        float power;
        const float more = halved(x, power);
        return more * power + power;
#endif
    };
    auto absorb = [&](float optical) {  // 1 - e^-optical without cancellation
        float power;
        const float more = halved(-optical, power);
        return (1.0f - power) - more * power;
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
    auto activate = [&](float raw) {
        if (ACTIVATION == 0) return raw;
        const float z = exp_negative(raw < 0.0f ? raw : -raw), size = (1.0f - z) / (1.0f + z);
        const float tanh_half = raw < 0.0f ? -size : size;
        return ACTIVATION == 1 ? tanh_half : 0.5f + 0.5f * tanh_half;
    };
"""

# Cells lie between voxel centres: cell c of 0..n spans index coordinates [c-1, c). The two half-voxel shell cells have
# blocks of their own: towards the zero padding the field becomes fog again (softplus(shift)). Block b spans index
# coordinates [low(b), low(b+1)); beyond the ends any bound outside the box will do.
BLOCKS = """
    const int n = grid.shape[0], blocks = clear.shape[0];
    auto block_of = [&](int c) { return c >= n ? blocks - 1 : (wp::max(c, 0) + BLOCK - 1) / BLOCK; };
    auto low = [&](int b) { return b >= blocks ? n : wp::min((b - 1) * BLOCK, n - 1); };
"""

# Where each ray is sampled, as render_reference.lattice in the same operations, and the order of the rays, as
# render_warp.coherent_order: sorted by their code in two passes of 12 bits. One thread does it all.
AIM = """
    const int rays = t_min.shape[0];
    int *codes = scratch.data, *half_sorted = scratch.data + rays;
    int starts[2][4097] = {};
    auto spread = [](unsigned x) {  // 8 bits to every third place
        x = (x | x << 8) & 0x0F00F;
        x = (x | x << 4) & 0xC30C3;
        return (x | x << 2) & 0x249249;
    };
    for (int r = 0; r < rays; ++r) {
        const float *origin = origins.data + 3 * r, *direction = directions.data + 3 * r;
        float near = 0.0f, far = FLT_MAX, along = 0.0f;
        for (int c = 0; c < 3; ++c) {
            const float d = direction[c], inverse = 1.0f / (::fabsf(d) < FLT_MIN ? FLT_MIN : d);
            const float a = wp::clamp((-1.0f - origin[c]) * inverse, -FLT_MAX, FLT_MAX);
            const float b = wp::clamp((1.0f - origin[c]) * inverse, -FLT_MAX, FLT_MAX);
            near = wp::max(near, wp::min(a, b));
            far = wp::min(far, wp::max(a, b));
            along += origin[c] * d;
        }
        const bool missed = far < near;
        t_min.data[r] = missed ? 0.0f : near;
        counts.data[r] = missed ? 0 : (int)wp::floor((far - near) / step) + 1;
        unsigned code = 0;
        for (int c = 0; c < 3; ++c) {
            const float middle = (origin[c] - direction[c] * along + 2.0f) * 64.0f;
            code |= spread((unsigned)wp::clamp(middle, 0.0f, 255.0f)) << c;
        }
        codes[r] = code;
        ++starts[0][(code & 4095) + 1];
        ++starts[1][(code >> 12) + 1];
    }
    for (int i = 0; i < 4096; ++i)
        for (int pass = 0; pass < 2; ++pass) starts[pass][i + 1] += starts[pass][i];
    for (int r = 0; r < rays; ++r) half_sorted[starts[0][codes[r] & 4095]++] = r;
    for (int i = 0; i < rays; ++i) order.data[starts[1][codes[half_sorted[i]] >> 12]++] = half_sorted[i];
"""

# `count` blocks along z, at most COLUMN. The largest of a block's rows is found number by number, channels and all (a
# CPU reads whole cache lines anyway, and density alone would be a gather), then of the densities along z. In the half
# voxel outside the outermost voxels they fade, to a half at the box's face: a density v below zero is v/2 there at
# most.
OCCUPANCY = (
    BLOCKS
    + """
#ifdef __CUDA_ARCH__
    const int EACH = 1;  // numbers looked at of a voxel
#else
    const int EACH = K;
    typedef float Eight __attribute__((ext_vector_type(8), aligned(4)));
#endif
    const float threshold = scaled / ::expf(log_scale.data[0]);
    const int end = wp::min(b0 + (count < COLUMN ? count : COLUMN), blocks);
    const int x0 = wp::max(low(bx), 0), x1 = wp::min(low(bx + 1), n - 1);
    const int y0 = wp::max(low(by), 0), y1 = wp::min(low(by + 1), n - 1);
    const int first = wp::max(low(b0), 0), length = (wp::min(low(end), n - 1) - first + 1) * EACH;
    auto shell = [&](int b) { return b == 0 || b == blocks - 1 ? 0.5f : 1.0f; };
    const float fade = shell(bx) * shell(by);
    float most[(COLUMN * BLOCK + 1) * EACH];
    for (int i = 0; i < length; ++i) most[i] = -INFINITY;
    for (int x = x0; x <= x1; ++x)
        for (int y = y0; y <= y1; ++y) {
            const float* p = (const float*)grid.data + ((x * n + y) * n + first) * K;
            int i = 0;
#ifndef __CUDA_ARCH__
            for (; i + 8 <= length; i += 8) {  // by hand, because a compiler makes it slow masked stores
                Eight& largest = *(Eight*)(most + i);
                largest = __builtin_elementwise_max(largest, *(const Eight*)(p + i));
                __builtin_prefetch(p + i + n * n * K);
            }
#endif
            for (; i < length; ++i) most[i] = wp::max(most[i], p[i * (K / EACH)]);
        }
    for (int bz = b0; bz < end; ++bz) {
        float largest = -INFINITY;
        for (int z = wp::max(low(bz), 0); z <= wp::min(low(bz + 1), n - 1); ++z) {
            const float value = most[(z - first) * EACH];
            largest = value > largest ? value : largest;
        }
        const float faded = largest * fade * shell(bz);
        clear.data[(bx * blocks + by) * blocks + bz] = (faded > largest ? faded : largest) >= threshold ? 0 : FAR;
    }
"""
)

# take(first, count) for every run of the occupied blocks' numbers in column (bx, by), of the planes x_first .. x_last
# alone; a voxel on a border with another column is met by each. Where there are no blocks (fog), plane x_first + bx
# whole.
OCCUPIED = """
    if (blocks == 0) {
        take((x_first + bx) * n * n * K, n * n * K);
        return;
    }
    const int x0 = wp::max(low(bx), x_first), x1 = wp::min(low(bx + 1), x_last);
    const int y0 = wp::max(low(by), 0), y1 = wp::min(low(by + 1), n - 1);
    if (x0 > x1) return;
    const unsigned char* column = (const unsigned char*)clear.data + (bx * blocks + by) * blocks;
    for (int bz = 0; bz < blocks; ++bz) {
        if (column[bz] != 0) continue;
        const int z0 = wp::max(low(bz), 0);
        while (bz + 1 < blocks && column[bz + 1] == 0) ++bz;
        const int z1 = wp::min(low(bz + 1), n - 1);
        for (int x = x0; x <= x1; ++x)
            for (int y = y0; y <= y1; ++y) take(((x * n + y) * n + z0) * K, (z1 - z0 + 1) * K);
    }
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

# The distance (Chebyshev, below FAR) along one axis more, for `count` blocks of one line, plane or volume along that
# axis:
# `stride` blocks apart lie neighbours on it.
SPREAD = """
    const int side = before.shape[0], group = side * stride, last = first + count;
    const int from = first / group * group, to = from + group;
    const unsigned char* known = (const unsigned char*)before.data;
    unsigned char* clear = (unsigned char*)after.data;
    if (stride == 1 && count == side) {  // along z, where all is 0 or FAR yet: lines are too short for vectors
        int distance = FAR;
        auto pass = [&](int i, unsigned char there) {
            distance = wp::min(distance + 1, (int)there);
            clear[i] = (unsigned char)distance;
        };
        for (int i = first; i < last; ++i) pass(i, known[i]);
        for (int i = last - 1; i >= first; --i) pass(i, clear[i]);
        return;
    }
    for (int i = first; i < last; ++i) clear[i] = known[i];
    for (int away = 1; away < FAR; ++away) {
        const int shift = away * stride;
        auto nearer = [&](int begin, int end, int shift) {
            for (int i = begin; i < end; ++i) {
                const unsigned char there = known[i + shift], least = there < away ? (unsigned char)away : there;
                const unsigned char own = clear[i];
                clear[i] = least < own ? least : own;
            }
        };
        nearer(wp::max(first, from + shift), last, -shift);
        nearer(first, wp::min(last, to - shift), shift);
    }
"""


def source(text: str, channels: int, activation: str, sign: int = 1) -> str:
    """`text` with its constants written in."""
    k = 1 + channels
    lanes = 1 << (2 * k).bit_length() - 1  # the largest power of two in a column
    width = 1 << (k - 1).bit_length()  # the smallest that a voxel fits in
    lists = {
        "FIRST": range(width),
        "SECOND": [min(lanes - k + c, lanes - 1) for c in range(width)],
        "BOTH": [c if c < k else width + c - k for c in range(lanes)],
    }
    constants = {
        "K": k,
        "LANES": lanes,
        "WIDTH": width,
        "ACTIVATION": COLOR_ACTIVATIONS.index(activation),
        "BLOCK": BLOCK,
        "CHUNK": CHUNK,
        "BUNDLE": BUNDLE,
        "COLUMN": COLUMN,
        "FAR": REACH,
        "SIGN": sign,
    }
    for name, value in constants.items():
        text = re.sub(rf"\b{name}\b", f"({value})", text)
    for name, values in lists.items():
        text = re.sub(rf"\b{name}\b", ", ".join(map(str, values)), text)
    return text

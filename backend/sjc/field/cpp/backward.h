// The gradients of a picture, on the walk back.
//
// With L the loss and optical_k = sigma_k step: dw_k/d(optical_k) = T_k (1 - alpha_k), and -w_j for every j behind k.

#include "math.h"
#include "lanes.h"
float* out = (float*)g_grid.data;
#include "walk.h"

struct Pull {
    float tau, behind, opacity, depth, emptiness, sum_scale;
    Voxel color;
};
Pull pulls[RAYS];
for (int i = 0; i < members; ++i) {
    const int r = order.data[first + i];
    aim(bundle[i], r, ends.data[r] - 1, -1);
    pulls[i] = {taus.data[r], 0.0f, g_opacity.data[r], g_depth.data[r], g_emptiness.data[r] * beta};
    for (int c = 1; c < K; ++c) pulls[i].color[c] = g_color.data[r * (K - 1) + c - 1];
}
auto scatter = [&](const Chunk& chunk, int m, Voxel g) {
#if BY_WARPS
    for (int c = 0; c < K; ++c) values[lane * STRIDE + c] = g[c];
#else
    const auto& xy = chunk.xy;
    const float z0 = chunk.z0[m], z1 = chunk.z1[m];
    const int offset[4] = {0, row, slab, slab + row};
    float* p = out + chunk.base[m];
    const Voxel lower = z0 * g, upper = z1 * g;
    const Lanes start = __builtin_shufflevector(lower, upper, BOTH);
    for (int q = 0; q < 4; ++q) {
        *(Lanes*)(p + offset[q]) += xy[q][m] * start;
        for (int c = LANES; c < 2 * K; ++c) p[offset[q] + c] += xy[q][m] * upper[c - K];
    }
#endif
};
#if BY_WARPS
// Adds what the lanes left in `values` to the gradient. Neighbouring samples in one cell are summed up first. Then
// lanes side by side take numbers side by side: two neighbours along z are 2K floats in a row, which leave as two or
// three sectors of memory for each of the four columns; four floats by one lane where voxels are aligned and the card
// adds so many at once.
#if EMULATED || __CUDA_ARCH__ >= 900
const int U = K % 4 == 0 && ORDERED == 0 ? 4 : 1;
#else
const int U = 1;
#endif
auto add = [&](float* p, const float* x) {
#ifdef __CUDA_ARCH__
#if ORDERED  // whole multiples of a unit: their sum does not depend on their order
    const long long multiples = __double2ll_rn((double)x[0] / unit.data[0]);
    if (multiples != 0) atomicAdd((unsigned long long*)ordered.data + (p - out), (unsigned long long)multiples);
#elif __CUDA_ARCH__ >= 900
    if (U == 4) {
        if (x[0] != 0.0f || x[1] != 0.0f || x[2] != 0.0f || x[3] != 0.0f)
            asm volatile("red.relaxed.gpu.global.add.v4.f32 [%0], {%1, %2, %3, %4};"
                         :: "l"(__cvta_generic_to_global(p)), "f"(x[0]), "f"(x[1]), "f"(x[2]), "f"(x[3]) : "memory");
    } else if (x[0] != 0.0f) {
        atomicAdd(p, x[0]);
    }
#else
    if (x[0] != 0.0f) atomicAdd(p, x[0]);
#endif
#elif ORDERED
    ordered.data[p - out] += (long long)__builtin_rint((double)x[0] / unit.data[0]);
#else
    for (int u = 0; u < U; ++u) p[u] += x[u];
#endif
};
auto add_up = [&](const Chunk& chunk) {
    SHARED int all_starts[WARPS][33];
    int* starts = all_starts[warp];  // of the cells: their first lanes, and the end
    const int cell = chunk.base[0], cell_before = from(cell, lane == 0 ? 0 : lane - 1);
    const bool first = lane < chunk.count && (lane == 0 || cell != cell_before);
    const unsigned firsts = ballot(first);
    const int cells = ones(firsts), pieces = 2 * K / U;
    if (first) starts[ones(firsts & ((1u << lane) - 1))] = lane;
    if (lane == 0) starts[cells] = chunk.count;
    sync();
    for (int i = lane; i < cells * pieces; i += 32) {
        const int one = i / pieces, number = i % pieces * U, upper = number >= K ? 1 : 0;
        const float* z = weights + (4 + upper) * 32;
        float sum[4][U] = {};
        for (int m = starts[one]; m < starts[one + 1]; ++m)
            for (int u = 0; u < U; ++u) {
                const float g = z[m] * values[m * STRIDE + number - upper * K + u];
                for (int q = 0; q < 4; ++q) sum[q][u] += weights[q * 32 + m] * g;
            }
        float* p = out + bases[starts[one]] + number;
        for (int q = 0; q < 4; ++q) add(p + (q & 1) * row + (q >> 1) * slab, sum[q]);
    }
    sync();  // before the next chunk overwrites what was read here
};
#endif
walk([&](int one, const Chunk& chunk) {
    Pull& pull = pulls[one];
    load(chunk);
    const int count = chunk.count, whole = BY_WARPS ? 1 : chunk.whole;
    float T[S], w[S], visible[S], dot[S], own[S], behind[S];
    for (int m = 0; m < whole; ++m) T[m] = -optical[m];
    scan(T, count, pull.tau, 0.0f, plus);
    for (int m = 0; m < whole; ++m) T[m] = wp::max(T[m] - optical[m], 0.0f);
    beyond(count, whole, [&](int m) { T[m] = 0.0f; });
    for (int m = 0; m < whole; ++m) {
        T[m] = exp_negative(-T[m]);
        w[m] = alpha[m] * T[m];
        visible[m] = w[m] > weight_threshold ? w[m] : 0.0f;
    }
    for (int m = 0; m < whole; ++m) {
        dot[m] = 0.0f;
        for (int c = 1; c < K; ++c) dot[m] += pull.color[c] * voxel[m][c];
    }
    for (int m = 0; m < whole; ++m) {
        float gw = pull.opacity + pull.depth * chunk.ts[m] + pull.emptiness / (1.0f + beta * w[m]);
        gw += visible[m] > 0.0f ? dot[m] : 0.0f;
        own[m] = T[m] * (1.0f - alpha[m]) * gw;
        behind[m] = w[m] * gw;
    }
    scan(behind, count, pull.behind, 0.0f, plus);
    for (int m = 0; m < whole; ++m) own[m] = scale * step * slope[m] * (own[m] - behind[m]);
    each(0, count, [&](int m, int) {
        pull.sum_scale += own[m] * raw[m];
        Voxel g = pull.color * visible[m];
        if (ACTIVATION == 1) g = g * 0.5f - g * voxel[m] * voxel[m] * 0.5f;
        if (ACTIVATION == 2) g = g * voxel[m] - g * voxel[m] * voxel[m];
        g[0] = own[m];
        scatter(chunk, m, g);
    });
#if BY_WARPS
    add_up(chunk);
#endif
});
for (int i = 0; i < members; ++i) {
    const float sum = together(pulls[i].sum_scale);
    if (lane == 0) g_scale.data[bundle[i].r] = sum;
}

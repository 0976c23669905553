// The gradients of a picture, on the walk back.
//
// With L the loss and optical_k = sigma_k step: dw_k/d(optical_k) = T_k (1 - alpha_k), and -w_j for every j behind k.

#include "math.h"
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
    const auto& xy = chunk.xy;
    const float z0 = chunk.z0[m], z1 = chunk.z1[m];
    const int offset[4] = {0, row, slab, slab + row};
    float* p = out + chunk.base[m];
#ifdef __CUDA_ARCH__
    for (int q = 0; q < 4; ++q)
        for (int c = 0; c < K; ++c) {
            wp::atomic_add(p + offset[q] + c, xy[q][m] * z0 * g[c]);
            wp::atomic_add(p + offset[q] + K + c, xy[q][m] * z1 * g[c]);
        }
#else
    const Voxel lower = z0 * g, upper = z1 * g;
    const Lanes start = __builtin_shufflevector(lower, upper, BOTH);
    for (int q = 0; q < 4; ++q) {
        *(Lanes*)(p + offset[q]) += xy[q][m] * start;
        for (int c = LANES; c < 2 * K; ++c) p[offset[q] + c] += xy[q][m] * upper[c - K];
    }
#endif
};
walk([&](int one, const Chunk& chunk) {
    Pull& pull = pulls[one];
    load(chunk);
    const int count = chunk.count, whole = chunk.whole;
    float T[S], w[S], visible[S], dot[S], own[S], behind[S];
    float tau = pull.tau;
    for (int m = 0; m < count; ++m) {
        tau = wp::max(tau - optical[m], 0.0f);
        T[m] = tau;
    }
    pull.tau = tau;
    for (int m = count; m < whole; ++m) T[m] = 0.0f;
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
    float sum = pull.behind;
    for (int m = 0; m < count; ++m) {
        const float before = sum;
        sum += behind[m];
        behind[m] = before;
    }
    pull.behind = sum;
    for (int m = 0; m < whole; ++m) own[m] = scale * step * slope[m] * (own[m] - behind[m]);
    for (int m = 0; m < count; ++m) {
        pull.sum_scale += own[m] * raw[m];
        Voxel g = pull.color * visible[m];
        if (ACTIVATION == 1) g = g * 0.5f - g * voxel[m] * voxel[m] * 0.5f;
        if (ACTIVATION == 2) g = g * voxel[m] - g * voxel[m] * voxel[m];
        g[0] = own[m];
        scatter(chunk, m, g);
    }
});
for (int i = 0; i < members; ++i) g_scale.data[bundle[i].r] = pulls[i].sum_scale;

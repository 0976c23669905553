// A picture: what is summed up on the walk forward.

#include "math.h"
#include "lanes.h"
float* out = nullptr;  // nothing is scattered
#include "walk.h"

struct Sums {
    float tau, T, log_sum;
    int end;
    float w[L], wt[L], product[L];
    Voxel color;
};
Sums sums[RAYS];
for (int i = 0; i < members; ++i) {
    const int r = order.data[first + i];
    aim(bundle[i], r, 0, counts.data[r]);
    sums[i] = {0.0f, 1.0f};
    for (int l = 0; l < L; ++l) sums[i].product[l] = 1.0f;
}
walk([&](int one, const Chunk& chunk) {
    Sums& sum = sums[one];
    if (sum.tau > tau_stop) return;
    load(chunk);
    const int count = chunk.count, whole = BY_WARPS ? 1 : chunk.whole;
    float w[S], before[S], tau = sum.tau;
    for (int m = 0; m < whole; ++m) {
        w[m] = 1.0f - alpha[m];
        before[m] = optical[m];
    }
    scan(w, count, sum.T, 1.0f, times);
    scan(before, count, tau, 0.0f, plus);
    const int used = vote(count, [&](int m) { return before[m] <= tau_stop; });
    if (used < count) tau = pick(before, used);
    sum.tau = tau;
    sum.end = pick(chunk.ks, used - 1) + 1;
    if (tau > tau_stop) bundle[one].last = 0;
    beyond(used, whole, [&](int m) { w[m] = 0.0f; });
    float peak = 0.0f;
    for (int m = 0; m < whole; m += L)
        for (int l = 0; l < L; ++l) {
            w[m + l] *= alpha[m + l];
            sum.w[l] += w[m + l];
            sum.wt[l] += w[m + l] * chunk.ts[m + l];
            sum.product[l] *= 1.0f + beta * w[m + l];
        }
    for (int l = 0; l < L; ++l) peak = wp::max(peak, sum.product[l]);
    if (peak > 1e15f)  // one logarithm for many samples
        for (int l = 0; l < L; ++l) {
            sum.log_sum += ::logf(sum.product[l]);
            sum.product[l] = 1.0f;
        }
    Voxel color = sum.color;
    each(0, used, [&](int m, int) { color += voxel[m] * (w[m] > weight_threshold ? w[m] : 0.0f); });
    sum.color = color;
});
for (int i = 0; i < members; ++i) {
    const int r = bundle[i].r;
    const Sums& sum = sums[i];
    float w = 0.0f, wt = 0.0f, log_sum = sum.log_sum;
    for (int l = 0; l < L; ++l) {
        w += sum.w[l];
        wt += sum.wt[l];
        log_sum += ::logf(sum.product[l]);
    }
    w = together(w);
    wt = together(wt);
    log_sum = together(log_sum);
    for (int c = 1; c < K; ++c) {
        const float x = together(sum.color[c]);
        if (lane == 0) color.data[r * (K - 1) + c - 1] = x;
    }
    if (lane > 0) continue;
    opacity.data[r] = w;
    depth.data[r] = wt;
    emptiness.data[r] = log_sum;
    ends.data[r] = sum.end;
    taus.data[r] = sum.tau;
}

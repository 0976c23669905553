// A picture: what is summed up on the walk forward.

#include "math.h"
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
    const int count = chunk.count, whole = chunk.whole;
    float w[S], T = sum.T, tau = sum.tau;
    int used = 0;
    for (; used < count && tau <= tau_stop; ++used) {
        w[used] = T;
        T *= 1.0f - alpha[used];
        tau += optical[used];
    }
    sum.T = T;
    sum.tau = tau;
    sum.end = chunk.ks[used - 1] + 1;
    if (tau > tau_stop) bundle[one].last = 0;
    for (int m = used; m < whole; ++m) w[m] = 0.0f;
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
    for (int m = 0; m < used; ++m) color += voxel[m] * (w[m] > weight_threshold ? w[m] : 0.0f);
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
    for (int c = 1; c < K; ++c) color.data[r * (K - 1) + c - 1] = sum.color[c];
    opacity.data[r] = w;
    depth.data[r] = wt;
    emptiness.data[r] = log_sum;
    ends.data[r] = sum.end;
    taus.data[r] = sum.tau;
}

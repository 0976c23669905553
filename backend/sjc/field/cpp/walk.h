// The walk along rays, in either direction: where their samples lie, what the field is there.
//
// On a CPU a bundle of neighbouring rays advances together, a chunk of samples of each in turn: they pass the same
// voxels, which are then in a near cache still, and while one chunk is worked on the next one's voxels come from memory
// (measured: a third of the time in fog). Within a chunk everything that does not depend on the sample before is a
// plain loop over short arrays, which a compiler turns into vector instructions; across channels there are vectors by
// hand, because it did not. On CUDA a warp has one ray (lanes.h), and its lanes share the
// loads: lanes side by side read numbers side by side.
//
// A ray in index coordinates (voxel centres at integers), and a chunk of it: which samples, where, what they see. SIGN
// is +1 on the way forward, -1 on the way back.

#if BY_WARPS
const int RAYS = 1;
const int STRIDE = K | 1;  // of a voxel in shared memory: odd, so that lanes meet in no bank
const int V = K % 4 == 0 ? 4 : 1;  // floats loaded at once: where all voxels are aligned, four
SHARED float all_values[WARPS][32 * STRIDE], all_weights[WARPS][6 * 32];
SHARED int all_bases[WARPS][32];
float *values = all_values[warp], *weights = all_weights[warp];
int* bases = all_bases[warp];
struct Voxel {
    float v[K];
    float& operator[](int c) { return v[c]; }
    const float& operator[](int c) const { return v[c]; }
    Voxel operator*(float x) const {
        Voxel y;
        for (int c = 0; c < K; ++c) y[c] = v[c] * x;
        return y;
    }
    Voxel operator*(const Voxel& x) const {
        Voxel y;
        for (int c = 0; c < K; ++c) y[c] = v[c] * x[c];
        return y;
    }
    Voxel operator-(const Voxel& x) const {
        Voxel y;
        for (int c = 0; c < K; ++c) y[c] = v[c] - x[c];
        return y;
    }
    void operator+=(const Voxel& x) {
        for (int c = 0; c < K; ++c) v[c] += x[c];
    }
};
#else
// A column of two z-neighbours is 2K floats in a row: its first LANES and its last, which overlap.
const int RAYS = BUNDLE;
typedef float Lanes __attribute__((ext_vector_type(LANES), aligned(4)));
typedef float Voxel __attribute__((ext_vector_type(WIDTH)));
#endif
const float* data = (const float*)grid.data;
const int n = grid.shape[0];
const float half_n = 0.5f * n;
const float scale = ::expf(log_scale.data[0]);
const int row = n * K, slab = n * n * K;
struct Axis {
    float at, along;  // position at t = 0 and its change by t
};
struct Ray {
    int r, k, last, until, left;  // until: the run's end; left: numbers in the list from `run` on
    const int* run;
    float t0;
    Axis x, y, z;
};
auto aim = [&](Ray& ray, int r, int first, int last) {
    auto axis = [&](int c) {
        return Axis{(origins.data[3 * r + c] + 1.0f) * half_n - 0.5f, directions.data[3 * r + c] * half_n};
    };
    const int* list = runs.data + r * width;
    const int left = width == 0 ? 0 : list[0];  // no lists: all is one run
    ray = {r, first, last, width == 0 ? last : first, left, list + (SIGN > 0 ? 1 : left - 1),
           t_min.data[r], axis(0), axis(1), axis(2)};
};
struct Chunk {
    int count, whole;  // samples, and this thread's lanes of them in whole vectors; what the rest holds is ignored
    int ks[S], base[S];  // base: first of the eight corners; always inside, the weights of corners outside are 0
    float ts[S], xy[4][S], z0[S], z1[S];
};
// The next samples in occupied blocks, at most CHUNK, and their corners; the ray's k moves behind them.
auto collect = [&](Ray& ray, Chunk& chunk) {
    int* ks = chunk.ks;
    int count = 0, newest = ray.k;
    while (count < CHUNK && SIGN * ray.k < SIGN * ray.last) {
        if (SIGN * ray.k >= SIGN * ray.until) {
            if (ray.left == 0) {
                ray.k = ray.last;
                break;
            }
            ray.k = SIGN > 0 ? ray.run[0] : wp::min(ray.k, ray.run[1] - 1);
            ray.until = SIGN > 0 ? ray.run[1] : ray.run[0] - 1;
            ray.run += 2 * SIGN;
            ray.left -= 2;
            continue;
        }
        const int run = wp::min(CHUNK - count, wp::min(SIGN * (ray.until - ray.k), SIGN * (ray.last - ray.k)));
        each(count, count + run, [&](int own, int m) { ks[own] = ray.k + SIGN * (m - count); });
        count += run;
        ray.k += SIGN * run;
        newest = ray.k - SIGN;
    }
    chunk.count = count;
    const int whole = chunk.whole = BY_WARPS ? 1 : (count + L - 1) / L * L;
    beyond(count, whole, [&](int own) { ks[own] = newest; });
    // The two corners' weights along an axis; in the outer half voxel the one that is there fades.
    auto corners = [&](float u, float& w0, float& w1) {
        const int i = wp::min((int)(u < 0.0f ? 0.0f : u), n - 2);
        const float f = u - (float)i, d0 = 1.0f - (f < 0.0f ? -f : f), d1 = 1.0f - (f < 1.0f ? 1.0f - f : f - 1.0f);
        w0 = d0 < 0.0f ? 0.0f : d0;
        w1 = d1 < 0.0f ? 0.0f : d1;
        return i;
    };
    for (int m = 0; m < whole; ++m) {
        const float t = ray.t0 + ks[m] * step;
        float x0, x1, y0, y1;
        const int i = corners(ray.x.at + t * ray.x.along, x0, x1), j = corners(ray.y.at + t * ray.y.along, y0, y1);
        const int l = corners(ray.z.at + t * ray.z.along, chunk.z0[m], chunk.z1[m]);
        chunk.base[m] = ((i * n + j) * n + l) * K;
        chunk.ts[m] = t;
        chunk.xy[0][m] = x0 * y0;
        chunk.xy[1][m] = x0 * y1;
        chunk.xy[2][m] = x1 * y0;
        chunk.xy[3][m] = x1 * y1;
    }
#if !BY_WARPS
    for (int m = 0; m < count; ++m)
        for (int q = 0; q < 4; ++q) {
            const int first = chunk.base[m] + (q & 1) * row + (q >> 1) * slab;
            __builtin_prefetch(data + first);
            __builtin_prefetch(data + first + 2 * K - 1);
            if (SIGN < 0) {
                __builtin_prefetch(out + first, 1);
                __builtin_prefetch(out + first + 2 * K - 1, 1);
            }
        }
#endif
    return count > 0;
};

float raw[S], optical[S], slope[S], alpha[S];
Voxel voxel[S] = {};
auto load = [&](const Chunk& chunk) {
    const int count = chunk.count, whole = BY_WARPS ? 1 : chunk.whole;
#if BY_WARPS
    for (int q = 0; q < 4; ++q) weights[q * 32 + lane] = chunk.xy[q][0];
    weights[4 * 32 + lane] = chunk.z0[0];
    weights[5 * 32 + lane] = chunk.z1[0];
    bases[lane] = chunk.base[0];
    sync();
    for (int i = lane; i < count * (K / V); i += 32) {
        const int m = i / (K / V), c = i % (K / V) * V;
        const float* p = data + bases[m] + c;
        float sum[V] = {};
        for (int q = 0; q < 8; ++q) {
            const float w = weights[(q & 3) * 32 + m] * weights[(4 + (q >> 2)) * 32 + m];
            const float* corner = p + (q & 1) * row + (q >> 1 & 1) * slab + (q >> 2) * K;
#ifdef __CUDA_ARCH__
            if (V == 4) {
                const float4 x = __ldg((const float4*)corner);
                const float four[4] = {x.x, x.y, x.z, x.w};
                for (int v = 0; v < V; ++v) sum[v] += w * four[v];
            } else {
                sum[0] += w * __ldg(corner);
            }
#else
            for (int v = 0; v < V; ++v) sum[v] += w * corner[v];
#endif
        }
        for (int v = 0; v < V; ++v) values[m * STRIDE + c + v] = sum[v];
    }
    sync();
    each(0, count, [&](int, int m) {
        for (int c = 0; c < K; ++c) voxel[0][c] = values[m * STRIDE + c];
    });
#else
    const int* base = chunk.base;
    const auto& xy = chunk.xy;
    const float *z0 = chunk.z0, *z1 = chunk.z1;
    for (int m = 0; m < count; ++m) {
        const float* p = data + base[m];
        auto column = [&](const float* p) {
            return xy[0][m] * *(const Lanes*)p + xy[1][m] * *(const Lanes*)(p + row)
                + xy[2][m] * *(const Lanes*)(p + slab) + xy[3][m] * *(const Lanes*)(p + slab + row);
        };
        const Lanes start = column(p), end = column(p + 2 * K - LANES);
        voxel[m] = z0[m] * __builtin_shufflevector(start, start, FIRST)
            + z1[m] * __builtin_shufflevector(end, end, SECOND);
    }
#endif
    for (int m = 0; m < whole; ++m) raw[m] = voxel[m][0];
    for (int m = 0; m < whole; ++m) {
        optical[m] = softplus(scale * raw[m] + shift, slope[m]) * step;
        alpha[m] = absorb(optical[m]);
    }
    if (ACTIVATION != 0) {
        float* flat = (float*)voxel;
        const int numbers = whole * (int)(sizeof(Voxel) / sizeof(float));
        IN_REGISTERS
        for (int i = 0; i < numbers; ++i) flat[i] = activate(flat[i]);
    }
};

// A chunk of every ray of the bundle in turn, until all are at their ends. On a CPU the next chunk's voxels are
// asked for (by collect) before the work on this one; so there may be one more after a ray is told to end.
Ray bundle[RAYS];
const int first = RAYS * (index / THREADS), members = wp::min(RAYS, order.shape[0] - first);
auto walk = [&](auto&& work) {
#if BY_WARPS
    Chunk chunk;
    while (collect(bundle[0], chunk)) work(0, chunk);
#else
    int going[RAYS], count = members, at = 0;
    for (int i = 0; i < count; ++i) going[i] = i;
    auto next = [&](Chunk& chunk) {
        while (count > 0) {
            at = at < count ? at : 0;
            const int one = going[at];
            if (collect(bundle[one], chunk)) {
                ++at;
                return one;
            }
            going[at] = going[--count];
        }
        return -1;
    };
    Chunk chunks[2];
    int side = 0, one = next(chunks[0]);
    while (one >= 0) {
        const int after = next(chunks[1 - side]);
        work(one, chunks[side]);
        one = after;
        side = 1 - side;
    }
#endif
};

// The walk along rays, in either direction: where their samples lie, what the field is there.
//
// On a CPU a bundle of neighbouring rays advances together, a chunk of samples of each in turn: they pass the same
// voxels, which are then in a near cache still, and while one chunk is worked on the next one's voxels come from memory
// (measured: a third of the time in fog). Within a chunk everything that does not depend on the sample before is a
// plain loop over short arrays, which a compiler turns into vector instructions; across channels there are vectors by
// hand, because it did not. On a GPU a thread has one ray, a chunk is one sample and the same text is an ordinary
// scalar kernel.
//
// A ray in index coordinates (voxel centres at integers), and a chunk of it: which samples, where, what they see. SIGN
// is +1 on the way forward, -1 on the way back.

#ifdef __CUDA_ARCH__
const int S = 1, RAYS = 1, L = 1;
struct Voxel {
    float v[WIDTH];
    float& operator[](int c) { return v[c]; }
    const float& operator[](int c) const { return v[c]; }
    Voxel operator*(float x) const {
        Voxel y;
        for (int c = 0; c < WIDTH; ++c) y[c] = v[c] * x;
        return y;
    }
    Voxel operator*(const Voxel& x) const {
        Voxel y;
        for (int c = 0; c < WIDTH; ++c) y[c] = v[c] * x[c];
        return y;
    }
    Voxel operator-(const Voxel& x) const {
        Voxel y;
        for (int c = 0; c < WIDTH; ++c) y[c] = v[c] - x[c];
        return y;
    }
    void operator+=(const Voxel& x) {
        for (int c = 0; c < WIDTH; ++c) v[c] += x[c];
    }
};
#else
// L: samples in a vector. A column of two z-neighbours is 2K floats in a row: its first LANES and its last, which
// overlap.
const int S = CHUNK, RAYS = BUNDLE, L = 8;
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
    int count, whole;  // samples, and as many rounded up to whole vectors; what the rest holds does not matter
    int ks[S], base[S];  // base: first of the eight corners; always inside, the weights of corners outside are 0
    float ts[S], xy[4][S], z0[S], z1[S];
};
// The next samples in occupied blocks, at most S, and their corners; the ray's k moves behind them.
auto collect = [&](Ray& ray, Chunk& chunk) {
    int* ks = chunk.ks;
    int count = 0;
    while (count < S && SIGN * ray.k < SIGN * ray.last) {
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
        const int run = wp::min(S - count, wp::min(SIGN * (ray.until - ray.k), SIGN * (ray.last - ray.k)));
        for (int m = 0; m < run; ++m) ks[count + m] = ray.k + SIGN * m;
        count += run;
        ray.k += SIGN * run;
    }
    chunk.count = count;
    const int whole = chunk.whole = (count + L - 1) / L * L;
    for (int m = count; m < whole; ++m) ks[m] = ks[count - 1];
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
#ifndef __CUDA_ARCH__
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
    const int count = chunk.count, whole = chunk.whole, *base = chunk.base;
    const auto& xy = chunk.xy;
    const float *z0 = chunk.z0, *z1 = chunk.z1;
    for (int m = 0; m < count; ++m) {
        const float* p = data + base[m];
#ifdef __CUDA_ARCH__
        auto column = [&](const float* p) {
            return xy[0][m] * p[0] + xy[1][m] * p[row] + xy[2][m] * p[slab] + xy[3][m] * p[slab + row];
        };
        for (int c = 0; c < K; ++c) voxel[m][c] = z0[m] * column(p + c) + z1[m] * column(p + K + c);
#else
        auto column = [&](const float* p) {
            return xy[0][m] * *(const Lanes*)p + xy[1][m] * *(const Lanes*)(p + row)
                + xy[2][m] * *(const Lanes*)(p + slab) + xy[3][m] * *(const Lanes*)(p + slab + row);
        };
        const Lanes start = column(p), end = column(p + 2 * K - LANES);
        voxel[m] = z0[m] * __builtin_shufflevector(start, start, FIRST)
            + z1[m] * __builtin_shufflevector(end, end, SECOND);
#endif
    }
    for (int m = 0; m < whole; ++m) raw[m] = voxel[m][0];
    for (int m = 0; m < whole; ++m) {
        optical[m] = softplus(scale * raw[m] + shift, slope[m]) * step;
        alpha[m] = absorb(optical[m]);
    }
    if (ACTIVATION != 0) {
        float* flat = (float*)voxel;
        for (int i = 0; i < whole * WIDTH; ++i) flat[i] = activate(flat[i]);
    }
};

// A chunk of every ray of the bundle in turn, until all are at their ends. On a CPU the next chunk's voxels are
// asked for (by collect) before the work on this one; so there may be one more after a ray is told to end.
Ray bundle[RAYS];
const int first = RAYS * index, members = wp::min(RAYS, order.shape[0] - first);
auto walk = [&](auto&& work) {
#ifdef __CUDA_ARCH__
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

// `count` blocks along z, at most COLUMN. The largest of a block's rows is looked for number by number, channels and
// all (a CPU reads whole cache lines anyway, and density alone would be a gather), then of the densities along z. In
// the half voxel outside the outermost voxels they fade, to a half at the box's face: a density v below zero is v/2
// there at the largest. On CUDA a warp looks at one block, each lane at rows of its own, and at nothing but density.

#include "blocks.h"
#include "lanes.h"
const float threshold = scaled / ::expf(log_scale.data[0]);
const int x0 = wp::max(low(bx), 0), x1 = wp::min(low(bx + 1), n - 1);
const int y0 = wp::max(low(by), 0), y1 = wp::min(low(by + 1), n - 1);
auto shell = [&](int b) { return b == 0 || b == blocks - 1 ? 0.5f : 1.0f; };
const float fade = shell(bx) * shell(by);
auto settle = [&](int bz, float largest) {
    const float faded = largest * fade * shell(bz);
    clear.data[(bx * blocks + by) * blocks + bz] = (faded > largest ? faded : largest) >= threshold ? 0 : FAR;
};
#if BY_WARPS
const int bz = b0 / THREADS, rows = y1 - y0 + 1;
const int z0 = wp::max(low(bz), 0), z1 = wp::min(low(bz + 1), n - 1);
float largest = -INFINITY;
for (int i = lane; i < (x1 - x0 + 1) * rows; i += THREADS) {
    const float* p = (const float*)grid.data + ((x0 + i / rows) * n + y0 + i % rows) * n * K;
    for (int z = z0; z <= z1; ++z) largest = wp::max(largest, p[z * K]);
}
for (int away = 16; away > 0; away /= 2) largest = wp::max(largest, from(largest, lane ^ away));
if (lane == 0) settle(bz, largest);
#else
typedef float Eight __attribute__((ext_vector_type(8), aligned(4)));
const int end = wp::min(b0 + (count < COLUMN ? count : COLUMN), blocks);
const int first = wp::max(low(b0), 0), length = (wp::min(low(end), n - 1) - first + 1) * K;
float peaks[(COLUMN * BLOCK + 1) * K];
for (int i = 0; i < length; ++i) peaks[i] = -INFINITY;
for (int x = x0; x <= x1; ++x)
    for (int y = y0; y <= y1; ++y) {
        const float* p = (const float*)grid.data + ((x * n + y) * n + first) * K;
        int i = 0;
        for (; i + 8 <= length; i += 8) {  // by hand, because a compiler makes it slow masked stores
            Eight& largest = *(Eight*)(peaks + i);
            largest = __builtin_elementwise_max(largest, *(const Eight*)(p + i));
            __builtin_prefetch(p + i + n * n * K);
        }
        for (; i < length; ++i) peaks[i] = wp::max(peaks[i], p[i]);
    }
for (int bz = b0; bz < end; ++bz) {
    float largest = -INFINITY;
    for (int z = wp::max(low(bz), 0); z <= wp::min(low(bz + 1), n - 1); ++z) {
        const float value = peaks[(z - first) * K];
        largest = value > largest ? value : largest;
    }
    settle(bz, largest);
}
#endif

// `count` blocks along z, at most COLUMN. The largest of a block's rows is looked for number by number, channels and
// all (a CPU reads whole cache lines anyway, and density alone would be a gather), then of the densities along z. In
// the half voxel outside the outermost voxels they fade, to a half at the box's face: a density v below zero is v/2
// there at the largest.

#include "blocks.h"

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
float peaks[(COLUMN * BLOCK + 1) * EACH];
for (int i = 0; i < length; ++i) peaks[i] = -INFINITY;
for (int x = x0; x <= x1; ++x)
    for (int y = y0; y <= y1; ++y) {
        const float* p = (const float*)grid.data + ((x * n + y) * n + first) * K;
        int i = 0;
#ifndef __CUDA_ARCH__
        for (; i + 8 <= length; i += 8) {  // by hand, because a compiler makes it slow masked stores
            Eight& largest = *(Eight*)(peaks + i);
            largest = __builtin_elementwise_max(largest, *(const Eight*)(p + i));
            __builtin_prefetch(p + i + n * n * K);
        }
#endif
        for (; i < length; ++i) peaks[i] = wp::max(peaks[i], p[i * (K / EACH)]);
    }
for (int bz = b0; bz < end; ++bz) {
    float largest = -INFINITY;
    for (int z = wp::max(low(bz), 0); z <= wp::min(low(bz + 1), n - 1); ++z) {
        const float value = peaks[(z - first) * EACH];
        largest = value > largest ? value : largest;
    }
    const float faded = largest * fade * shell(bz);
    clear.data[(bx * blocks + by) * blocks + bz] = (faded > largest ? faded : largest) >= threshold ? 0 : FAR;
}

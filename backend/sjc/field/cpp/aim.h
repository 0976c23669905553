// Where each ray is sampled, as render_reference.lattice in the same operations, and the order of the rays: along
// a Z-order curve of where they pass the box's middle, so that neighbours pass the same voxels. (In rows of a picture
// they touch the whole width of the grid before they come back to the same voxels, which have left the cache by then.)
// On a CPU one thread sorts them by their code, in two passes of 12 bits. On CUDA a thread has a ray, and their order
// stays: all are on their way at once.

#include "lanes.h"
const int rays = t_min.shape[0];
auto spread = [](unsigned x) {  // 8 bits to every third place
    x = (x | x << 8) & 0x0F00F;
    x = (x | x << 4) & 0xC30C3;
    return (x | x << 2) & 0x249249;
};
auto aim_one = [&](int r) {
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
    return code;
};
#if BY_WARPS
aim_one(index);
order.data[index] = index;
#else
int *codes = scratch.data, *half_sorted = scratch.data + rays;
int starts[2][4097] = {};
for (int r = 0; r < rays; ++r) {
    const unsigned code = aim_one(r);
    codes[r] = code;
    ++starts[0][(code & 4095) + 1];
    ++starts[1][(code >> 12) + 1];
}
for (int i = 0; i < 4096; ++i)
    for (int pass = 0; pass < 2; ++pass) starts[pass][i + 1] += starts[pass][i];
for (int r = 0; r < rays; ++r) half_sorted[starts[0][codes[r] & 4095]++] = r;
for (int i = 0; i < rays; ++i) order.data[starts[1][codes[half_sorted[i]] >> 12]++] = half_sorted[i];
#endif

// Leaves a gradient zero.

#include "blocks.h"

auto take = [&](int first, int count) {
    float* to = (float*)grid.data + first;
    for (int i = 0; i < count; ++i) to[i] = 0.0f;
};
#include "occupied.h"

// Adds to one gradient what another thread gathered in `part`, and leaves `part` zero for the next time.

#include "blocks.h"

auto take = [&](int first, int count) {
    float *to = (float*)grid.data + first, *from = (float*)part.data + first;
    for (int i = 0; i < count; ++i) {
        to[i] += from[i];
        from[i] = 0.0f;
    }
};
#include "occupied.h"

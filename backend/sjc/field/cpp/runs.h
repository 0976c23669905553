// Where rays pass occupied blocks: listed once a picture, read by the walks in both directions (walk.h).
//
// From block to block each jump waits for the one before it (where am I, how far is it clear here, which sample lies
// behind that). So on a CPU all rays of a bundle jump together, in plain loops over the bundle that become vector
// instructions. On CUDA a warp looks at 32 samples of its ray at once, and jumps from the last of them.
//
// runs[r * width ..]: how many numbers follow, then for every run of samples in occupied blocks the first and the one
// behind the last. More than `width` holds are counted, but not kept; on a CPU `needed` has the largest count of this
// thread's rays.

#include "blocks.h"
#include "lanes.h"
const int RAYS = BY_WARPS ? 1 : BUNDLE;
const float half_n = 0.5f * n;
const float slack = 5e-4f / (half_n * step);  // in samples: jumps err on the side of looking twice
const int first = RAYS * (index / THREADS), members = wp::min(RAYS, order.shape[0] - first);
// Along each axis: the cell (from the shell's on, block_of) of sample 0, and its change from sample to sample; the
// sample that reaches position x is x * per + before, less a little.
float cell[3][RAYS], cells[3][RAYS], per[3][RAYS], before[3][RAYS];
int k[RAYS], last[RAYS], marks[RAYS], inside[RAYS], reach[RAYS], block[3][RAYS];
int* list[RAYS];
int longest = 0;
for (int i = 0; i < RAYS; ++i) {  // a bundle that is not full has its last ray several times
    const int r = order.data[first + wp::min(i, members - 1)];
    k[i] = lane;
    marks[i] = inside[i] = 0;
    last[i] = counts.data[r];
    longest = wp::max(longest, last[i]);
    list[i] = runs.data + r * width;
    for (int c = 0; c < 3; ++c) {
        const float at = (origins.data[3 * r + c] + 1.0f) * half_n - 0.5f;
        const float along = directions.data[3 * r + c] * half_n;
        const float start = at + t_min.data[r] * along;
        cell[c][i] = start + 1.0f;
        cells[c][i] = step * along;
        per[c][i] = 1.0f / (step * (along < 0.0f ? wp::min(along, -1e-20f) : wp::max(along, 1e-20f)));
        before[c][i] = -start * per[c][i] - slack;
    }
}
const unsigned char* known = (const unsigned char*)clear.data;
for (int going = longest; going > 0;) {
    for (int c = 0; c < 3; ++c)
        for (int i = 0; i < RAYS; ++i) block[c][i] = block_of((int)(cell[c][i] + k[i] * cells[c][i]));
    for (int i = 0; i < RAYS; ++i) reach[i] = known[(block[0][i] * blocks + block[1][i]) * blocks + block[2][i]];
#if BY_WARPS
    const unsigned matter = ballot(reach[0] == 0 && k[0] < last[0]), borders = matter ^ (matter << 1 | inside[0]);
    if (borders >> lane & 1) list[0][wp::min(1 + marks[0] + ones(borders & ((1u << lane) - 1)), width - 1)] = k[0];
    marks[0] += ones(borders);
    inside[0] = matter >> 31;
#else
    for (int i = 0; i < RAYS; ++i) {  // a number where matter begins or ends
        const int now = reach[i] == 0 && k[i] < last[i];
        list[i][wp::min(1 + marks[i], width - 1)] = k[i];
        marks[i] += now != inside[i];
        inside[i] = now;
    }
#endif
    going = 0;
    for (int i = 0; i < RAYS; ++i) {
        float nearest = 1e6f;
        for (int c = 0; c < 3; ++c) {  // where the ray leaves the cube of blocks nearer than `reach`
            const int b = block[c][i], far = wp::max(reach[i], 1);
            const float leaves = low(per[c][i] > 0.0f ? b + far : b - far + 1) * per[c][i] + before[c][i];
            nearest = leaves < nearest ? leaves : nearest;
        }
        const int next = wp::max(k[i] + 1, (int)nearest + 1), end = last[i];  // the first sample behind it
        going |= k[i] < end;
        k[i] = next < end ? next : end;
    }
#if BY_WARPS
    const int start = from(k[0], 31);
    going = start < last[0] || inside[0] ? 1 : 0;
    k[0] = start + lane;
#endif
}
int fullest = 0;
for (int i = 0; i < members; ++i) {
    if (lane == 0) list[i][0] = marks[i];
    fullest = wp::max(fullest, marks[i]);
}
#if !BY_WARPS
needed.data[part] = wp::max(needed.data[part], fullest);
#endif

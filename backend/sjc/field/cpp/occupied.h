// take(first, count) for every run of the occupied blocks' numbers in column (bx, by), of the planes x_first .. x_last
// alone; a voxel on a border with another column is met by each. Where there are no blocks (fog), plane x_first + bx
// whole.

if (blocks == 0) {
    take((x_first + bx) * n * n * K, n * n * K);
    return;
}
const int x0 = wp::max(low(bx), x_first), x1 = wp::min(low(bx + 1), x_last);
const int y0 = wp::max(low(by), 0), y1 = wp::min(low(by + 1), n - 1);
if (x0 > x1) return;
const unsigned char* column = (const unsigned char*)clear.data + (bx * blocks + by) * blocks;
for (int bz = 0; bz < blocks; ++bz) {
    if (column[bz] != 0) continue;
    const int z0 = wp::max(low(bz), 0);
    while (bz + 1 < blocks && column[bz + 1] == 0) ++bz;
    const int z1 = wp::min(low(bz + 1), n - 1);
    for (int x = x0; x <= x1; ++x)
        for (int y = y0; y <= y1; ++y) take(((x * n + y) * n + z0) * K, (z1 - z0 + 1) * K);
}

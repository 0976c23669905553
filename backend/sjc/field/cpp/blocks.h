// Cells lie between voxel centres: cell c of 0..n spans index coordinates [c-1, c). The two half-voxel shell cells have
// blocks of their own: towards the zero padding the field becomes fog again (softplus(shift)). Block b spans index
// coordinates [low(b), low(b+1)); beyond the ends any bound outside the box will do.

const int n = grid.shape[0], blocks = clear.shape[0];
auto block_of = [&](int c) { return c >= n ? blocks - 1 : (wp::max(c, 0) + BLOCK - 1) / BLOCK; };
auto low = [&](int b) { return b >= blocks ? n : wp::min((b - 1) * BLOCK, n - 1); };

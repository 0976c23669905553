// The distance (Chebyshev, below FAR) along one axis more, for `count` blocks of one line, plane or volume along that
// axis: `stride` blocks apart lie neighbours on it.

const int side = before.shape[0], group = side * stride, last = first + count;
const int from = first / group * group, to = from + group;
const unsigned char* known = (const unsigned char*)before.data;
unsigned char* clear = (unsigned char*)after.data;
if (stride == 1 && count == side) {  // along z, where all is 0 or FAR yet: lines are too short for vectors
    int distance = FAR;
    auto pass = [&](int i, unsigned char there) {
        distance = wp::min(distance + 1, (int)there);
        clear[i] = (unsigned char)distance;
    };
    for (int i = first; i < last; ++i) pass(i, known[i]);
    for (int i = last - 1; i >= first; --i) pass(i, clear[i]);
    return;
}
for (int i = first; i < last; ++i) clear[i] = known[i];
for (int away = 1; away < FAR; ++away) {
    const int shift = away * stride;
    auto nearer = [&](int begin, int end, int shift) {
        for (int i = begin; i < end; ++i) {
            const unsigned char there = known[i + shift], least = there < away ? (unsigned char)away : there;
            const unsigned char own = clear[i];
            clear[i] = least < own ? least : own;
        }
    };
    nearer(wp::max(first, from + shift), last, -shift);
    nearer(first, wp::min(last, to - shift), shift);
}

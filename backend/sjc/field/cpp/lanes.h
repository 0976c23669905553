// Who works on a chunk of CHUNK samples, and the few things that its lanes do together.
//
// On a CPU one thread has all lanes: S is CHUNK, and lane m is element m of short arrays. On CUDA a warp has them: S is
// 1, and lane m is the one element in the registers of its thread m. The same text serves both where it loops over the
// `whole` lanes of this thread, and calls these collectives where lanes depend on each other. Every thread of a warp
// must come to each of them.
//
// each(first, last, work): work(own, m) for lanes m of first .. last - 1; `own` is the place in this thread's arrays.
// beyond(first, whole, work): work(own) for the lanes from `first` on.
// scan(x, count, sum, neutral, join): x becomes all before it joined to `sum`, and `sum` all `count` joined to it.
// vote(count, test): how many of the first `count` lanes have test(own).
// pick(x, m): lane m's x.
// together(x): the sum of what each thread has.
//
// EMULATED: the text for a warp, run on a CPU by Warp's fibers, one for each thread; tests hold it to the reference.

#if defined(__CUDA_ARCH__) || EMULATED
#define BY_WARPS 1
#else
#define BY_WARPS 0
#endif
#ifdef __CUDA_ARCH__
#define IN_REGISTERS _Pragma("unroll")  // before a loop over an array that must not become memory
#else
#define IN_REGISTERS
#endif

#if BY_WARPS
const int THREADS = 32, S = 1, L = 1;  // of a ray, samples and partial sums of each
#ifdef __CUDA_ARCH__
#define SHARED __shared__
const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
auto sync = [] { __syncwarp(); };
auto from = [](auto x, int other) { return __shfl_sync(~0u, x, other); };
auto ballot = [](bool x) { return __ballot_sync(~0u, x); };
auto ones = [](unsigned x) { return __popc(x); };
#else
#define SHARED static
const int lane = wp_cpu_get_thread_idx(), warp = 0;
auto sync = [] { wp_cpu_tile_sync(); };
auto from = [&](auto x, int other) {
    static decltype(x) box[32];
    box[lane] = x;
    sync();
    const auto y = box[other];
    sync();
    return y;
};
auto ballot = [&](bool x) {
    unsigned bits = 0;
    for (int m = 0; m < 32; ++m) bits |= (unsigned)from(x, m) << m;
    return bits;
};
auto ones = [](unsigned x) { return __builtin_popcount(x); };
#endif
auto each = [&](int first, int last, auto&& work) {
    if (first <= lane && lane < last) work(0, lane);
};
auto beyond = [&](int first, int whole, auto&& work) {
    if (lane >= first) work(0);
};
auto scan = [&](float* x, int count, float& sum, float neutral, auto&& join) {
    float joined = lane < count ? x[0] : neutral;
    for (int away = 1; away < 32; away *= 2) {
        const float before = from(joined, lane < away ? 0 : lane - away);
        joined = lane < away ? joined : join(before, joined);
    }
    const float before = from(joined, lane == 0 ? 0 : lane - 1);
    x[0] = lane == 0 ? sum : join(sum, before);
    sum = join(sum, from(joined, 31));
};
auto vote = [&](int count, auto&& test) { return ones(ballot(lane < count && test(0))); };
auto pick = [&](const auto* x, int m) { return from(x[0], m); };
auto together = [&](float x) {
    for (int away = 16; away > 0; away /= 2) x += from(x, lane ^ away);
    return x;
};
#else
const int THREADS = 1, S = CHUNK, L = 8;  // L: samples in a vector
const int lane = 0;
auto each = [](int first, int last, auto&& work) {
    for (int m = first; m < last; ++m) work(m, m);
};
auto beyond = [](int first, int whole, auto&& work) {
    for (int m = first; m < whole; ++m) work(m);
};
auto scan = [](float* x, int count, float& sum, float, auto&& join) {
    float joined = sum;
    for (int m = 0; m < count; ++m) {
        const float before = joined;
        joined = join(joined, x[m]);
        x[m] = before;
    }
    sum = joined;
};
auto vote = [](int count, auto&& test) {
    int votes = 0;
    for (int m = 0; m < count; ++m) votes += test(m) ? 1 : 0;
    return votes;
};
auto pick = [](const auto* x, int m) { return x[m]; };
auto together = [](float x) { return x; };
#endif
auto plus = [](float a, float b) { return a + b; };
auto times = [](float a, float b) { return a * b; };

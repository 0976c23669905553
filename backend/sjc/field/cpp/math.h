// Small functions in float32, good to a few roundings, without calls or branches.

auto halved = [](float x, float& power) {  // for x <= 0: power 2^r and e^x / 2^r - 1
#ifdef __CUDA_ARCH__
    power = 1.0f;
    return ::expm1f(x);
#else
    x = x < -87.0f ? -87.0f : x;
    const float r = __builtin_floorf(x * 1.44269504f + 0.5f);
    const float f = x - r * 0.693359375f + r * 2.12194440e-4f;
    float p = 1.9875691500e-4f * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    const int bits = ((int)r + 127) << 23;
    __builtin_memcpy(&power, &bits, 4);
    return p * f * f + f;
#endif
};
auto exp_negative = [&](float x) {  // e^x for x <= 0
#ifdef __CUDA_ARCH__
    return ::expf(x);
#else
    float power;
    const float more = halved(x, power);
    return more * power + power;
#endif
};
auto absorb = [&](float optical) {  // 1 - e^-optical without cancellation
    float power;
    const float more = halved(-optical, power);
    return (1.0f - power) - more * power;
};
auto softplus = [&](float x, float& slope) {  // log(1 + e^x), by log1p(z) = 2 atanh(z / (2 + z)), z = e^-|x|
    const float z = exp_negative(x < 0.0f ? x : -x);
    const float s = z / (2.0f + z), q = s * s;
    float p = 0.0769230769f * q + 0.0909090909f;
    p = p * q + 0.1111111111f;
    p = p * q + 0.1428571429f;
    p = p * q + 0.2f;
    p = p * q + 0.3333333333f;
    p = p * q + 1.0f;
    slope = (x < 0.0f ? z : 1.0f) / (1.0f + z);
    return (x < 0.0f ? 0.0f : x) + 2.0f * s * p;
};
auto activate = [&](float raw) {
    if (ACTIVATION == 0) return raw;
    const float z = exp_negative(raw < 0.0f ? raw : -raw), size = (1.0f - z) / (1.0f + z);
    const float tanh_half = raw < 0.0f ? -size : size;
    return ACTIVATION == 1 ? tanh_half : 0.5f + 0.5f * tanh_half;
};

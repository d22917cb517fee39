/* Recursive least squares in Bierman's UD form, P = U diag(D) U'. `factor` is U above its diagonal, by columns, n(n-1)/2
   of Q24. `variances` is D, which reaches from 1e-9 to 1e6: 24 digits behind a leading one, and above them an exponent, so
   that they are in order as integers are: (2^24 + low 24 bits) * 2^((word >> 24) - 54).

   What is carried from column to column is the gain so far: it stays in range where Bierman's sums do not. */
#include "fixed_learner.h"

/* A column: what it does to the gain so far. alpha * 2^over is forgetting and the variance of what the features so far
   tell, Q31; alpha has 31 digits. */
struct midge_column {
    int32_t alpha, over;
    int32_t kept;   /* what the gain so far is multiplied by, Q31 */
    int32_t gained; /* what the column is multiplied by, Q20 */
};

/* alpha takes in `told` * 2^up. Returns what it was before, in its new unit. */
MIDGE_KERNEL int32_t midge_raise(struct midge_column *column, int32_t told, int32_t up) {
    const int32_t apart = up - column->over;
    uint32_t before = (uint32_t)column->alpha, term = (uint32_t)told;
    if (apart > 0) {
        before >>= midge_min(apart, 31);
        column->over = up;
    } else {
        term >>= midge_min(-apart, 31);
    }
    const int32_t digits = midge_digits(before + term);
    column->alpha = midge_filled(before + term, digits);
    column->over += digits - 31;
    return midge_filled(before, digits);
}

/* value * 2^up, rounded, at most MIDGE_LIMIT; 0 <= value < 2^31. */
MIDGE_KERNEL int32_t midge_raised(int32_t value, int32_t up) {
    if (up >= 0) {
        return value > MIDGE_LIMIT >> midge_min(up, 31) ? MIDGE_LIMIT : (int32_t)((uint32_t)value << midge_min(up, 31));
    }
    return up < -31 ? 0 : (int32_t)midge_min((int32_t)(((uint32_t)value + (1u << (-up - 1))) >> -up), MIDGE_LIMIT);
}

/* d * kept / forget, with its bounds; kept in Q31. */
MIDGE_KERNEL int32_t midge_variance(int32_t variance, int32_t kept, int32_t unforget) {
    const int32_t one = (int32_t)(midge_product((variance & 0xFFFFFF) | 0x1000000, kept) >> 25);
    const uint32_t other = (uint32_t)(midge_product(midge_max(one, 1), unforget) >> 30);
    const int32_t digits = midge_digits(other);
    const int32_t whole = (int32_t)(digits > 25 ? other >> (digits - 25) : other << (25 - digits));
    const int32_t word = ((variance >> 24) + digits - 32) * 0x1000000 + whole;
    return midge_max(midge_min(word, MIDGE_LARGEST_VARIANCE), 0);
}

/* The next column, whose variance is `variance` and whose feature, less what the others tell of it, is `seen`. */
MIDGE_PART void midge_next_column(struct midge_column *column, int32_t *variance, int32_t seen, int32_t unforget) {
    const int32_t exponent = *variance >> 24, whole = (*variance & 0xFFFFFF) | 0x1000000;
    const uint32_t magnitude = (uint32_t)midge_magnitude(seen);
    const int32_t digits = midge_digits(magnitude), down = 31 - digits, filled = (int32_t)(magnitude << down);
    /* variance times seen, and times seen again */
    const int32_t one = (int32_t)(midge_product(whole, filled) >> 25);
    const int32_t told = (int32_t)(midge_product(one, filled) >> 31);
    const int32_t before = midge_raise(column, told, exponent - 2 * down - 15);
    const int32_t inverse = midge_reciprocal(column->alpha);
    const int64_t kept = midge_product(before, inverse) >> 30;
    column->kept = (int32_t)(kept < INT32_MAX ? kept : INT32_MAX);
    *variance = midge_variance(*variance, column->kept, unforget);
    const int32_t raw = (int32_t)(midge_product(one, inverse) >> 31);
    const int32_t gained = midge_raised(raw, exponent - down - column->over - 32);
    column->gained = seen < 0 ? -gained : gained;
}

/* A column of `factor` and the gain so far take in a feature. */
MIDGE_KERNEL void midge_add_column(int32_t *factor, int32_t *gains, int32_t count, const struct midge_column *column,
                                   int32_t seen) {
    const int32_t kept = (column->kept >> 5) + (column->kept >> 4 & 1), gained = column->gained, less = -seen;
    for (int32_t i = 0; i < count; i++) {
        const int32_t before = factor[i], gain = gains[i];
        factor[i] = midge_cut(midge_lifted(before, 18) + midge_product(less, gain), 18);
        gains[i] = midge_narrowed(midge_product(gain, kept) + midge_product(before, gained), 26);
    }
    gains[count] = (gained + 2) >> 2;
}

/* Take in one regressor, features [n], 1 <= n <= MIDGE_MOST_FEATURES. forget: Q31; unforget: its inverse, Q30. gains [n]:
   coefficients move by gain times error, Q18. */
MIDGE_PART void midge_gain_and_update(int32_t *factor, int32_t *variances, const int32_t *features, int32_t n,
                                      uint32_t forget, int32_t unforget, int32_t *gains) {
    const int32_t digits = midge_digits(forget);
    struct midge_column column = {midge_filled(forget, digits), digits - 31, 0, 0};
    for (int32_t j = 0; j < n; j++, factor += j - 1) {
        int64_t sum = (int64_t)features[j] * 0x1000000;
        for (int32_t i = 0; i < j; i++) {
            sum += midge_product(factor[i], features[i]);
        }
        const int32_t seen = midge_narrowed(sum, 20);
        midge_next_column(&column, &variances[j], seen, unforget);
        midge_add_column(factor, gains, j, &column, seen);
    }
}

/* Twice or half as much. */
MIDGE_KERNEL int32_t midge_shifted(int32_t value, int32_t doubled) {
    return doubled ? midge_narrow(2 * (int64_t)value) : (value + 1) >> 1;
}

/* Carry covariances over to features that are half as large (doubled: their scale) or twice. Features k with
   k % stride == first, from k = 1 on. A variance that grows stops at the prior, unless it was above. */
MIDGE_PART void midge_scale_features(int32_t *factor, int32_t *variances, int32_t n, int32_t first, int32_t stride,
                                     int32_t doubled) {
    for (int32_t j = 0; j < n; j++) {
        const int32_t own = j > 0 && j % stride == first;
        for (int32_t i = 0; i < j; i++, factor++) {
            const int32_t other = i > 0 && i % stride == first;
            if (own != other) {
                *factor = midge_shifted(*factor, other ? doubled : !doubled);
            }
        }
        if (own) {
            const int32_t most = midge_max(variances[j], MIDGE_PRIOR);
            variances[j] = doubled ? midge_min(variances[j] + 0x2000000, most) : midge_max(variances[j] - 0x2000000, 0);
        }
    }
}

/* Carry covariances over to features that are less by `shift`, those that midge_scale_features names. */
MIDGE_PART void midge_shift_features(int32_t *factor, int32_t n, int32_t first, int32_t stride, int32_t shift) {
    for (int32_t j = 1; j < n; factor += j, j++) {
        int64_t sum = j % stride == first ? midge_product(shift, INT32_C(1) << 24) : 0;
        for (int32_t i = 1; i < j; i++) {
            if (i % stride == first) {
                sum += midge_product(shift, factor[i]);
            }
        }
        factor[0] = midge_narrow(factor[0] + midge_rounded(sum, 20));
    }
}

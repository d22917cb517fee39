/* Recursive least squares in Bierman's UD form, P = U diag(D) U': `upper` is U above its diagonal, by rows, n(n-1)/2
   floats; `variances` is D. Bounds keep every number finite: D in [1e-9, largest], |U| at most 1e4, features at most 16
   in magnitude. */
#include "learner.h"

/* What later features see of feature i: row i of U times it. Returns the next row. */
MIDGE_KERNEL const float *midge_see_row(const float *row, int32_t i, int32_t n, float feature, float *seen) {
    for (int32_t j = i + 1; j < n; j++) {
        seen[j] += *row++ * feature;
    }
    return row;
}

/* One variance, by what it saw, which becomes a slope; returns alpha behind it. */
MIDGE_KERNEL float midge_weigh(float *variance, float *seen, float *weighted, float before, float forget) {
    const float saw = *seen;
    *weighted = *variance * saw;
    const float alpha = before + *weighted * saw;
    const float kept = midge_quotient(*variance * before, alpha * forget);
    *variance = midge_between(kept, MIDGE_SMALLEST_VARIANCE, MIDGE_LARGEST_VARIANCE);
    *seen = midge_quotient(-saw, before);
    return alpha;
}

/* Row i of U moves on; returns the next one. */
MIDGE_KERNEL float *midge_turn_row(float *row, int32_t i, int32_t n, const float *slopes, const float *weighted,
                                   float *partial) {
    for (int32_t j = i + 1; j < n; j++) {
        const float factor = *row;
        *row++ = midge_within(factor + *partial * slopes[j], MIDGE_LARGEST_FACTOR);
        *partial += factor * weighted[j];
    }
    return row;
}

/* Take in one regressor, features [n], 1 <= n <= MIDGE_MOST_FEATURES. gains [n]: coefficients move by gain times
   error. */
MIDGE_PART void midge_gain_and_update(float *upper, float *variances, const float *features, int32_t n, float forget,
                                      float *gains) {
    float slopes[MIDGE_MOST_FEATURES], weighted[MIDGE_MOST_FEATURES], alpha = forget;
    const float *row = upper;
    MIDGE_COPY(slopes, features, sizeof(float) * (size_t)n);
    for (int32_t i = 0; i < n; i++) {
        row = midge_see_row(row, i, n, features[i], slopes);
    }
    for (int32_t i = 0; i < n; i++) {
        alpha = midge_weigh(&variances[i], &slopes[i], &weighted[i], alpha, forget);
    }
    const float inverse = midge_quotient(1.0f, alpha);
    for (int32_t i = 0; i < n; i++) {
        float partial = weighted[i];
        upper = midge_turn_row(upper, i, n, slopes, weighted, &partial);
        gains[i] = partial * inverse;
    }
}

#ifdef MIDGE_HAS_FPU
/* The same for few features, a constant: as straight code, in registers. */
MIDGE_KERNEL void midge_gain_and_update_few(float *upper, float *variances, const float *features, int32_t n,
                                            float forget, float *gains) {
    float slopes[MIDGE_MOST_FEATURES], weighted[MIDGE_MOST_FEATURES], alpha = forget;
    const float *row = upper;
    MIDGE_COPY(slopes, features, sizeof(float) * (size_t)n);
    MIDGE_UNROLLED
    for (int32_t i = 0; i < n; i++) {
        row = midge_see_row(row, i, n, features[i], slopes);
    }
    MIDGE_UNROLLED
    for (int32_t i = 0; i < n; i++) {
        alpha = midge_weigh(&variances[i], &slopes[i], &weighted[i], alpha, forget);
    }
    const float inverse = midge_quotient(1.0f, alpha);
    MIDGE_UNROLLED
    for (int32_t i = 0; i < n; i++) {
        float partial = weighted[i];
        upper = midge_turn_row(upper, i, n, slopes, weighted, &partial);
        gains[i] = partial * inverse;
    }
}
#else
#define midge_gain_and_update_few midge_gain_and_update
#endif

/* The first of features `first`, `first + stride`, ... behind the constant. */
MIDGE_KERNEL int32_t midge_first_own(int32_t first, int32_t stride) { return first > 0 ? first : stride; }

/* Carry covariances over to features that are 1/factor as large. Feature k has `factor` where k % stride == first,
   from k = 1 on, and 1 elsewhere. A variance that grows stops at the prior, unless it was above. */
MIDGE_PART void midge_scale_features(float *upper, float *variances, int32_t n, int32_t first, int32_t stride,
                                     float factor) {
    const float inverse = midge_inverse(factor);
    for (int32_t i = 0, next = midge_first_own(first, stride); i < n; upper += n - 1 - i, i++) {
        float *const row = upper - i - 1; /* row[j] is U[i][j] */
        if (i != next) {
            for (int32_t j = next; j < n; j += stride) {
                row[j] = midge_within(row[j] * inverse, MIDGE_LARGEST_FACTOR);
            }
            continue;
        }
        float grown = variances[i] * (factor * factor);
        if (factor > 1.0f) {
            grown = midge_least(grown, midge_most(variances[i], MIDGE_PRIOR));
        }
        variances[i] = midge_most(grown, MIDGE_SMALLEST_VARIANCE);
        next += stride;
        for (int32_t j = i + 1, other = next; j < n; j++) {
            if (j != other) {
                row[j] = midge_within(row[j] * factor, MIDGE_LARGEST_FACTOR);
            } else {
                other += stride;
            }
        }
    }
}

/* Carry covariances over to features that are less by `shift`, those that midge_scale_features names. */
MIDGE_PART void midge_shift_features(float *upper, int32_t n, int32_t first, int32_t stride, float shift) {
    float *const row = upper - 1; /* row[j] is U[0][j] */
    const float *u = upper + (n - 1);
    const int32_t start = midge_first_own(first, stride);
    for (int32_t j = 1, next = start; j < n; j++) {
        const int is_own = j == next;
        row[j] += is_own ? shift : 0.0f;
        next += is_own ? stride : 0;
    }
    for (int32_t i = 1, next = start; i < n; u += n - 1 - i, i++) {
        if (i != next) {
            continue;
        }
        next += stride;
        for (int32_t j = i + 1; j < n; j++) {
            row[j] += shift * u[j - i - 1];
        }
    }
    for (int32_t j = 1; j < n; j++) {
        row[j] = midge_within(row[j], MIDGE_LARGEST_FACTOR);
    }
}

/* Recursive least squares in Bierman's UD form, P = U diag(D) U': `upper` is U above its diagonal, by rows, n(n-1)/2
   floats; `variances` is D. Bounds keep every number finite: D in [1e-9, largest], |U| at most 1e4, features at most 16
   in magnitude. */
#include "learner.h"

/* Take in one regressor, features [n], 1 <= n <= MIDGE_MOST_FEATURES. gains [n]: coefficients move by gain times
   error. */
MIDGE_PART void midge_gain_and_update(float *upper, float *variances, const float *features, int32_t n, float forget,
                                      float *gains) {
    float slopes[MIDGE_MOST_FEATURES], weighted[MIDGE_MOST_FEATURES];
    float *const seen = slopes;
    const float *u = upper;
    for (int32_t j = 0; j < n; j++) {
        seen[j] = features[j];
    }
    for (int32_t i = 0; i < n; i++) {
        const float feature = features[i];
        for (int32_t j = i + 1; j < n; j++) {
            seen[j] += *u++ * feature;
        }
    }
    float alpha = forget;
    for (int32_t j = 0; j < n; j++) {
        const float before = alpha;
        weighted[j] = variances[j] * seen[j];
        alpha = alpha + weighted[j] * seen[j];
        const float kept = midge_quotient(variances[j] * before, alpha * forget);
        variances[j] = midge_most(midge_least(kept, MIDGE_LARGEST_VARIANCE), MIDGE_SMALLEST_VARIANCE);
        slopes[j] = midge_quotient(-seen[j], before);
    }
    const float inverse = midge_quotient(1.0f, alpha);
    for (int32_t i = 0; i < n; i++) {
        float partial = weighted[i];
        for (int32_t j = i + 1; j < n; j++) {
            const float factor = *upper;
            *upper++ = midge_within(factor + partial * slopes[j], MIDGE_LARGEST_FACTOR);
            partial += factor * weighted[j];
        }
        gains[i] = partial * inverse;
    }
}

/* Carry covariances over to features that are 1/factor as large. Feature k has `factor` where k % stride == first,
   from k = 1 on, and 1 elsewhere. A variance that grows stops at the prior, unless it was above. */
MIDGE_PART void midge_scale_features(float *upper, float *variances, int32_t n, int32_t first, int32_t stride,
                                     float factor) {
    const float inverse = midge_inverse(factor);
    for (int32_t i = 0; i < n; i++) {
        const int32_t own = i > 0 && i % stride == first;
        if (own) {
            float grown = variances[i] * (factor * factor);
            if (factor > 1.0f) {
                grown = midge_least(grown, midge_most(variances[i], MIDGE_PRIOR));
            }
            variances[i] = midge_most(grown, MIDGE_SMALLEST_VARIANCE);
        }
        for (int32_t j = i + 1; j < n; j++, upper++) {
            if (own != (j % stride == first)) {
                *upper = midge_within(*upper * (own ? factor : inverse), MIDGE_LARGEST_FACTOR);
            }
        }
    }
}

/* Carry covariances over to features that are less by `shift`, those that midge_scale_features names. */
MIDGE_PART void midge_shift_features(float *upper, int32_t n, int32_t first, int32_t stride, float shift) {
    float *const row = upper - 1; /* row[j] is U[0][j] */
    const float *u = upper + (n - 1);
    for (int32_t j = 1; j < n; j++) {
        row[j] += j % stride == first ? shift : 0.0f;
    }
    for (int32_t i = 1; i < n; i++) {
        const int32_t own = i % stride == first;
        for (int32_t j = i + 1; j < n; j++, u++) {
            if (own) {
                row[j] += shift * *u;
            }
        }
    }
    for (int32_t j = 1; j < n; j++) {
        row[j] = midge_within(row[j], MIDGE_LARGEST_FACTOR);
    }
}

#!/usr/bin/env python3
"""Prints the reference values that the tests of comparisons hold: pip install scipy; scripts/reference-values.py"""
import numpy as np
import scipy
from scipy import stats
from scipy.stats import norm

print("scipy", scipy.__version__)

print("\nsign-flip test, two-sided (src/core/stats/sign_flip.rs)")
for d in (
    [1.2, 0.4, -0.3, 2.2, 0.9, 1.1, -0.1, 0.7],
    [5.0, 4.0, 6.0, 5.5, 4.5, 5.2, 4.8, 5.1],
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
    [0.5, -1.5, 2.5, -0.2, 0.3, -0.9, 1.1, 0.0, -0.4, 0.8],
    [3.0, -1.0, 2.0],
):
    test = stats.permutation_test(
        (np.array(d),), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    print(d, test.pvalue)

print("\nbounds of a Poisson mean (src/core/stats/quantile.rs)")
for count, alpha in ((7.0, 0.01), (1.0, 0.01), (5.5, 0.005), (40.0, 0.05)):
    print(count, alpha, stats.gamma.ppf(alpha, count), stats.gamma.ppf(1 - alpha, count + 1))

print("\nerror probability spent (src/core/stats/spending.rs)")
for alpha, share in ((0.01, 0.5), (0.01, 0.75), (0.05, 0.5), (0.005, 0.625)):
    print(alpha, share, 2 * norm.sf(norm.isf(alpha / 2) / np.sqrt(share)))

print("\ninterval of a paired difference, 99 % (src/core/compare/paired.rs)")
d = 100 * np.array([1.2, 0.4, -0.3, 2.2, 0.9, 1.1, -0.1, 0.7])
interval = stats.ttest_rel(d, 0 * d).confidence_interval(0.99)
print(d.mean(), interval.low, interval.high)

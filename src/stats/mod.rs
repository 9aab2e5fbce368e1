//! Estimators that know nothing of memory: regression, robust slopes, autocorrelation, quantiles.

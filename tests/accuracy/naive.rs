//! The rules that people write by hand, for comparison: each sees the readings of all series put together by worker
//! and says only whether it would call a leak.

use crate::families::BUDGET;
use seepage::model::Series;
use seepage::stats::student_t;

/// A rule and its name.
pub struct Rule {
    pub name: &'static str,
    pub leaks: fn(&[Series]) -> bool,
}

/// The rules.
pub const RULES: &[Rule] = &[
    Rule { name: "OLS t-test", leaks: |s| any(s, ols_significant) },
    Rule { name: "Mann-Kendall", leaks: |s| any(s, mann_kendall) },
    Rule { name: "R2 >= .8", leaks: |s| any(s, |x, y| ols(x, y).is_some_and(|f| f.slope > 0.0 && f.r2 >= 0.8)) },
    Rule { name: "all windows", leaks: |s| any(s, every_window) },
    Rule { name: "last quarter", leaks: |s| any(s, last_quarter) },
];

fn any(series: &[Series], rule: fn(&[f64], &[f64]) -> bool) -> bool {
    series.iter().any(|s| s.x.len() >= 20 && rule(&s.x, &s.y))
}

struct Line {
    slope: f64,
    t: f64,
    r2: f64,
}

fn mean(v: &[f64]) -> f64 {
    v.iter().sum::<f64>() / v.len() as f64
}

/// Ordinary least squares.
fn ols(x: &[f64], y: &[f64]) -> Option<Line> {
    let n = x.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let sxx: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let sxy: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let syy: f64 = y.iter().map(|y| (y - my).powi(2)).sum();
    if sxx <= 0.0 || syy <= 0.0 {
        return None;
    }
    let slope = sxy / sxx;
    let rest = (syy - slope * sxy).max(f64::MIN_POSITIVE);
    Some(Line { slope, t: slope / (rest / (n - 2.0) / sxx).sqrt(), r2: 1.0 - rest / syy })
}

fn ols_significant(x: &[f64], y: &[f64]) -> bool {
    ols(x, y).is_some_and(|f| f.t > student_t(0.95, x.len() as f64 - 2.0))
}

/// Mann's (1945) test of trend without ties, one-sided at 5 %.
fn mann_kendall(_: &[f64], y: &[f64]) -> bool {
    let n = y.len() as f64;
    let mut s = 0.0;
    for i in 0..y.len() {
        for j in i + 1..y.len() {
            s += (y[j] - y[i]).partial_cmp(&0.0).map_or(0.0, |o| o as i32 as f64);
        }
    }
    s / (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt() > 1.645
}

/// Growth from each of ten windows to the next.
fn every_window(_: &[f64], y: &[f64]) -> bool {
    let means: Vec<f64> = (0..10).map(|k| mean(&y[k * y.len() / 10..(k + 1) * y.len() / 10])).collect();
    means.windows(2).all(|w| w[1] > w[0])
}

/// The last quarter lies above the first by more than the budget allows.
fn last_quarter(x: &[f64], y: &[f64]) -> bool {
    let q = y.len() / 4;
    let grown = mean(&y[y.len() - q..]) - mean(&y[..q]);
    grown > BUDGET * 0.75 * (x[x.len() - 1] - x[0])
}

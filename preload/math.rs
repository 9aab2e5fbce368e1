//! Random numbers and the two functions that sampling needs; the library has no mathematics to link to.

/// The next state of a generator (xorshift64*; Vigna 2016), which is never 0, and 64 random bits.
pub fn random(state: u64) -> (u64, u64) {
    let mut next = if state == 0 { 0x9e37_79b9_7f4a_7c15 } else { state };
    next ^= next >> 12;
    next ^= next << 25;
    next ^= next >> 27;
    (next, next.wrapping_mul(0x2545_f491_4f6c_dd1d))
}

/// A number in (0, 1) from 64 random bits.
pub fn unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) / (1u64 << 52) as f64
}

/// Natural logarithm of a normal positive number, within 1e-9.
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i64 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    // Around 1: ln m = 2 artanh((m - 1) / (m + 1)), whose argument lies within 0.172 once m is in [0.707, 1.414].
    let (mantissa, exponent) =
        if mantissa > core::f64::consts::SQRT_2 { (mantissa / 2.0, exponent + 1) } else { (mantissa, exponent) };
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let series = 1.0 + square * (1.0 / 3.0 + square * (0.2 + square * (1.0 / 7.0 + square / 9.0)));
    2.0 * z * series + exponent as f64 * core::f64::consts::LN_2
}

/// `1 - exp(-x)` for `x >= 0`, within 1e-9 of its value.
pub fn one_minus_exp(x: f64) -> f64 {
    if x >= 40.0 {
        return 1.0;
    }
    if x < 0.5 {
        // The series keeps its precision where the difference would lose it.
        let mut term = x;
        let mut sum = x;
        for n in 2..14 {
            term *= -x / f64::from(n);
            sum += term;
        }
        return sum;
    }
    // exp(-x) = (1 - (1 - exp(-x / 2^k)))^(2^k), with the series for the part.
    let mut halvings = 0;
    let mut part = x;
    while part >= 0.5 {
        part /= 2.0;
        halvings += 1;
    }
    let mut rest = 1.0 - one_minus_exp(part);
    for _ in 0..halvings {
        rest *= rest;
    }
    1.0 - rest
}

/// How likely a block of so many bytes is sampled at this mean.
pub fn probability(bytes: u64, mean: u64) -> f64 {
    one_minus_exp(bytes as f64 / mean.max(1) as f64)
}

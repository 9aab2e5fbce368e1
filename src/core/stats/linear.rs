//! Small symmetric linear systems.

/// The Cholesky factor of a symmetric positive definite matrix of a few rows.
#[derive(Debug, Clone)]
pub struct Cholesky {
    size: usize,
    /// Lower triangle, row by row.
    lower: Vec<f64>,
}

impl Cholesky {
    /// Factors the matrix whose entry in row `i`, column `j` is `entry(i, j)`; only `j <= i` is asked for.
    ///
    /// `None` if it isn't positive definite beyond doubt: a column that the ones before it explain up to a relative
    /// rest of 1e-9 carries no information of its own.
    pub fn new(size: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Option<Self> {
        let mut lower = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let mut sum = entry(i, j);
                for k in 0..j {
                    sum -= lower[i * size + k] * lower[j * size + k];
                }
                if i == j {
                    // Written so that NaN is refused too.
                    if !(sum > 1e-9 * entry(i, i) && sum > f64::MIN_POSITIVE) {
                        return None;
                    }
                    lower[i * size + i] = sum.sqrt();
                } else {
                    lower[i * size + j] = sum / lower[j * size + j];
                }
            }
        }
        Some(Cholesky { size, lower })
    }

    /// Solves for the right-hand side, in place.
    pub fn solve(&self, right: &mut [f64]) {
        let n = self.size;
        for i in 0..n {
            for k in 0..i {
                right[i] -= self.lower[i * n + k] * right[k];
            }
            right[i] /= self.lower[i * n + i];
        }
        for i in (0..n).rev() {
            for k in i + 1..n {
                right[i] -= self.lower[k * n + i] * right[k];
            }
            right[i] /= self.lower[i * n + i];
        }
    }

    /// The quadratic form `d' A^-1 d`.
    pub fn inverse_form(&self, direction: &[f64]) -> f64 {
        let mut solved = direction.to_vec();
        self.solve(&mut solved);
        direction.iter().zip(&solved).map(|(a, b)| a * b).sum()
    }

    /// The natural logarithm of the determinant.
    pub fn log_determinant(&self) -> f64 {
        (0..self.size).map(|i| 2.0 * self.lower[i * self.size + i].ln()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn solves_a_small_system() {
        let a = [[4.0, 2.0, 0.6], [2.0, 3.0, 0.4], [0.6, 0.4, 2.0]];
        let factor = Cholesky::new(3, |i, j| a[i][j]).unwrap();
        let mut b = [1.0, 2.0, 3.0];
        factor.solve(&mut b);
        for (row, expected) in a.iter().zip([1.0, 2.0, 3.0]) {
            let found: f64 = row.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!((found - expected).abs() < 1e-12);
        }
        let determinant: f64 = 4.0 * (6.0 - 0.16) - 2.0 * (4.0 - 0.24) + 0.6 * (0.8 - 1.8);
        assert!((factor.log_determinant() - determinant.ln()).abs() < 1e-12);
    }

    #[test]
    fn refuses_what_is_not_definite() {
        assert!(Cholesky::new(2, |_, _| 1.0).is_none());
        assert!(Cholesky::new(1, |_, _| f64::NAN).is_none());
        assert!(Cholesky::new(1, |_, _| 0.0).is_none());
    }
}

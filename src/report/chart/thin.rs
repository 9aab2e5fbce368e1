//! Fewer points that look the same.

/// Thins points that are sorted by x: of each of the columns into which the width is cut, the first, lowest, highest
/// and last are kept, so that a drawn line covers the same pixels (the M4 aggregation of Jugel et al. 2014). Points that are
/// no numbers go.
pub fn thin(points: &[(f64, f64)], columns: usize) -> Vec<(f64, f64)> {
    let finite = || points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite());
    let columns = columns.max(1);
    let count = finite().count();
    if count <= 4 * columns {
        return finite().collect();
    }
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (x, _)| (l.min(x), h.max(x)));
    let width = ((high - low) / columns as f64).max(f64::MIN_POSITIVE);
    let column = |x: f64| (((x - low) / width) as usize).min(columns - 1);

    let mut thinned = Vec::with_capacity(4 * columns);
    let mut run: Vec<(f64, f64)> = Vec::new();
    let mut current = 0;
    for point in finite() {
        if column(point.0) != current {
            keep(&run, &mut thinned);
            run.clear();
            current = column(point.0);
        }
        run.push(point);
    }
    keep(&run, &mut thinned);
    thinned
}

/// Appends first, lowest, highest and last of one column, in their order and each once.
fn keep(run: &[(f64, f64)], thinned: &mut Vec<(f64, f64)>) {
    let by_y = |a: &usize, b: &usize| run[*a].1.total_cmp(&run[*b].1);
    let (Some(lowest), Some(highest)) = ((0..run.len()).min_by(by_y), (0..run.len()).max_by(by_y)) else { return };
    let mut kept = [0, lowest, highest, run.len() - 1];
    kept.sort_unstable();
    for (i, index) in kept.into_iter().enumerate() {
        if i == 0 || kept[i - 1] != index {
            thinned.push(run[index]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_points_become_a_few_and_keep_their_extremes() {
        let points: Vec<_> = (0..1_000_000).map(|i| (i as f64, f64::from(i % 997))).collect();
        let thinned = thin(&points, 500);
        assert!(thinned.len() <= 2000);
        assert_eq!(thinned.first(), points.first());
        assert_eq!(thinned.last(), points.last());
        assert!(thinned.iter().any(|p| p.1 == 996.0));
        assert!(thinned.is_sorted_by(|a, b| a.0 <= b.0));
    }

    #[test]
    fn few_points_are_left_alone_but_for_what_is_no_number() {
        assert_eq!(thin(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)], 9), [(0.0, 1.0), (2.0, 3.0)]);
        assert!(thin(&[], 9).is_empty());
    }
}

//! How many numbers the answers hang on.

use crate::source::sources;
use std::path::Path;

/// As many as there are today. A change may make them fewer, and lowers this then.
const MOST: usize = 80;

/// Modules whose numbers decide nothing: exit codes, shares that are only told, the made-up programs of a simulation. How much is
/// computed stands in `limits`.
const TELLING: [&str; 7] = ["outcome", "generated", "naming", "places", "held", "reached", "simulation"];

#[test]
fn the_numbers_that_decide_become_no_more() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core/lib.rs");
    let decides = |module: &[String]| {
        let first = module.first().map_or("", String::as_str);
        let last = module.last().map_or("", String::as_str);
        ["answer", "places", "readings", "rule", "sites", "stats", "thresholds", "verdict"].contains(&first)
            && !TELLING.contains(&last)
    };
    // Nothing, one, two and a half are found, not chosen.
    let chosen = |number: &f64| ![0.0, 0.5, 1.0, 2.0].contains(number);
    let mut by_file: Vec<(usize, String)> = sources(&root)
        .iter()
        .filter(|source| decides(&source.module))
        .map(|source| (source.numbers().iter().filter(|number| chosen(number)).count(), source.module.join("::")))
        .collect();
    by_file.sort();
    let all: usize = by_file.iter().map(|file| file.0).sum();
    assert_eq!(all, MOST, "{by_file:?}");
}

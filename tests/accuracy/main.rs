//! Is the verdict right? Simulated runs with known truth, from seeds.

mod modes;

use modes::{Mode, Shape, run};
use seepage::verdict::judge;

#[test]
fn the_ten_modes_of_a_faulty_apache_module_are_told_apart() {
    let shapes = [
        Shape { workers: 6, requests: 2500, readings: 300, recycle: None },
        Shape { workers: 8, requests: 4000, readings: 400, recycle: None },
    ];
    let mut wrong = Vec::new();
    for mode in Mode::ALL {
        for (seed, shape) in (0..4).zip(shapes.into_iter().cycle()) {
            let verdict = judge(&run(mode, shape, seed));
            let (exit, classes) = mode.expected();
            let class = verdict.findings[0].class;
            if verdict.exit != exit || !classes.contains(&class) {
                wrong.push(format!("{mode:?}, seed {seed}: {class:?}, {}", verdict.sentence));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

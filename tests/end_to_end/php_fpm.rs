//! A real PHP-FPM behind a real Apache, counted from FPM's status page.
//!
//! Needs Debian's `php8.2-fpm` and `apache2-bin`; `scripts/test.sh` installs them.

use crate::common::{Bench, Ended, processes};
use std::path::Path;

fn run(mode: &str) -> Ended {
    let bench = Bench::new();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs/php-fpm.toml");
    let ended = bench.run(&config, &["--env", &format!("MODE={mode}"), "--quiet"]);
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "a server was left: {}", ended.story());
    assert_eq!(ended.json("verdict.json")["counting"]["source"], "php-fpm", "{}", ended.story());
    assert_eq!(ended.finding("memory")["workers"].as_array().map(Vec::len), Some(3), "{}", ended.story());
    if mode == "leak" {
        let growth = ended.finding("memory")["growth"]["estimate"].as_f64().unwrap();
        assert!((3800.0..4500.0).contains(&growth), "{growth}");
    }
    ended
}

#[test]
fn a_clean_pool_is_clean() {
    let ended = run("none");
    assert_eq!(ended.code, Some(0), "{}", ended.story());
}

#[test]
fn c_memory_that_php_does_not_see_is_found() {
    let ended = run("leak");
    assert_eq!(ended.code, Some(10), "{}", ended.story());
}

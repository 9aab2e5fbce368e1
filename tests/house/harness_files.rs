//! No harness file, however broken, makes the loader panic or its messages harm the terminal.

use proptest::prelude::*;
use seepage::config::{Overrides, Variables, parse, redacted, resolve};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The harness files of this repository: what mutations start from.
static FILES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("harness-configs");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
});

/// Pieces that mean something to a parser.
const PIECES: &[&str] = &[
    "",
    "\"",
    "'",
    "'''",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ".",
    ",",
    "#",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[2J",
    "ä",
    "🦀",
    "${",
    "${port}",
    "${port:",
    "$$",
    "}",
    "nan",
    "-inf",
    "-1",
    "99999999999999999999",
    "1e400",
    "0",
    "true",
    "1979-05-27",
    "\"\\u0000\"",
    "\"99999999999999 GiB\"",
    "\"1 B/request\"",
    "\"-5%\"",
    "\"99999999999999999y\"",
    "[phase]",
    "[target.env]",
    "(?P<pid>",
    "\"http://[::1\"",
    "\"/\"",
    "{ uniform = [] }",
];

/// A replacement of a stretch of the text: its place and length as shares of the whole, and what comes there.
type Mutation = (f64, f64, usize);

fn mutate(text: &str, (place, length, piece): Mutation) -> String {
    let boundary = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
    let start = boundary((place * text.len() as f64) as usize);
    // Mostly short stretches: the square is small where the share is.
    let end = boundary(start + (length * length * length * text.len() as f64) as usize);
    format!("{}{}{}", &text[..start], PIECES[piece], &text[end.max(start)..])
}

fn check(text: &str) {
    match parse(text, "mutated.toml", &Overrides::default()) {
        Ok(harness) => {
            let variables = Variables::default();
            let _ = resolve(&harness, &variables).map_err(|error| error.to_string());
            assert_eq!(redacted(&harness, &variables).phases, harness.phases);
        }
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("mutated.toml"), "{message}");
            assert!(!message.contains(|c: char| c.is_control() && c != '\n'), "{message:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_files_are_read_or_refused(
        file in 0usize..FILES.len(),
        mutations in prop::collection::vec((0.0..1.0, 0.0..0.5, 0..PIECES.len()), 1..4),
    ) {
        let text = mutations.into_iter().fold(FILES[file].clone(), |text, mutation| mutate(&text, mutation));
        check(&text);
    }
}

#[test]
fn files_cut_at_any_byte_are_read_or_refused() {
    for file in FILES.iter() {
        let ends = (0..=file.len()).filter(|at| file.is_char_boundary(*at));
        ends.step_by(7).for_each(|end| check(&file[..end]));
    }
}

#[test]
fn deep_nesting_is_refused() {
    check(&format!("name = {}", "[".repeat(100_000)));
    check(&format!("a{} = 1", ".a".repeat(100_000)));
}

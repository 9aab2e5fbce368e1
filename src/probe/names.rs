//! Names of files that a target chooses, bounded, and without the numbers that make each of many its own.

/// What the kernel appends to the name of a file that has none any more.
pub const DELETED: &[u8] = b" (deleted)";

/// Characters of a name that are kept, its last ones.
const LONGEST: usize = 100;

/// The name with a `*` for each number of three digits or more, and for each word of eight hexadecimal digits or more: files
/// that are made one after another have one name.
pub fn general(name: &[u8]) -> String {
    bounded(&without_numbers(&String::from_utf8_lossy(name)))
}

/// The name as it is, its end alone if it is long.
pub fn bounded(name: &str) -> String {
    let skip = name.chars().count().saturating_sub(LONGEST);
    let kept: String = name.chars().skip(skip).collect();
    if skip > 0 { format!("…{kept}") } else { kept }
}

fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if length == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        let is_hex =
            length >= 8 && word.chars().all(|c| c.is_ascii_hexdigit()) && word.contains(|c: char| c.is_ascii_digit());
        out.push_str(&if is_hex { "*".to_owned() } else { without_digits(word) });
        rest = after;
    }
    out
}

fn without_digits(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for run in word.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let is_number = run.len() >= 3 && run.iter().all(u8::is_ascii_digit);
        out.push_str(if is_number { "*" } else { std::str::from_utf8(run).unwrap_or("*") });
    }
    out
}

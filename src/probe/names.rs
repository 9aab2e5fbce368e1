//! Names of files that a target chooses, bounded, and without the numbers that make each of many its own.

/// What the kernel appends to the name of a file that has none any more.
pub const DELETED: &[u8] = b" (deleted)";

/// Characters of a name that are kept, its last ones.
const LONGEST: usize = 100;

/// The name of what is made again and again, so that all of them have one, from the first on: a `*` stands for each number behind the
/// last slash, but in words such as `v8`, for each of three digits or more before it, and for words of eight hexadecimal digits or more.
pub fn general(name: &[u8]) -> String {
    bounded(&without_numbers(&String::from_utf8_lossy(name), true))
}

/// The same of what may be there once, as a library is: numbers of one or two digits stay.
pub fn versioned(name: &[u8]) -> String {
    bounded(&without_numbers(&String::from_utf8_lossy(name), false))
}

/// The name as it is, its end alone if it is long.
pub fn bounded(name: &str) -> String {
    let skip = name.chars().count().saturating_sub(LONGEST);
    let kept: String = name.chars().skip(skip).collect();
    if skip > 0 { format!("…{kept}") } else { kept }
}

fn without_numbers(name: &str, short_too: bool) -> String {
    let mut out = String::with_capacity(name.len());
    let folder = name.rfind('/').map_or(0, |at| at + 1);
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
        let is_counted = short_too && name.len() - rest.len() >= folder;
        out.push_str(&if is_hex { "*".to_owned() } else { without_digits(word, is_counted) });
        rest = after;
    }
    out
}

fn without_digits(word: &str, is_counted: bool) -> String {
    let mut out = String::with_capacity(word.len());
    for run in word.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let is_short = run.len() < 3 && (!is_counted || (1..=2).contains(&out.len()));
        let is_number = !is_short && run.iter().all(u8::is_ascii_digit);
        out.push_str(if is_number { "*" } else { std::str::from_utf8(run).unwrap_or("*") });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_made_again_and_again_has_one_name() {
        for (name, expected) in [
            ("frames", "frames"),
            ("frame7", "frame*"),
            ("/memfd:job-7", "/memfd:job-*"),
            ("/var/spool2/job-17.tmp", "/var/spool2/job-*.tmp"),
            ("/var/123/v2", "/var/*/v2"),
            ("/cache/3f2a9c1b/x", "/cache/*/x"),
            ("v8", "v8"),
            ("7", "*"),
        ] {
            assert_eq!(general(name.as_bytes()), expected);
        }
        assert_eq!(versioned(b"/usr/lib/libc-2.36.so.6"), "/usr/lib/libc-2.36.so.6");
        assert_eq!(versioned(b"/data/part-0017"), "/data/part-*");
    }

    proptest! {
        #[test]
        fn no_number_is_two_names(folder in "/[a-z]{1,8}/", word in "[a-z]{3,9}|[a-z]{1,9}[-_.]", numbers in any::<(u32, u32)>()) {
            let named = |number: u32| general(format!("{folder}{word}{number}").as_bytes());
            // Eight letters of hexadecimal and a number are one word.
            prop_assume!(!word.chars().all(|c| c.is_ascii_hexdigit()));
            prop_assert_eq!(named(numbers.0), named(numbers.1));
            prop_assert_eq!(named(numbers.0 % 10), named(numbers.1));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(general(&bytes).chars().count() <= LONGEST + 1);
            prop_assert!(versioned(&bytes).chars().count() <= LONGEST + 1);
        }
    }
}

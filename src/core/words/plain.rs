//! Text that does no harm where it is shown.
//!
//! Whatever comes from the target passes through [`plain`] before it is shown: no control character, escape sequence
//! or change of writing direction reaches a terminal, a chart or a page.

use std::fmt::Display;

/// One line of harmless text: line breaks and tabs become spaces, other control and direction characters `\u{FFFD}`.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_direction(c) || is_noncharacter(c) => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// Whether a character changes the direction of writing or has no width, so that a name can pose as another.
pub fn is_direction(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Code points that XML 1.0 forbids.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FFFE}' | '\u{FFFF}')
}

/// The first `max` characters of `text` after [`plain`], with `…` in place of what was cut.
pub fn clip(text: &str, max: usize) -> String {
    let text = plain(text);
    if text.chars().count() <= max {
        return text;
    }
    text.chars().take(max.saturating_sub(1)).chain(['…']).collect()
}

/// The same with a capital letter, for the beginning of a line; a name such as `pm.max_requests` stays as it is.
pub fn capital(text: &str) -> String {
    let first = text.split(char::is_whitespace).next().unwrap_or_default();
    if first.trim_end_matches(['.', ',']).contains(['_', '.']) {
        return text.to_owned();
    }
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().collect::<String>() + chars.as_str())
}

/// How many of what: `1 worker`, `12 readings`; `one` is the noun for one, which takes an s.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, one: &str) -> String {
    let s = if count == N::from(1) { "" } else { "s" };
    format!("{count} {one}{s}")
}

/// Groups the digits before the point by threes with a thin space, from five digits on.
pub fn thousands(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |r| ("-", r));
    let (whole, fraction) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    if whole.len() < 5 {
        return number.to_owned();
    }
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push('\u{202F}');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

/// A space at which no line breaks.
pub const GLUE: char = '\u{A0}';

/// The text with each number and its unit in one piece, so that no line breaks between them.
pub fn glued(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_inclusive(' ') {
        let number = word.trim_end_matches(' ').trim_start_matches(['(', '-', '±', '`']);
        let ends = |at: Option<char>| at.is_some_and(|c| c.is_ascii_digit());
        let glue = ends(number.chars().next()) && ends(number.chars().last()) || matches!(number, "±" | "PID");
        match word.strip_suffix(' ').filter(|_| glue) {
            Some(word) => out.extend(word.chars().chain([GLUE])),
            None => out.push_str(word),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_that_controls_a_terminal_is_left() {
        assert_eq!(plain("a\u{1b}[31mred\nnext\u{202e}x\0"), "a\u{FFFD}[31mred next\u{FFFD}x\u{FFFD}");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn no_text_gets_through_unchecked(text in any::<String>(), max in 0usize..40) {
            prop_assert!(!plain(&text).chars().any(|c| c.is_control() || is_direction(c)));
            prop_assert_eq!(plain(&plain(&text)), plain(&text));
            prop_assert!(clip(&text, max).chars().count() <= max.max(1));
        }
    }
}

//! The zone that a time is written with.

/// A time less its zone, the offset of that in seconds, and its name if it is a name.
pub(super) fn parts(text: &str) -> (String, f64, Option<String>) {
    let mut words: Vec<String> = Vec::new();
    let (mut offset, mut zone) = (0.0, None);
    let spaced = split_zone(text).replace(',', " ");
    for word in spaced.split_whitespace() {
        let upper = word.to_ascii_uppercase();
        if let Some(seconds) = numeric_offset(word).filter(|_| !words.is_empty()) {
            offset = seconds;
        } else if matches!(upper.as_str(), "Z" | "UTC" | "GMT") {
            offset = 0.0;
        } else if is_zone(word) {
            zone = Some(upper);
        } else {
            words.push(word.to_owned());
        }
    }
    (words.join(" "), offset, zone)
}

/// The time with its `T` and what touches its end as words of their own: `2026-01-01T00:00:00+0100`.
fn split_zone(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len() + 2);
    let mut colons = 0;
    for (i, c) in text.char_indices() {
        let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
        let between = digit(i.checked_sub(1)) && digit(Some(i + 1));
        match c {
            'T' | 't' if between => out.push(' '),
            ',' if between && colons > 0 => out.push('.'),
            '+' | '-' if between && colons > 0 => {
                out.push(' ');
                out.push(c);
            }
            'Z' | 'z' if digit(i.checked_sub(1)) && i + 1 == text.len() => out.push_str(" Z"),
            _ => {
                colons += usize::from(c == ':');
                out.push(c);
            }
        }
    }
    out
}

/// `+01:00`, `+0100` or `+01` in seconds.
fn numeric_offset(word: &str) -> Option<f64> {
    let sign = match word.as_bytes().first()? {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    let digits: String = word[1..].chars().filter(|c| *c != ':').collect();
    let fits = matches!(digits.len(), 2 | 4) && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = digits.parse().ok().filter(|_| fits)?;
    let (hours, minutes) = if digits.len() == 2 { (number, 0) } else { (number / 100, number % 100) };
    Some(sign * f64::from(hours * 3600 + minutes * 60))
}

/// Whether a word is the abbreviation of a time zone: no day, month, AM or PM.
fn is_zone(word: &str) -> bool {
    const OTHERS: [&str; 21] = [
        "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP",
        "OCT", "NOV", "DEC", "AM", "PM",
    ];
    let short = (3..=5).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
    short && !OTHERS.contains(&word)
}

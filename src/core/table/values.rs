//! Numbers as people and tools write them: with units, with groups of thousands, with a comma for a point.

use super::shown;

/// What parts the whole of a number from its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal {
    /// `1.5` is one and a half.
    Point,
    /// `1,5` is one and a half.
    Comma,
}

/// A number, and the unit that was written behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub number: f64,
    /// The number itself, where it was written without a fraction and fits.
    pub whole: Option<u64>,
    /// Bytes in the unit that was written.
    pub unit: Option<u64>,
    /// Place of the last digit that was written, as a power of ten: -2 in `1.25`, 3 in `1.25e5`.
    pub place: i8,
    /// Digits before the point.
    pub digits: u8,
}

/// Reads the numbers of one table, and keeps in mind what they say of each other.
#[derive(Debug, Clone)]
pub(super) struct Numbers {
    delimiter: u8,
    decimal: Option<Decimal>,
    /// The first number that may have a point or parted thousands, and its column.
    either: Option<(String, String)>,
    /// Whether a number shows that a point, or a comma, parts the fraction.
    point: bool,
    comma: bool,
    /// Whether what was said of points and commas decided anything.
    pub decided: bool,
    /// The first number whose commas were taken to part thousands.
    grouped: Option<(String, String)>,
}

impl Numbers {
    pub fn new(delimiter: u8, decimal: Option<Decimal>) -> Self {
        Numbers { delimiter, decimal, either: None, point: false, comma: false, decided: false, grouped: None }
    }

    /// Reads a number of this column; `None` if it is none.
    pub fn read(&mut self, text: &[u8], column: &[u8]) -> Option<Value> {
        if let Some(whole) = digits(text) {
            let digits = text.len() as u8;
            return Some(Value { number: whole as f64, whole: Some(whole), unit: None, place: 0, digits });
        }
        let text = std::str::from_utf8(text).ok()?.trim();
        // What is used, of what is used and the limit: `231MiB / 12GiB`. Without a unit, it is something else.
        let used = text.split_once('/').map(|(used, _)| used.trim()).filter(|used| used.ends_with(char::is_alphabetic));
        let text = used.unwrap_or(text);
        if let Ok(number) = text.parse::<f64>()
            && text.contains(['e', 'E'])
        {
            return number.is_finite().then_some(Value {
                number,
                whole: None,
                unit: None,
                place: exponential_place(text),
                digits: digits_before_point(number),
            });
        }
        let end = text.find(|c: char| c.is_alphabetic() || c == '%').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (number, decimals) = self.number(number.trim(), column)?;
        let unit = if unit.is_empty() { None } else { Some(size(unit, number)?) };
        let (place, digits) = (-(decimals as i8), digits_before_point(number));
        Some(Value { number, whole: None, unit, place, digits })
    }

    fn number(&mut self, text: &str, column: &[u8]) -> Option<(f64, u8)> {
        let (sign, body) = match text.strip_prefix(['-', '+']) {
            Some(body) => (if text.starts_with('-') { -1.0 } else { 1.0 }, body),
            None => (1.0, text),
        };
        let body: String =
            body.chars().map(|c| if matches!(c, '\'' | '_' | '\u{a0}' | '\u{202f}') { ' ' } else { c }).collect();
        let body = if body.contains(' ') { ungrouped(&body, ' ')? } else { body };
        let (dots, commas) = (body.matches('.').count(), body.matches(',').count());
        let plain = match (dots, commas) {
            (0, 0) => body,
            (1, 0) => self.one(&body, '.', column)?,
            (0, 1) => self.one(&body, ',', column)?,
            (_, 0) => ungrouped(&body, '.')?,
            (0, _) => {
                self.grouped.get_or_insert_with(|| (body.clone(), shown(column)));
                ungrouped(&body, ',')?
            }
            // The last of both parts the fraction, and stands there once.
            _ => {
                let comma = body.rfind(',') > body.rfind('.');
                let (point, group) = if comma { (',', '.') } else { ('.', ',') };
                (self.comma, self.point) = (self.comma || comma, self.point || !comma);
                let (whole, fraction) = body.rsplit_once(point)?;
                format!("{}.{fraction}", ungrouped(whole, group)?)
            }
        };
        let fits = plain.bytes().all(|b| b.is_ascii_digit() || b == b'.') && plain.bytes().any(|b| b.is_ascii_digit());
        let number = plain.parse::<f64>().ok().filter(|number| fits && number.is_finite())?;
        let decimals = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len().min(9) as u8);
        Some((sign * number, decimals))
    }

    /// A number with one point or comma in it, with a point.
    fn one(&mut self, body: &str, mark: char, column: &[u8]) -> Option<String> {
        let groups = ungrouped(body, mark).filter(|_| !body.starts_with('0'));
        let decimal = body.replacen(mark, ".", 1);
        self.decided |= self.decimal.is_some();
        let means = if mark == '.' { Decimal::Point } else { Decimal::Comma };
        match (self.decimal, groups) {
            (Some(decided), _) if decided == means => Some(decimal),
            (Some(_), groups) => groups,
            (None, None) => {
                *(if mark == '.' { &mut self.point } else { &mut self.comma }) = true;
                Some(decimal)
            }
            (None, Some(groups)) if mark == ',' && self.delimiter == b',' => {
                self.grouped.get_or_insert_with(|| (body.into(), shown(column)));
                Some(groups)
            }
            (None, Some(_)) => {
                // Beside other delimiters than the semicolon, a point is nothing else.
                if mark == ',' || self.delimiter == b';' {
                    self.either.get_or_insert_with(|| (body.into(), shown(column)));
                }
                Some(decimal)
            }
        }
    }

    /// What was taken for granted of groups of thousands, to be told.
    ///
    /// # Errors
    /// If numbers may mean two things, and nothing in the table says which.
    pub fn settled(&self) -> Result<Option<String>, String> {
        let ask = |(number, column): &(String, String)| {
            format!(
                "column `{column}`: `{number}` may be {} or {}: say which with --decimal comma or --decimal point",
                number.replace(['.', ','], ""),
                number.replace(',', ".")
            )
        };
        if let Some(either) = &self.either {
            let says = if either.0.contains('.') { self.point && !self.comma } else { self.comma && !self.point };
            if !says {
                return Err(ask(either));
            }
        }
        match &self.grouped {
            Some(grouped) if self.comma => Err(ask(grouped)),
            Some((number, _)) => Ok(Some(format!("commas part thousands, as in `{number}`"))),
            None => Ok(None),
        }
    }
}

/// A number without what parts its groups of three digits; `None` if these aren't.
fn ungrouped(text: &str, mark: char) -> Option<String> {
    let (first, rest) = text.split_once(mark)?;
    let (rest, fraction) = match rest.find(['.', ',']).filter(|_| mark == ' ') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let digits = |group: &str| group.bytes().all(|b| b.is_ascii_digit());
    let whole = (1..=3).contains(&first.len()) && digits(first) && rest.split(mark).all(|g| g.len() == 3 && digits(g));
    whole.then(|| format!("{first}{}{fraction}", rest.replace(mark, "")))
}

/// Bytes in a unit that stands behind a number. As in names of columns, `kB` and the like are powers of 1024: `/proc`, `ps` and
/// docker's memory have them so.
pub(super) fn size(unit: &str, number: f64) -> Option<u64> {
    // A small `m` is mebibytes in top, and thousandths of a byte in Kubernetes.
    if unit == "m" && number >= 1e7 {
        return None;
    }
    let lower = unit.trim().to_ascii_lowercase();
    let power = match lower.as_str() {
        "b" | "byte" | "bytes" => 0,
        "k" | "kb" | "ki" | "kib" => 1,
        "m" | "mb" | "mi" | "mib" => 2,
        "g" | "gb" | "gi" | "gib" => 3,
        "t" | "tb" | "ti" | "tib" => 4,
        _ => return None,
    };
    Some(1 << (10 * power))
}

/// The place of the last digit of a number like `1.25e5`.
fn exponential_place(text: &str) -> i8 {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len().min(99) as i32);
    let exponent: i32 = exponent.parse().unwrap_or(0);
    exponent.saturating_sub(decimals).clamp(-99, 99) as i8
}

/// How many digits a number has before its point.
fn digits_before_point(number: f64) -> u8 {
    let mut whole = number.abs();
    let mut digits = 1;
    while whole >= 10.0 && digits < 99 {
        whole /= 10.0;
        digits += 1;
    }
    digits
}

/// A plain number of at most 18 digits: the usual case, and it always fits.
fn digits(text: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    plain.then(|| text.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')))
}

/// Whether a field says that its value is missing.
pub(super) fn is_missing(text: &[u8]) -> bool {
    const MISSING: [&[u8]; 8] = [b"na", b"n/a", b"nan", b"null", b"none", b"-", b"--", b"<unknown>"];
    text.is_empty() || MISSING.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, delimiter: u8) -> Option<f64> {
        let value = Numbers::new(delimiter, None).read(text.as_bytes(), b"x")?;
        Some(value.number * value.unit.unwrap_or(1) as f64)
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, number) in [
            ("231.5MiB / 12GiB", 231.5 * 1048576.0),
            ("1545Mi", 1545.0 * 1048576.0),
            ("166.25 MB", 166.25 * 1048576.0),
            ("1.5g", 1.5 * 1073741824.0),
            ("12345 kB", 12345.0 * 1024.0),
            ("1,234", 1234.0),
            ("1,234,567.5", 1234567.5),
            ("1.234.567", 1234567.0),
            ("1 234 567", 1234567.0),
            ("-3.5", -3.5),
            ("1e3", 1000.0),
            ("0,5", 0.5),
            (".5", 0.5),
        ] {
            assert_eq!(read(text, b','), Some(number), "{text}");
        }
        assert_eq!(read("1.234,5", b';'), Some(1234.5));
        for text in [
            "",
            "x",
            "1,23,4",
            "5 apples",
            "12.5%",
            "1..2",
            "--1",
            "3/4",
            "03/04/2026 10:00",
            "é",
            "1.2.3",
            "20000000m",
            "nan",
            "inf",
            ",",
        ] {
            assert_eq!(read(text, b','), None, "{text}");
        }
    }

    #[test]
    fn what_may_be_thousands_is_asked_about() {
        let settled = |delimiter, texts: &[&str]| {
            let mut numbers = Numbers::new(delimiter, None);
            texts.iter().for_each(|text| assert!(numbers.read(text.as_bytes(), b"rss").is_some()));
            numbers.settled()
        };
        let asked = settled(b';', &["184.378", "185.001"]).unwrap_err();
        assert_eq!(
            asked,
            "column `rss`: `184.378` may be 184378 or 184.378: say which with --decimal comma or --decimal point"
        );
        assert!(settled(b';', &["184,378"]).is_err() && settled(b'\t', &["184,378"]).is_err());
        assert_eq!(settled(b';', &["184.378", "185.5"]), Ok(None));
        assert_eq!(settled(b';', &["184,378", "0,5"]), Ok(None));
        assert!(settled(b';', &["184.378", "0,5"]).is_err());
        assert_eq!(settled(b',', &["184.378"]), Ok(None));
        assert!(settled(b',', &["184,378"]).unwrap().unwrap().contains("part thousands"));
        assert!(settled(b',', &["184,378", "0,5"]).is_err());
        let mut german = Numbers::new(b';', Some(Decimal::Comma));
        assert_eq!(german.read(b"184.378", b"x").unwrap().number, 184_378.0);
        assert_eq!(german.read(b"184,378", b"x").unwrap().number, 184.378);
        assert_eq!(german.read(b"184.37", b"x"), None);
    }
}

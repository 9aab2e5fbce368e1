//! A query of PromQL: whether it is a plain selector, and how it is narrowed down to some of its series.

use crate::table::prometheus::{Labels, NAME};

/// A label that marks what a narrowed expression keeps; the answers have it, too.
const MARK: &str = "seepage_kept";

/// A query for one number of each series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    /// Its metric and matchers, without braces, if it is a plain selector.
    selector: Option<(String, String)>,
}

impl Query {
    /// A query as it was written. What isn't known to be a selector is an expression: the server reads it.
    pub fn new(text: &str) -> Query {
        let text = text.trim();
        Query { text: text.to_owned(), selector: selector(text) }
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is a selector, such as `process_resident_memory_bytes{job="web"}`: its series can be listed without their values.
    pub fn is_selector(&self) -> bool {
        self.selector.is_some()
    }

    /// The name of the metric, if it is a selector that has one.
    pub fn metric(&self) -> Option<&str> {
        self.selector.as_ref().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty())
    }

    /// Why its values are no course of anything: they are of one moment, or are written in it. `None` if neither is to be seen.
    pub fn is_still(&self) -> Option<&'static str> {
        let plain = self.plain();
        if plain.contains('@') {
            return Some("is of one moment, by its `@`: leave it out, and say with --since from when on");
        }
        let compact: String = plain.chars().filter(|c| !c.is_whitespace()).collect();
        let inner = compact.strip_prefix("vector(").and_then(|rest| rest.strip_suffix(')')).unwrap_or(&compact);
        let is_written = inner.parse::<f64>().is_ok() || inner == "time()";
        is_written.then_some("has no metric in it, and the same value for all: expected what was measured")
    }

    /// Whether it says in which unit its values are: by a name that ends in one, or by what it counts them up to.
    pub fn says_unit(&self) -> bool {
        let plain = self.plain();
        plain.contains("bytes") || plain.contains(['*', '/'])
    }

    /// The query without what stands in quotes and in braces.
    fn plain(&self) -> String {
        let (mut out, mut quote, mut braces, mut escaped) = (String::new(), None, 0u32, false);
        for c in self.text.chars() {
            match (quote, c) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), _) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'' | '`') => quote = Some(c),
                (None, '{') => braces += 1,
                (None, '}') => braces = braces.saturating_sub(1),
                (None, _) if braces == 0 => out.push(c),
                (None, _) => {}
            }
        }
        out
    }

    /// The query for those of its series whose `label` has one of these values; without a value, for those that lack it.
    ///
    /// A selector gets one more matcher, so that the server reads no more than it answers. Of an expression, whose labels may be of
    /// any of its parts, only the result can be narrowed: what is kept is marked, and all that isn't marked falls away.
    pub fn only(&self, label: &str, values: &[&str]) -> String {
        let pattern = quoted(&values.iter().map(|value| escaped(value)).collect::<Vec<_>>().join("|"));
        match &self.selector {
            Some((name, matchers)) => {
                let comma = if matchers.is_empty() { "" } else { "," };
                format!("{name}{{{matchers}{comma}{label}=~{pattern}}}")
            }
            None => format!(
                "label_replace({}, \"{MARK}\", \"1\", \"{label}\", {pattern}) and on ({MARK}) \
                 label_replace(vector(1), \"{MARK}\", \"1\", \"\", \"\")",
                self.text
            ),
        }
    }

    /// The query for the last value that each series of a selector had within `window` seconds before a moment; `None` of an expression.
    ///
    /// Without it, a server answers what it takes for the value at that moment, and nothing of what has ended by then.
    pub fn last_within(&self, window: f64) -> Option<String> {
        Some(format!("last_over_time({})", self.all_within(window)?))
    }

    /// The query for all readings of each series of a selector within `window` seconds before a moment; `None` of an expression.
    pub fn all_within(&self, window: f64) -> Option<String> {
        let (name, matchers) = self.selector.as_ref()?;
        Some(format!("{name}{{{matchers}}}[{:.0}ms]", (window * 1e3).max(1.0)))
    }

    /// The labels of an answer, without what was put into it, nor the name of the metric: that isn't whose the series is.
    pub fn own(&self, mut labels: Labels) -> Labels {
        labels.remove(MARK);
        labels.remove(NAME);
        labels
    }
}

/// A text in quotes, as PromQL has them.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A value as a regular expression that matches it alone.
fn escaped(value: &str) -> String {
    value.chars().flat_map(|c| r"\.+*?()|[]{}^$".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The name and the matchers of a plain selector, if it is one.
fn selector(text: &str) -> Option<(String, String)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':'))).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = rest.trim_start();
    if rest.is_empty() {
        // `Inf` and `NaN` are numbers.
        let number = name.eq_ignore_ascii_case("inf") || name.eq_ignore_ascii_case("nan");
        return (!name.is_empty() && !number).then(|| (name.to_owned(), String::new()));
    }
    let mut inside = rest.strip_prefix('{')?.strip_suffix('}')?.trim();
    inside = inside.strip_suffix(',').unwrap_or(inside);
    let mut left = inside;
    while !left.is_empty() {
        left = matcher(left)?.trim_start();
        left = match left.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if left.is_empty() => left,
            None => return None,
        };
    }
    (!name.is_empty() || !inside.is_empty()).then(|| (name.to_owned(), inside.to_owned()))
}

/// What comes after a matcher, such as `job="web"`.
fn matcher(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    if end == 0 {
        return None;
    }
    let rest = text[end..].trim_start();
    let rest = ["=~", "!~", "!=", "="].iter().find_map(|operator| rest.strip_prefix(operator))?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut escaped = false;
    let close = rest.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    })?;
    Some(&rest[close.0 + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn selectors_are_told_from_expressions() {
        for text in ["up", "a:b{}", " up{job=\"a\"} ", "up { job = 'a', x!~\"b|\\\"c\\\"}\" , }", "{__name__=\"up\"}"] {
            assert!(Query::new(text).is_selector(), "{text}");
        }
        for text in [
            "",
            "{}",
            "sum(up)",
            "up[5m]",
            "up offset 5m",
            "a + b",
            "a{x=\"}\"} + b{}",
            "1",
            "NaN",
            "up{job}",
            "{\"a.b\"}",
        ] {
            assert!(!Query::new(text).is_selector(), "{text}");
        }
        assert_eq!(Query::new("up{job=\"a\"}").metric(), Some("up"));
        assert_eq!(Query::new("{__name__=\"up\"}").metric(), None);
    }

    #[test]
    fn selectors_and_expressions_are_narrowed() {
        let only = |text: &str| Query::new(text).only("pod", &["a.1", "b\"c", ""]);
        assert_eq!(only("up"), "up{pod=~\"a\\\\.1|b\\\"c|\"}");
        assert_eq!(only("up{job=\"x\",}"), "up{job=\"x\",pod=~\"a\\\\.1|b\\\"c|\"}");
        assert_eq!(
            only("a - b"),
            "label_replace(a - b, \"seepage_kept\", \"1\", \"pod\", \"a\\\\.1|b\\\"c|\") and on (seepage_kept) \
             label_replace(vector(1), \"seepage_kept\", \"1\", \"\", \"\")"
        );
    }

    #[test]
    fn the_last_value_of_a_selector_can_be_asked_for() {
        assert_eq!(Query::new("up").last_within(0.5).unwrap(), "last_over_time(up{}[500ms])");
        let only = Query::new(&Query::new("up{job=\"x\"}").only("pod", &["a"]));
        assert_eq!(only.last_within(30.0).unwrap(), "last_over_time(up{job=\"x\",pod=~\"a\"}[30000ms])");
        assert_eq!(Query::new("a + b").last_within(30.0), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ -~äß]{0,40}", value in any::<String>()) {
            let query = Query::new(&text);
            prop_assert!(!query.only("a", &[&value]).is_empty());
            // What is narrowed is a selector still.
            prop_assert!(!query.is_selector() || Query::new(&query.only("a", &["b"])).is_selector());
        }
    }
}

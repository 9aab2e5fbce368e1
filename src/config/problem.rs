//! What is wrong with a harness file, and where.
//!
//! A [`Problem`] names a place in the file by its keys; [`Problems`] collects them; a [`Diagnostic`] is one with its line,
//! column and excerpt. Excerpts hold no control characters, so a hostile file can't write to the reader's terminal, and nothing
//! that may be secret.

use std::{fmt, io, ops::Range, path::PathBuf};
use thiserror::Error;

/// A harness file can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file couldn't be read.
    #[error("can't read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file was read, and this is wrong with it; never empty.
    #[error("{}", list(.0))]
    Invalid(Vec<Diagnostic>),
}

fn list(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n\n")
}

/// Where in a harness file: keys and places in lists, from the root.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyPath(pub(super) Vec<Key>);

/// One part of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Name(String),
    Index(usize),
}

impl KeyPath {
    /// The path of these keys.
    pub(super) fn of(names: &[&str]) -> Self {
        KeyPath(names.iter().map(|name| Key::Name((*name).to_owned())).collect())
    }

    /// This path and then a key.
    pub(super) fn key(&self, name: &str) -> Self {
        let mut path = self.clone();
        path.0.push(Key::Name(name.to_owned()));
        path
    }

    /// This path and then a place in a list, from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut path = self.clone();
        path.0.push(Key::Index(index));
        path
    }

    /// Its keys as they stand in a heading, without the places in lists.
    pub(super) fn dotted(&self) -> String {
        KeyPath(self.0.iter().filter(|key| matches!(key, Key::Name(_))).cloned().collect()).to_string()
    }

    /// Whether it is in an environment or in headers, which hold secrets.
    pub(super) fn holds_secrets(&self) -> bool {
        self.0.iter().any(|key| matches!(key, Key::Name(name) if names_secrets(name)))
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, key) in self.0.iter().enumerate() {
            match key {
                Key::Name(name) if place == 0 => f.write_str(name)?,
                Key::Name(name) => write!(f, ".{name}")?,
                Key::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// Whether a key is that of an environment or of headers, however it is spelled: `environment` is shown as an unknown key.
pub(super) fn names_secrets(key: &str) -> bool {
    let key = key.to_lowercase();
    key.starts_with("env") || key.starts_with("header")
}

/// Something wrong at a place in a harness file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// Where.
    pub at: KeyPath,
    /// The same in the file's text, if it isn't the value there.
    pub span: Option<Range<usize>>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// All that is wrong with a harness file.
#[derive(Debug, Default)]
pub(super) struct Problems {
    list: Vec<Problem>,
    /// Places whose values can't be relied on: something else stands for them.
    unusable: Vec<KeyPath>,
}

/// Problems that are told of one file; whoever has more hasn't written a harness file.
pub(super) const MOST_TOLD: usize = 100;

impl Problems {
    /// Notes something wrong.
    pub fn note(
        &mut self,
        at: KeyPath,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !self.are_enough() {
            self.list.push(Problem { at, span, message: message.into(), help: help.into() });
        }
    }

    /// Whether there are more than will be told.
    pub fn are_enough(&self) -> bool {
        self.list.len() > MOST_TOLD
    }

    /// Notes a value that can't be used, so that nothing more is to be said of this place.
    pub fn spoil(
        &mut self,
        at: KeyPath,
        span: Option<Range<usize>>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        if !self.are_enough() {
            self.unusable.push(at.clone());
        }
        self.note(at, span, message, help);
    }

    /// Notes a value that makes no sense, unless what it is made of can't be used: that was told.
    pub fn refuse(&mut self, at: KeyPath, message: impl Into<String>, help: impl Into<String>) {
        if self.sound(&at) {
            self.note(at, None, message, help);
        }
    }

    /// Whether the value at this place can be relied on, and all that is in it.
    pub fn sound(&self, at: &KeyPath) -> bool {
        !self.unusable.iter().any(|other| other.0.starts_with(&at.0) || at.0.starts_with(&other.0))
    }

    /// An empty list that knows of the same unusable values.
    pub fn beside(&self) -> Problems {
        Problems { list: Vec::new(), unusable: self.unusable.clone() }
    }

    /// Adds those of another list that aren't in a third.
    pub fn add_without(&mut self, new: Problems, known: &Problems) {
        self.list.extend(new.list.into_iter().filter(|problem| !known.list.contains(problem)));
    }

    /// All of them.
    pub fn into_list(self) -> Vec<Problem> {
        self.list
    }
}

/// Something wrong with a harness file, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name.
    pub file: String,
    /// Line and column, from 1; columns count characters.
    pub position: Option<(usize, usize)>,
    /// The keys that lead to the place; empty if only the text is known.
    pub at: KeyPath,
    /// What is wrong.
    pub message: String,
    /// What to do; may be empty.
    pub help: String,
    excerpt: Option<Excerpt>,
}

impl Diagnostic {
    /// A problem with its line of the file's text, if it has a place there.
    pub(super) fn new(file: &str, excerpt: Option<Excerpt>, problem: Problem) -> Self {
        Diagnostic {
            file: file.to_owned(),
            position: excerpt.as_ref().map(|e| (e.line, e.column)),
            at: problem.at,
            message: printable(&problem.message),
            help: printable(&problem.help),
            excerpt,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        match (self.position, self.at.0.is_empty()) {
            (Some((line, column)), _) => write!(f, ":{line}:{column}")?,
            (None, false) => write!(f, ", {}", self.at)?,
            (None, true) => {}
        }
        write!(f, ": {}", self.message)?;
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        if !self.help.is_empty() {
            let indent = self.excerpt.as_ref().map_or(0, Excerpt::gutter);
            write!(f, "\n{:indent$} = {}", "", self.help)?;
        }
        Ok(())
    }
}

/// The line of a diagnostic, with the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    line: usize,
    column: usize,
    text: String,
    indent: usize,
    width: usize,
}

/// Characters of a line that are shown; longer lines are cut around the place.
const EXCERPT_WIDTH: usize = 110;

impl Excerpt {
    /// The line of a range of bytes; what is in one of `secrets` is covered.
    pub(super) fn new(text: &str, span: Range<usize>, secrets: &[Range<usize>]) -> Self {
        let start = floor_char_boundary(text, span.start);
        let end = floor_char_boundary(text, span.end.max(start));
        let Range { start: line_start, end: line_end } = line_around(text, start);
        let line = line_number(text, start);
        let before = text[line_start..start].chars().count();
        let width = text[start..end.min(line_end)].trim_end().chars().count().max(1);

        let skip = before.saturating_sub(EXCERPT_WIDTH / 2);
        let secrets: Vec<_> = secrets.iter().filter(|s| s.start < line_end && s.end > line_start).collect();
        let cover = |(at, c): (usize, char)| {
            let secret = secrets.iter().any(|range| range.contains(&(line_start + at)));
            if secret && !c.is_whitespace() && !"{}[],='\"".contains(c) { '*' } else { c }
        };
        let line_text = text[line_start..line_end].trim_end();
        let shown: String = line_text.char_indices().skip(skip).take(EXCERPT_WIDTH).map(cover).collect();
        let indent = before - skip;
        let room = shown.chars().count().saturating_sub(indent).max(1);
        Excerpt { line, column: before + 1, text: printable(&shown), indent, width: width.min(room) }
    }

    fn gutter(&self) -> usize {
        self.line.to_string().len()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gutter = self.gutter();
        let caret = "^".repeat(self.width);
        writeln!(f, "{:gutter$} |", "")?;
        writeln!(f, "{} | {}", self.line, self.text)?;
        write!(f, "{:gutter$} | {:indent$}{caret}", "", "", indent = self.indent)
    }
}

/// The line of a place, without its end.
pub(super) fn line_around(text: &str, at: usize) -> Range<usize> {
    let at = floor_char_boundary(text, at);
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    start..text[at..].find('\n').map_or(text.len(), |end| at + end)
}

/// The number of that line, from 1.
pub(super) fn line_number(text: &str, at: usize) -> usize {
    text[..floor_char_boundary(text, at)].matches('\n').count() + 1
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// Control characters as something that does no harm, one for one.
fn printable(text: &str) -> String {
    let harmless = |c: char| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// The word of `known` that is nearest to `word`, if one is near enough to have been meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const NEAR_ENOUGH: f64 = 0.75;
    const GOOD: f64 = 0.9;
    // Jaro's similarity takes time in the product of the lengths; nobody means a known word by so long a one.
    if word.len() > 64 {
        return None;
    }
    let normal = |text: &str| text.to_lowercase().replace('_', "-");
    let word = normal(word);
    let similarity = |candidate: &str| {
        let candidate = normal(candidate);
        // `SIGTERM` for `TERM`: an ending that is a known word was meant, unless nearly the whole of it is another.
        let ending = if candidate.len() >= 3 && word.ends_with(&candidate) { GOOD } else { 0.0 };
        strsim::jaro(&word, &candidate).max(ending)
    };
    known
        .into_iter()
        .map(|candidate| (similarity(candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("a = \"{}\" !", "x".repeat(500));
        let excerpt = Excerpt::new(&text, 507..508, &[]);
        assert_eq!(excerpt.column, 508);
        assert_eq!(excerpt.text.chars().nth(excerpt.indent), Some('!'));
        assert!(excerpt.text.chars().count() <= EXCERPT_WIDTH);
    }

    #[test]
    fn carets_count_characters_not_bytes() {
        let excerpt = Excerpt::new("ä = ö", 5..7, &[]);
        assert_eq!((excerpt.column, excerpt.indent, excerpt.width), (5, 4, 1));
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        let excerpt = Excerpt::new("a\nä", 900..1000, &[]);
        assert_eq!(excerpt.line, 2);
    }

    #[test]
    fn terminal_escapes_are_not_repeated() {
        let excerpt = Excerpt::new("\u{1b}[31mred", 0..1, &[]);
        assert!(!excerpt.to_string().contains('\u{1b}'));
    }

    #[test]
    fn secrets_are_covered_and_the_rest_stays() {
        let text = "x = 1\nä = { T = \"ö=ü\" }";
        let excerpt = Excerpt::new(text, 6..8, &[0..5, 17..24]);
        assert_eq!(excerpt.text, "ä = { T = \"*=*\" }");
    }

    #[test]
    fn typos_find_the_word_that_was_meant() {
        assert_eq!(nearest("wieght", ["name", "weight", "path"]), Some("weight"));
        assert_eq!(nearest("base_url", ["base-url", "seed"]), Some("base-url"));
        assert_eq!(nearest("SIGTERM", ["TERM", "INT"]), Some("TERM"));
        assert_eq!(nearest("loguniform", ["uniform", "log-uniform"]), Some("log-uniform"));
        assert_eq!(nearest("zzz", ["name", "weight"]), None);
    }
}

//! The text of a harness file: parsed once, and kept with the place of each of its values to say where a problem is.

use super::problem::{
    ConfigError, Diagnostic, Excerpt, Key, KeyPath, MOST_TOLD, Problem, Problems, line_around, line_number,
    names_secrets,
};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a harness came from, and which of its tables were laid over its target and services since.
#[derive(Clone, Default)]
pub struct Source {
    file: Arc<File>,
    overlays: Vec<KeyPath>,
}

#[derive(Default)]
struct File {
    name: String,
    text: String,
    places: HashMap<KeyPath, Range<usize>>,
    /// Values of variables and headers, which aren't shown.
    secrets: Vec<Range<usize>>,
}

/// Where it came from is no part of what a harness says.
impl PartialEq for Source {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file.name)
    }
}

impl Source {
    /// Parses a text; `name` is its file's in messages. Returns the whole of it as a table beside.
    ///
    /// # Errors
    /// If it is no TOML.
    pub(super) fn parse<'text>(text: &'text str, name: &str) -> Result<(Self, Spanned<DeValue<'text>>), ConfigError> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let root = Spanned::new(table.span(), DeValue::Table(table.into_inner()));
        let mut file = File { name: name.to_owned(), text: text.to_owned(), ..File::default() };
        file.note_places(&root, KeyPath::default());
        let mut problems = Problems::default();
        file.note_errors(&errors, &mut problems);
        let source = Source { file: Arc::new(file), overlays: Vec::new() };
        source.verdict(problems).map(|()| (source, root))
    }

    /// The table at this place is from now on laid over the target and its services.
    pub(super) fn lay_over(&mut self, table: KeyPath) {
        self.overlays.push(table);
    }

    /// Fails if there are problems, with all of them in the order of the file.
    pub(super) fn verdict(&self, problems: Problems) -> Result<(), ConfigError> {
        let mut list: Vec<(Option<Range<usize>>, Problem)> = Vec::new();
        for problem in problems.into_list() {
            list.push((problem.span.clone().or_else(|| self.find(&problem.at)), problem));
        }
        if list.is_empty() {
            return Ok(());
        }
        list.sort_by_key(|(span, _)| span.as_ref().map_or(usize::MAX, |span| span.start));
        if list.len() > MOST_TOLD {
            list.truncate(MOST_TOLD);
            let message = format!("more is wrong than these {MOST_TOLD} places");
            list.push((None, Problem { at: KeyPath::default(), span: None, message, help: String::new() }));
        }
        let File { name, text, secrets, .. } = &*self.file;
        let shown = list.into_iter().map(|(span, problem)| {
            let excerpt = span.map(|span| Excerpt::new(text, span, secrets));
            Diagnostic::new(name, excerpt, problem)
        });
        Err(ConfigError::Invalid(shown.collect()))
    }

    /// Where the value at a path is in the text; of a path that the file hasn't, the nearest part that it has.
    fn find(&self, path: &KeyPath) -> Option<Range<usize>> {
        let (first, rest) = path.0.split_first()?;
        // What was laid over the target or its services last comes first.
        let under = match first {
            Key::Name(name) if name == "target" => Some(rest),
            Key::Name(name) if name == "services" => Some(&path.0[..]),
            _ => None,
        };
        let overlays = self.overlays.iter().rev();
        let overlaid = overlays.filter_map(|overlay| Some(KeyPath([&overlay.0, under?].concat())));
        let outwards = (0..=path.0.len()).rev().map(|length| KeyPath(path.0[..length].to_vec()));
        overlaid.chain(outwards).find_map(|path| self.file.places.get(&path).cloned())
    }
}

impl File {
    /// Notes the places of a value and of all that is in it.
    fn note_places(&mut self, value: &Spanned<DeValue<'_>>, at: KeyPath) {
        match value.get_ref() {
            DeValue::Table(table) => {
                table.iter().for_each(|(key, value)| self.note_places(value, at.key(key.get_ref())));
            }
            DeValue::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| self.note_places(value, at.index(index)));
            }
            _ if at.holds_secrets() => self.secrets.push(value.span()),
            _ => {}
        }
        self.places.insert(at, value.span());
    }

    /// Notes what is no TOML. What follows on the same line or in the same list is mostly the same mistake.
    fn note_errors(&mut self, errors: &[toml::de::Error], problems: &mut Problems) {
        let mut errors: Vec<_> = errors.iter().map(|error| (error.span().unwrap_or_default(), error)).collect();
        errors.sort_by_key(|(span, _)| span.start);
        let mut told = None;
        for (span, error) in errors {
            if problems.are_enough() {
                return;
            }
            if told.is_some_and(|end| span.start <= end) {
                continue;
            }
            let line = line_around(&self.text, span.start);
            let around = |(path, place): &(&KeyPath, &Range<usize>)| !path.0.is_empty() && place.contains(&span.start);
            let inside: Vec<_> = self.places.iter().filter(around).collect();
            let begins = inside.iter().map(|(_, place)| place.start).min().filter(|start| *start < line.start);
            let help = begins
                .map(|start| format!("see whether what begins in line {} is closed", line_number(&self.text, start)));
            told = inside.iter().map(|(_, place)| place.end).chain([line.end]).max();
            if self.may_be_secret(&line) || inside.iter().any(|(path, _)| path.holds_secrets()) {
                let value = self.text[line.clone()].find('=').map_or(line.start, |at| line.start + at + 1);
                self.secrets.push(value..line.end);
            }
            let message = error.message().trim_end().replace('\n', "; ");
            problems.spoil(KeyPath::default(), Some(span), message, help.unwrap_or_default());
        }
    }

    /// Whether a line that is no TOML may be one of an environment or of headers: it or its heading says so.
    fn may_be_secret(&self, line: &Range<usize>) -> bool {
        let above = self.text[..line.start].lines().rev().find(|line| line.trim_start().starts_with('['));
        let words = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(names_secrets);
        words(&self.text[line.clone()]) || above.is_some_and(words)
    }
}

//! The text of a harness file: parsed once, and kept with the place of each of its values to say where a problem is.

use super::problem::{ConfigError, Diagnostic, Key, KeyPath, MOST_TOLD, Problem, Problems};
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where a harness came from, and which of its tables were laid over its target since.
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
        let mut places = HashMap::new();
        note_places(&root, KeyPath::default(), &mut places);
        let file = File { name: name.to_owned(), text: text.to_owned(), places };
        let source = Source { file: Arc::new(file), overlays: Vec::new() };
        let mut problems = Problems::default();
        // What follows on the same line is mostly the same mistake.
        let line =
            |error: &toml::de::Error| error.span().and_then(|at| Some(text.get(..at.start)?.matches('\n').count()));
        for error in errors.chunk_by(|a, b| line(a) == line(b)).filter_map(|same| same.first()) {
            let message = error.message().trim_end().replace('\n', "; ");
            problems.spoil(KeyPath::default(), error.span(), message, "");
        }
        if text.trim().is_empty() {
            let help = "`seepage schema` says what a harness file holds";
            problems.spoil(KeyPath::default(), Some(0..0), "the file is empty", help);
        }
        source.verdict(problems).map(|()| (source, root))
    }

    /// The table at this place is from now on laid over the target.
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
        let File { name, text, .. } = &*self.file;
        let shown = list.into_iter().map(|(span, problem)| Diagnostic::new(name, text, span, problem));
        Err(ConfigError::Invalid(shown.collect()))
    }

    /// Where the value at a path is in the text; of a path that the file hasn't, the nearest part that it has.
    fn find(&self, path: &KeyPath) -> Option<Range<usize>> {
        let (first, rest) = path.0.split_first()?;
        // What was laid over the target last comes first.
        let of_target = matches!(first, Key::Name(name) if name == "target");
        let overlays = self.overlays.iter().rev().filter(|_| of_target);
        let overlaid = overlays.map(|overlay| KeyPath([&overlay.0, rest].concat()));
        let outwards = (0..=path.0.len()).rev().map(|length| KeyPath(path.0[..length].to_vec()));
        overlaid.chain(outwards).find_map(|path| self.file.places.get(&path).cloned())
    }
}

/// Notes the places of a value and of all that is in it.
fn note_places(value: &Spanned<DeValue<'_>>, at: KeyPath, places: &mut HashMap<KeyPath, Range<usize>>) {
    match value.get_ref() {
        DeValue::Table(table) => {
            table.iter().for_each(|(key, value)| note_places(value, at.key(key.get_ref()), places));
        }
        DeValue::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| note_places(value, at.index(index), places));
        }
        _ => {}
    }
    places.insert(at, value.span());
}

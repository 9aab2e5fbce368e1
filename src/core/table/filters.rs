//! What a table has in the columns that `--where` asks for, where no row has what was asked for.

use super::shown;
use std::collections::{BTreeMap, BTreeSet};

/// Values that are told.
const MOST: usize = 12;

/// Values of what was left out, by the column or label of the filter.
#[derive(Debug, Default)]
pub(super) struct Others(BTreeMap<String, BTreeSet<String>>);

impl Others {
    /// Takes a value; `None` where there is none.
    pub fn saw(&mut self, name: &str, value: Option<&[u8]>) {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), BTreeSet::new());
        }
        if let Some((values, value)) = self.0.get_mut(name).zip(value)
            && values.len() <= MOST
        {
            values.insert(shown(value));
        }
    }

    /// That no row, or no series, has what the filters ask for, and what there is.
    pub fn told(&self, filters: &[(String, String)], what: &str) -> String {
        let one = |(name, value): &(String, String)| {
            let values: Vec<&str> = self.0.get(name).into_iter().flatten().map(String::as_str).collect();
            let has = match values.len() {
                0 => "none at all".to_owned(),
                few if few <= MOST => format!("`{}`", values.join("`, `")),
                _ => format!("`{}` and others", values[..MOST].join("`, `")),
            };
            format!("`{}` is {has}, and never `{}`", shown(name.as_bytes()), shown(value.as_bytes()))
        };
        let wrong = |(name, value): &&(String, String)| {
            self.0.get(name).is_none_or(|values| !values.contains(&shown(value.as_bytes())))
        };
        let all: Vec<String> = filters.iter().filter(wrong).map(one).collect();
        match all.is_empty() {
            true => format!("no {what} has all that --where asks for at once"),
            false => format!("no {what} has what --where asks for: {}", all.join("; ")),
        }
    }
}

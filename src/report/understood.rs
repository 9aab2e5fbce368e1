//! As what a table of another tool was read: told before what follows from it.

use super::text::plain;
use crate::model::{RunRecord, Understood};
use console::measure_text_width;
use schemars::JsonSchema;
use serde::Serialize;

/// Each quantity, the column that it was read from and as what, and at last what was left unused; none of a run.
pub fn rows(record: &RunRecord) -> Vec<[String; 3]> {
    let Some(understood) = &record.meta.understood else { return Vec::new() };
    let unused = (!understood.unused.is_empty()).then(|| {
        const MOST: usize = 12;
        let mut names: Vec<String> = understood.unused.iter().take(MOST).map(|name| plain(name)).collect();
        if understood.unused.len() > MOST {
            names.push(format!("{} more", understood.unused.len() - MOST));
        }
        ["unused".to_owned(), names.join(", "), String::new()]
    });
    let taken = understood.taken.iter().map(|taken| [plain(&taken.what), plain(&taken.column), plain(&taken.how)]);
    taken.chain(unused).collect()
}

/// What a list of [`rows`] is headed.
pub fn heading(record: &RunRecord) -> String {
    format!("{} was read as", plain(&record.meta.name))
}

/// Lines for a terminal, an empty one at their end; none for a run.
pub fn lines(record: &RunRecord) -> String {
    let rows = rows(record);
    if rows.is_empty() {
        return String::new();
    }
    let width = |column: usize| {
        let of_short =
            rows.iter().filter(|row| column == 0 || !row[2].is_empty()).map(|row| measure_text_width(&row[column]));
        of_short.max().unwrap_or(0)
    };
    let widths = [width(0), width(1)];
    let mut out = heading(record) + "\n";
    for row in &rows {
        let pad = |column: usize| " ".repeat(widths[column].saturating_sub(measure_text_width(&row[column])));
        let line = format!("  {}{}  {}{}  {}", row[0], pad(0), row[1], pad(1), row[2]);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
    out
}

// Shared by the two shapes of JSON. No doc comment on what is shared: it would become a part of the published schemas.
#[derive(Serialize, JsonSchema)]
pub(super) struct UnderstoodPart {
    /// What each quantity was read from, the clock first.
    taken: Vec<TakenPart>,
    /// Columns that nothing was read from.
    unused: Vec<String>,
    /// What the memory column holds: `anonymous`, `private`, `proportional`, `resident`, `working set`, `host`, or nothing if its
    /// name doesn't say.
    memory: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct TakenPart {
    /// The quantity: `time`, `memory`, `swap`, `shared`, `beside`, `requests`, `workers`, `program`, `descriptors`, `threads`,
    /// `load`, `rows` or `numbers`.
    what: String,
    /// The column or columns that it was read from; empty if it is in none.
    column: String,
    /// As what it was read: unit and kind, and how they are known.
    how: String,
}

impl From<&Understood> for UnderstoodPart {
    fn from(understood: &Understood) -> Self {
        let taken = understood.taken.iter().map(|taken| TakenPart {
            what: taken.what.clone(),
            column: taken.column.clone(),
            how: taken.how.clone(),
        });
        UnderstoodPart { taken: taken.collect(), unused: understood.unused.clone(), memory: understood.kind.name() }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{MemoryKind, Understood};
    use crate::report::{fixture, html, markdown};

    #[test]
    fn what_was_measured_as_resident_is_headed_so() {
        let (mut record, verdict) = fixture::leak();
        let own = html::render(&record, &verdict).unwrap() + &markdown::render(&record, &verdict);
        assert!(own.to_lowercase().contains("anonymous + swap"));
        record.meta.understood = Some(Box::new(Understood { kind: MemoryKind::Resident, ..Understood::default() }));
        let of_table = html::render(&record, &verdict).unwrap() + &markdown::render(&record, &verdict);
        assert!(!of_table.to_lowercase().contains("anonymous + swap"), "{of_table}");
        assert!(of_table.contains("Resident memory against"));
    }
}

//! What is said first of a fleet.

use super::headline::Headline;

/// How many series came to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Leaks.
    pub leaks: usize,
    /// Those that could not be judged.
    pub failed: usize,
    /// Inconclusive ones.
    pub open: usize,
    /// Those that lived too briefly to say anything.
    pub brief: usize,
    /// Clean ones.
    pub clean: usize,
    /// Whether the server warns that something may be missing.
    pub warned: bool,
}

impl Totals {
    /// All of them.
    pub fn all(&self) -> usize {
        self.leaks + self.failed + self.open + self.brief + self.clean
    }
}

/// What is said first of a fleet, whose surest leak is called `worst` and grows by `growth`.
pub fn headline(totals: &Totals, worst: Option<(&str, &str)>) -> Headline {
    let all = format!("{} series", totals.all());
    let mut others = Vec::new();
    let mut told = |count: usize, what: &str| {
        if count > 0 {
            others.push(format!("{count} {what}"));
        }
    };
    told(totals.leaks, if totals.leaks == 1 { "leaks" } else { "leak" });
    told(totals.failed, "could not be judged");
    told(totals.open, if totals.open == 1 { "is inconclusive" } else { "are inconclusive" });
    told(totals.brief, "lived too briefly to be judged");
    told(totals.clean, if totals.clean == 1 { "is clean" } else { "are clean" });
    let warned = if totals.warned { "; the server warns that something may be missing" } else { "" };
    let of = format!(": of {all} {}{warned}", others.join(", "));
    let (verb, word, rest) = match (totals, worst) {
        (Totals { leaks: 1.., .. }, Some((name, growth))) => {
            ("", "LEAKS", format!("{of}; most surely {name}, by {growth}"))
        }
        (Totals { leaks: 1.., .. }, None) => ("", "LEAKS", of),
        (Totals { failed: 1.., .. } | Totals { warned: true, .. }, _) if totals.all() > 0 => {
            (" is", "NOT JUDGED WHOLE", of)
        }
        (Totals { open: 1.., .. }, _) => (" is", "INCONCLUSIVE", of),
        (Totals { brief: 0, clean: 1.., .. }, _) => (" is", "CLEAN", format!(": {all}, and none leaks")),
        (Totals { clean: 1.., .. }, _) => (" is", "CLEAN", of),
        (Totals { brief: 1.., .. }, _) => (" is", "INCONCLUSIVE", of),
        _ => (" is", "EMPTY", ": no series has a reading".into()),
    };
    Headline {
        name: format!("the fleet{verb}"),
        word,
        rest: format!("{rest}."),
        more: Vec::new(),
        says_why_it_ended: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_told_with_its_numbers() {
        let told = |leaks, failed, open, clean| {
            let worst = (leaks > 0).then_some(("{pod=\"a\"}", "3 MiB/hour"));
            headline(&Totals { leaks, failed, open, clean, ..Totals::default() }, worst).to_string()
        };
        let warned =
            |leaks, clean| headline(&Totals { leaks, clean, warned: true, ..Totals::default() }, None).to_string();
        let brief = |clean| headline(&Totals { brief: 3, clean, ..Totals::default() }, None).to_string();
        let all = [
            told(2, 1, 0, 30),
            told(1, 0, 1, 1),
            told(0, 3, 1, 1),
            told(0, 0, 4, 1),
            told(0, 0, 0, 1),
            told(0, 0, 0, 0),
            brief(4),
            brief(0),
            warned(0, 2),
            warned(1, 2),
            warned(0, 0),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }
}

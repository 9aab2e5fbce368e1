//! How abrupt jumps go on, as it is told.

/// How abrupt jumps are spread over the judged part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JumpPattern {
    /// There are none, or what they add late is small beside the budget.
    None,
    /// One jump up: something was loaded once.
    Single,
    /// They get rarer and smaller: a high-water mark.
    Settling,
    /// They go on.
    GoingOn,
    /// It can't be told.
    Unclear,
}

impl JumpPattern {
    /// Whether no more of them is to be feared.
    pub fn are_over(self) -> bool {
        !matches!(self, JumpPattern::GoingOn | JumpPattern::Unclear)
    }
}

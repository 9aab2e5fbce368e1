//! What is true of a family of series, and which answers are wrong then.

/// What is true of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// Nothing persists.
    Clean,
    /// Growth within the budget persists: "clean" is right, "leak" is wrong.
    Tolerated,
    /// Growth over the budget persists.
    Leak,
    /// Growth by just the budget persists: only "clean" is wrong.
    Edge,
    /// A transient that is still to add more than the budget allows for another such run: both "leak" and "clean" are wrong.
    Growing,
    /// No leak, but no honest rule can prove that: only "leak" is wrong.
    Hard,
    /// A leak under so much noise that no honest rule can prove it: only "clean" is wrong.
    Buried,
}

impl Truth {
    /// Whether "leak" is wrong.
    pub fn is_no_leak(self) -> bool {
        matches!(self, Truth::Clean | Truth::Tolerated | Truth::Hard | Truth::Growing)
    }

    /// Whether "clean" is wrong.
    pub fn is_not_clean(self) -> bool {
        matches!(self, Truth::Leak | Truth::Edge | Truth::Buried | Truth::Growing)
    }
}

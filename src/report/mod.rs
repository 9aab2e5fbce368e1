//! What a run looks like: terminal, charts, HTML, Markdown, JSON, `JUnit`, CSV. Each reads a run record and a verdict.

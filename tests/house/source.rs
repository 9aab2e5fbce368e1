//! The source as its tokens: which paths each file names, wherever they stand: in imports, re-exports, code and macros.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::path::{Path, PathBuf};

/// A file of the crate, with the code that its tests are left out of.
pub struct Source {
    pub file: PathBuf,
    /// Names of its module, from the root of the crate.
    pub module: Vec<String>,
    code: Vec<TokenTree>,
}

/// All files that the root of a crate declares and that aren't tests.
pub fn sources(root: &Path) -> Vec<Source> {
    let mut all = Vec::new();
    read(root, Vec::new(), root.parent().unwrap(), &mut all);
    all
}

/// Reads a file, and those of its modules, which are in `folder`.
fn read(file: &Path, module: Vec<String>, folder: &Path, all: &mut Vec<Source>) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let source = Source { file: file.to_owned(), module, code: code(&text) };
    for name in declared(&source.code) {
        let (below, beside) = (folder.join(&name), folder.join(format!("{name}.rs")));
        let file = if beside.exists() { beside } else { below.join("mod.rs") };
        read(&file, [&source.module[..], &[name]].concat(), &below, all);
    }
    all.push(source);
}

/// Tokens of a text, without the items under `#[cfg(test)]`.
fn code(text: &str) -> Vec<TokenTree> {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut tokens = tokens.into_iter().peekable();
    let mut kept = Vec::new();
    while let Some(token) = tokens.next() {
        let attribute = tokens.peek().filter(|_| is(&token, "#")).map(ToString::to_string);
        if attribute.is_some_and(|text| text.replace(' ', "") == "[cfg(test)]") {
            let _ = tokens.find(|token| is(token, ";") || braces(token).is_some());
        } else {
            kept.push(token);
        }
    }
    kept
}

/// Names of the modules that are files of their own; those with `#[path]` belong to the preload library.
fn declared(code: &[TokenTree]) -> Vec<String> {
    let is_module = |at: usize| is(&code[at], "mod") && is(&code[at + 2], ";");
    let has_path = |at: usize| code[..at].iter().rev().take(3).any(|token| token.to_string().starts_with("[path"));
    let places = (0..code.len().saturating_sub(2)).filter(|at| is_module(*at) && !has_path(*at));
    places.map(|at| code[at + 1].to_string()).collect()
}

fn is(token: &TokenTree, text: &str) -> bool {
    !matches!(token, TokenTree::Group(_)) && token.to_string() == text
}

fn braces(token: &TokenTree) -> Option<Vec<TokenTree>> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group.stream().into_iter().collect()),
        _ => None,
    }
}

impl Source {
    /// A file of this text.
    pub fn of(module: &[&str], text: &str) -> Self {
        let module = module.iter().map(ToString::to_string).collect();
        Source { file: PathBuf::new(), module, code: code(text) }
    }

    /// What the file names of `root`, such as `model` of `crate::model::Series`: the first name after the root. Paths
    /// that climb to the root of the crate by `super` are among those of `crate`.
    pub fn uses(&self, root: &str) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.code, self.module.len(), root, &mut found);
        found
    }

    /// What the file names of the module that it lies in, so many levels below the root of the crate.
    pub fn uses_within(&self, levels: usize) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.code, self.module.len().saturating_sub(levels), "super", &mut found);
        found
    }

    /// What the file names of this module by its path from the root of the crate.
    pub fn uses_of(&self, module: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        from_the_root(&self.code, module, &mut found);
        found
    }

    /// Names that the file exports of its modules, each with the module that it comes from.
    pub fn exports(&self) -> Vec<(String, String)> {
        let imports = (0..self.code.len().saturating_sub(1)).filter(|at| is(&self.code[*at], "use"));
        let of = |at: usize| {
            let module = self.code[at + 1].to_string();
            last(&self.code[at + 2..]).into_iter().map(move |name| (name, module.clone()))
        };
        imports.flat_map(of).collect()
    }

    /// The numbers that are written in the file.
    pub fn numbers(&self) -> Vec<f64> {
        let mut found = Vec::new();
        numbers_of(&self.code, &mut found);
        found
    }

    /// Whether the file calls a macro of this name.
    pub fn calls(&self, name: &str) -> bool {
        called(&self.code, name)
    }
}

/// Fields of tuples and lengths of arrays are none.
fn numbers_of(code: &[TokenTree], found: &mut Vec<f64>) {
    for (at, token) in code.iter().enumerate() {
        let after = |text: &str| at > 0 && is(&code[at - 1], text);
        match token {
            TokenTree::Group(group) => numbers_of(&group.stream().into_iter().collect::<Vec<_>>(), found),
            TokenTree::Literal(_) if after(".") || after(";") || after("<") => {}
            TokenTree::Literal(literal) => {
                let text = literal.to_string().replace('_', "");
                // Without its type, such as `f64`.
                found.extend(text.split(['f', 'u', 'i']).next().and_then(|bare| bare.parse::<f64>().ok()));
            }
            _ => {}
        }
    }
}

fn called(code: &[TokenTree], name: &str) -> bool {
    let pairs = code.windows(2).any(|pair| is(&pair[0], name) && is(&pair[1], "!"));
    let mut groups =
        code.iter().filter_map(|token| if let TokenTree::Group(group) = token { Some(group) } else { None });
    pairs || groups.any(|group| called(&group.stream().into_iter().collect::<Vec<_>>(), name))
}

/// `depth` is how many times `super` leads from here to the root of the crate.
fn walk(code: &[TokenTree], depth: usize, root: &str, found: &mut Vec<String>) {
    for (at, token) in code.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            let is_module = at >= 2 && is(&code[at - 2], "mod") && group.delimiter() == Delimiter::Brace;
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            walk(&inner, depth + usize::from(is_module), root, found);
        }
        let continues = at >= 2 && is(&code[at - 1], ":") && is(&code[at - 2], ":");
        if is(token, root) && root != "super" && !continues {
            found.extend(after(&code[at + 1..]));
        } else if ["crate", "super"].contains(&root) && is(token, "super") && !continues {
            let rest = &code[at..];
            let climbed = rest.chunks(3).take_while(|step| is(&step[0], "super")).count();
            if climbed == depth {
                found.extend(after(&rest[(3 * climbed - 2).min(rest.len())..]));
            }
        }
    }
}

fn from_the_root(code: &[TokenTree], module: &[String], found: &mut Vec<String>) {
    for (at, token) in code.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            from_the_root(&group.stream().into_iter().collect::<Vec<_>>(), module, found);
        } else if is(token, "crate") {
            found.extend(below(&code[at + 1..], module));
        }
    }
}

/// The names that follow `::` and these modules.
fn below(code: &[TokenTree], modules: &[String]) -> Vec<String> {
    let Some((first, rest)) = modules.split_first() else { return after(code) };
    let [_, _, name, ..] = code else { return Vec::new() };
    match braces(name) {
        Some(group) => {
            let parts = group.split(|token| is(token, ","));
            parts
                .filter(|part| part.first().is_some_and(|name| is(name, first)))
                .flat_map(|part| below(&part[1..], rest))
                .collect()
        }
        None if is(name, first) => below(&code[3..], rest),
        None => Vec::new(),
    }
}

/// The names at the end of a path of modules.
fn last(code: &[TokenTree]) -> Vec<String> {
    let further = |code: &[TokenTree]| code.len() > 5 && is(&code[3], ":") && is(&code[4], ":");
    if further(code) { last(&code[3..]) } else { after(code) }
}

/// The names that follow `::`: one, or those of a group.
fn after(code: &[TokenTree]) -> Vec<String> {
    let [first, second, name, ..] = code else { return Vec::new() };
    if !is(first, ":") || !is(second, ":") {
        return Vec::new();
    }
    match braces(name) {
        Some(group) => group.split(|token| is(token, ",")).filter_map(|part| Some(part.first()?.to_string())).collect(),
        None => vec![name.to_string()],
    }
}

#[test]
fn paths_are_seen_wherever_they_stand_and_tests_are_left_out() {
    let text = "
        use crate::{config, engine::{self, Run}};
        pub use crate::report::Format;
        use {std::fs, crate::store};
        fn f(x: crate::probe::Worker) -> bool { matches!(x, crate::workload::A) && super::super::apache::g() }
        pub(crate) fn g() { super::near(); std::{time::Instant::now(), net::connect()} }
        // crate::comment
        mod inner { use super::super::super::table; }
        #[cfg(test)]
        mod tests { use crate::bisect; }
        #[cfg(test)]
        use crate::compare;
    ";
    let source = Source::of(&["a", "b"], text);
    let expected = ["config", "engine", "report", "store", "probe", "workload", "apache", "table"];
    assert_eq!(source.uses("crate"), expected);
    assert_eq!(source.uses("std"), ["fs", "time", "net"]);
    let module = ["report".to_owned()];
    assert_eq!(source.uses_of(&module), ["Format"]);
    assert_eq!(source.uses_of(&[]), ["config", "engine", "report", "store", "probe", "workload"]);
    assert_eq!(source.uses_of(&["engine".to_owned()]), ["self", "Run"]);
    assert!(source.calls("matches") && !source.calls("println"));
    let numbers = "fn f() { g(1_000u64, 2.5, [3; 4]) * 1e-9f64 } // 7\n#[cfg(test)] mod tests { const X: u8 = 9; }";
    let source = Source::of(&[], numbers);
    assert_eq!(source.numbers(), [1000.0, 2.5, 3.0, 1e-9]);
}

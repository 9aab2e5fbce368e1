//! The pages of the project lead where they say: every link to a file or a heading, and every path that is named.

use regex::Regex;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Folders at the top whose files a page may name by their path from there.
const TOP: [&str; 10] =
    ["benches", "docs", "examples", "fuzz", "harness-configs", "preload", "reports", "scripts", "src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files below `directory`, but for what isn't the project's own: what was built, and runs that land in `reports`.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            let foreign = name.starts_with('.') || name == "target" || name == "node_modules";
            let run = directory == root().join("reports") && name != "sample";
            if !foreign && !run {
                found.extend(pages(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The paragraphs of a page, without the blocks that are code.
fn paragraphs(page: &str) -> Vec<String> {
    let (mut paragraphs, mut fenced) = (vec![String::new()], false);
    for line in page.lines() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if fence || fenced || line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(paragraph) = paragraphs.last_mut() {
            paragraph.push_str(line);
            paragraph.push('\n');
        }
    }
    paragraphs
}

/// What stands in a paragraph as code.
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("``.+?``|`([^`]+)`").unwrap());

/// Where the links of a page lead to.
fn links(page: &str) -> Vec<String> {
    static INLINE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"\]\(\s*([^\s)]+)(?:\s+"[^"]*")?\s*\)"#).unwrap());
    static DEFINED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^ {0,3}\[[^\]]+\]:\s+(\S+)").unwrap());
    let mut found = Vec::new();
    for paragraph in paragraphs(page) {
        let text = CODE.replace_all(&paragraph, "");
        let all = INLINE.captures_iter(&text).chain(DEFINED.captures_iter(&text));
        found.extend(all.map(|link| link[1].trim_matches(['<', '>']).to_owned()));
    }
    found
}

/// The names by which links call the headings of a page, as GitHub makes them.
fn anchors(page: &str) -> HashSet<String> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap());
    let mut anchors = HashSet::new();
    for line in paragraphs(page).iter().flat_map(|paragraph| paragraph.lines()) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let words = LINK.replace_all(title.trim(), "$1").to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = (1..).map(|n| format!("{anchor}-{n}"));
        let free = std::iter::once(anchor.clone()).chain(same).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

/// What is wrong with a link of `page`, if anything is. Links to elsewhere aren't looked at.
fn fault(page: &Path, link: &str) -> Option<String> {
    if link.split_once(':').is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric())) {
        return None;
    }
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if Path::new(file).is_absolute() {
        return Some("leads to the root of whoever reads it: begin at the page".into());
    }
    if !target.exists() {
        return Some("there is no such file".into());
    }
    let heading = heading?;
    if target.extension().is_none_or(|extension| extension != "md") {
        return Some("only a Markdown file has headings".into());
    }
    let there = anchors(&std::fs::read_to_string(&target).unwrap());
    (!there.contains(heading)).then(|| format!("has no such heading, only {}", sorted(there).join(", ")))
}

fn sorted(anchors: HashSet<String>) -> Vec<String> {
    let mut all: Vec<_> = anchors.into_iter().collect();
    all.sort();
    all
}

/// Paths of the project that a page names as code.
fn named_paths(page: &str) -> Vec<String> {
    let named = |text: &str| {
        let inside = text.split_once('/').is_some_and(|(top, rest)| TOP.contains(&top) && !rest.is_empty());
        inside && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c)) && !text.contains("NAME")
    };
    let mut found = Vec::new();
    for paragraph in paragraphs(page) {
        found.extend(CODE.captures_iter(&paragraph).filter_map(|code| Some(code.get(1)?.as_str().to_owned())));
    }
    found.retain(|text| named(text));
    found
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut wrong = Vec::new();
    for page in pages(root()) {
        for link in links(&std::fs::read_to_string(&page).unwrap()) {
            if let Some(fault) = fault(&page, &link) {
                wrong.push(format!("{}: `{link}`: {fault}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_page_says_for_whom_it_is_and_stands_in_the_index() {
    let folder = root().join("docs");
    let index = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for page in pages(&folder).iter().filter(|page| page.parent() == Some(&folder) && !page.ends_with("README.md")) {
        let name = page.file_name().unwrap().to_string_lossy();
        let text = std::fs::read_to_string(page).unwrap();
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("For whoever ")), "docs/{name}");
        assert!(index.contains(&format!("]({name})")), "docs/README.md lacks {name}");
    }
}

#[test]
fn every_path_that_a_page_names_is_there() {
    let mut wrong = Vec::new();
    for page in pages(root()) {
        for path in named_paths(&std::fs::read_to_string(&page).unwrap()) {
            if !root().join(&path).exists() && !page.parent().unwrap().join(&path).exists() {
                wrong.push(format!("{}: `{path}`: there is no such file", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pages_are_found_and_runs_are_not() {
    let found: Vec<_> = pages(root()).iter().map(|path| path.strip_prefix(root()).unwrap().to_owned()).collect();
    for page in ["README.md", "docs/verdict.md", "docs/decisions/README.md", "fuzz/README.md", "reports/README.md"] {
        assert!(found.contains(&PathBuf::from(page)), "{page} is not among {found:?}");
    }
}

#[test]
fn links_are_read_wherever_they_stand() {
    let page = "See [a\nb](one.md), ![c](<two.png> \"title\") and [d].\n\n[d]: three.md#part\n\n`[no](code)` and\n\n\
                ```\n[no](block)\n```\n- [e](https://example.org/)\n";
    assert_eq!(links(page), ["one.md", "two.png", "three.md#part", "https://example.org/"]);
}

#[test]
fn headings_have_the_names_that_links_use() {
    let page = "# How `it` works, [really](x.md)\ntext\n## Same\n## Same\n#no heading\n```\n# code\n```\n";
    assert_eq!(sorted(anchors(page)), ["how-it-works-really", "same", "same-1"]);
}

#[test]
fn a_link_that_leads_nowhere_is_a_fault() {
    let page = root().join("README.md");
    for link in ["docs/verdict.md", "docs/verdict.md#the-rule", "#use", "harness-configs", "https://example.org/x#y"] {
        assert_eq!(fault(&page, link), None, "{link}");
    }
    for link in ["docs/nothing.md", "docs/verdict.md#nothing", "#nothing", "Cargo.toml#package", "/README.md"] {
        assert!(fault(&page, link).is_some(), "{link}");
    }
}

#[test]
fn paths_are_told_from_other_code() {
    let page =
        "`src/lib.rs`, `tests/accuracy`, `fuzz/corpus/NAME/`, `src/*.rs`, `scripts/test.sh --fast`, `and/or`, `src/`";
    assert_eq!(named_paths(page), ["src/lib.rs", "tests/accuracy"]);
}

//! The text of a configuration: includes put in their places, directives found and taken out.
//!
//! Pure but for the [`Files`] that it is given. Lines that are taken out become comments, so that line numbers stay.

use regex::Regex;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// How deep includes may nest, and how long the whole may get, in bytes.
const DEEPEST: usize = 20;
const LONGEST: usize = 16 << 20;

/// What is read from the file system.
pub trait Files {
    /// The text of a file; `None` if it can't be read.
    fn read(&self, path: &Path) -> Option<String>;
    /// The names in a directory; `None` if it isn't one.
    fn list(&self, path: &Path) -> Option<Vec<String>>;
}

/// A configuration in one piece: directives in order, each with the line breaks that continue it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conf {
    lines: Vec<String>,
}

/// A directive that loads a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its name, such as `upload_module`.
    pub module: String,
    /// Its place among the directives.
    pub at: usize,
}

impl Conf {
    /// Reads the configuration at `path` with what it includes. `root` is the server's root unless a `ServerRoot` says
    /// otherwise, `env` the variables that `${...}` may name.
    ///
    /// An include that can't be followed stays as it is: the server then says itself what is wrong with it. `None` if
    /// the file can't be read, or all of it is too long.
    pub fn read(files: &dyn Files, path: &Path, root: &Path, env: &BTreeMap<String, String>) -> Option<Self> {
        let mut reader = Reader { files, root: root.to_owned(), variables: env.clone(), lines: Vec::new(), length: 0 };
        reader.file(path, 0)?;
        Some(Conf { lines: reader.lines })
    }

    /// The directives that load modules.
    pub fn loaded(&self) -> Vec<Loaded> {
        let module = |line: &String| {
            let (name, arguments) = directive(line)?;
            name.eq_ignore_ascii_case("LoadModule").then(|| arguments.first().cloned()).flatten()
        };
        self.lines.iter().enumerate().filter_map(|(at, line)| Some(Loaded { module: module(line)?, at })).collect()
    }

    /// The place of the directive that this line of [`Conf::text`] belongs to, from 1.
    pub fn at_line(&self, line: usize) -> Option<usize> {
        let mut ends = self.lines.iter().scan(0, |end, text| {
            *end += 1 + text.matches('\n').count();
            Some(*end)
        });
        ends.position(|end| line >= 1 && line <= end)
    }

    /// Takes a directive out, a section with all that is in it, and returns what went, without comments.
    pub fn take_out(&mut self, at: usize) -> Vec<String> {
        let end = self.section_end(at).unwrap_or(at);
        let mut gone = Vec::new();
        for line in self.lines.iter_mut().skip(at).take(end + 1 - at) {
            if directive(line).is_some() {
                gone.push(line.trim().to_owned());
                *line = line
                    .split('\n')
                    .map(|l| format!("# off: {}", l.trim_end_matches('\\')))
                    .collect::<Vec<_>>()
                    .join("\n");
            }
        }
        gone
    }

    /// Where the section that begins at a place ends; `None` if it is no section, or never ends.
    fn section_end(&self, at: usize) -> Option<usize> {
        let name = |line: &str| {
            let (name, _) = directive(line)?;
            name.strip_prefix('<').map(|n| n.trim_end_matches('>').to_ascii_lowercase())
        };
        let section = name(self.lines.get(at)?).filter(|n| !n.starts_with('/'))?;
        let mut depth = 0usize;
        for (index, line) in self.lines.iter().enumerate().skip(at) {
            match name(line) {
                Some(n) if n == section => depth += 1,
                Some(n) if n.strip_prefix('/') == Some(&section) => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// The whole configuration.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }
}

/// The name and the arguments of a directive; `None` for comments and empty lines. `<IfModule x>` is a name `<IfModule`.
fn directive(line: &str) -> Option<(String, Vec<String>)> {
    let line = line.replace("\\\n", " ");
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = words(line).into_iter();
    Some((words.next()?, words.collect()))
}

/// Words, with quotes taken off.
fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if first == '"' || first == '\'' {
            let inner = &rest[1..];
            inner.split_once(first).unwrap_or((inner, ""))
        } else {
            rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
        };
        out.push(word.to_owned());
        rest = after.trim_start();
    }
    out
}

struct Reader<'a> {
    files: &'a dyn Files,
    root: PathBuf,
    variables: BTreeMap<String, String>,
    lines: Vec<String>,
    length: usize,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, depth: usize) -> Option<()> {
        let text = self.files.read(path)?;
        let mut pending = String::new();
        for line in text.lines() {
            pending.push_str(line);
            // A backslash at the end continues a directive, of a comment too.
            if line.ends_with('\\') {
                pending.push('\n');
                continue;
            }
            self.line(std::mem::take(&mut pending), depth)?;
        }
        if pending.is_empty() { Some(()) } else { self.line(pending, depth) }
    }

    fn line(&mut self, line: String, depth: usize) -> Option<()> {
        if let Some((name, arguments)) = directive(&line) {
            let first = arguments.first().map(|a| self.expand(a));
            match (name.to_ascii_lowercase().as_str(), first) {
                ("serverroot", Some(root)) => self.root = self.root.join(root),
                ("define", Some(name)) => {
                    let value = arguments.get(1).map_or_else(String::new, |v| self.expand(v));
                    self.variables.insert(name, value);
                }
                ("include" | "includeoptional", Some(pattern)) if depth < DEEPEST => {
                    let found = self.matching(&self.root.join(pattern));
                    if !found.is_empty() && found.iter().all(|path| self.files.read(path).is_some()) {
                        for path in found {
                            self.push(format!("# from {}", path.display()))?;
                            self.file(&path, depth + 1)?;
                        }
                        return Some(());
                    }
                }
                _ => {}
            }
        }
        self.push(line)
    }

    fn push(&mut self, line: String) -> Option<()> {
        self.length += line.len() + 1;
        self.lines.push(line);
        (self.length <= LONGEST).then_some(())
    }

    /// The variables of a text replaced, as far as they are known.
    fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            match after.split_once('}').and_then(|(name, after)| Some((self.variables.get(name)?, after))) {
                Some((value, after)) => {
                    out.push_str(value);
                    rest = after;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// The files of an include: a file, all files below a directory, or those that match a pattern; sorted by name.
    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::new()];
        for part in pattern.components() {
            let Component::Normal(name) = part else {
                found.iter_mut().for_each(|p| p.push(part));
                continue;
            };
            let name = name.to_string_lossy();
            if !name.contains(['*', '?', '[']) {
                found.iter_mut().for_each(|p| p.push(name.as_ref()));
                continue;
            }
            let Some(wanted) = wildcard(&name) else { return Vec::new() };
            found = found
                .iter()
                .flat_map(|p| {
                    let mut names = self.files.list(p).unwrap_or_default();
                    // A leading dot has to be written out.
                    names.retain(|n| wanted.is_match(n) && (!n.starts_with('.') || name.starts_with('.')));
                    names.sort();
                    names.into_iter().map(|n| p.join(n)).collect::<Vec<_>>()
                })
                .collect();
        }
        found.into_iter().flat_map(|path| self.files_below(path, 0)).collect()
    }

    fn files_below(&self, path: PathBuf, depth: usize) -> Vec<PathBuf> {
        match self.files.list(&path) {
            None => vec![path],
            Some(_) if depth > DEEPEST => Vec::new(),
            Some(mut names) => {
                names.sort();
                names.into_iter().flat_map(|name| self.files_below(path.join(name), depth + 1)).collect()
            }
        }
    }
}

/// A shell pattern for one name as a regular expression.
fn wildcard(pattern: &str) -> Option<Regex> {
    let mut out = String::from("^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let class: String = chars.by_ref().take_while(|c| *c != ']').collect();
                let (not, class) = class.strip_prefix(['!', '^']).map_or(("", &class[..]), |rest| ("^", rest));
                out.push_str(&format!("[{not}{}]", class.replace('\\', "\\\\").replace('[', "\\[")));
            }
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    Regex::new(&out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Files by path; directories are those that a path leads through.
    struct Made(BTreeMap<&'static str, &'static str>);

    impl Files for Made {
        fn read(&self, path: &Path) -> Option<String> {
            self.0.get(path.to_str()?).map(|text| (*text).to_owned())
        }

        fn list(&self, path: &Path) -> Option<Vec<String>> {
            let prefix = format!("{}/", path.to_str()?.trim_end_matches('/'));
            let mut names: Vec<String> =
                self.0.keys().filter_map(|p| Some(p.strip_prefix(&prefix)?.split('/').next()?.to_owned())).collect();
            names.dedup();
            (!names.is_empty()).then_some(names)
        }
    }

    fn debian() -> Conf {
        let files = Made(BTreeMap::from([
            (
                "/etc/apache2/apache2.conf",
                "# IncludeOptional nothing\nInclude ${CONF}/mods-enabled/*.load\nIncludeOptional mods-enabled/*.conf\n\
                 IncludeOptional conf.d/*.conf\nInclude \"/srv/site.conf\"\nListen 80",
            ),
            ("/etc/apache2/mods-enabled/a.load", "LoadModule a_module /usr/lib/mod_a.so\n"),
            (
                "/etc/apache2/mods-enabled/b.load",
                "  loadmodule b_module \\\n    \"/usr/lib/mod_b.so\"\n# LoadModule c_module x\n",
            ),
            (
                "/etc/apache2/mods-enabled/b.conf",
                "<Location \"/b\">\n  BOn\n  <Limit GET>\n  </Limit>\n</Location>\nBOff\n",
            ),
            ("/srv/site.conf", "DocumentRoot /srv\n"),
        ]));
        let env = BTreeMap::from([("CONF".to_owned(), "/etc/apache2".to_owned())]);
        Conf::read(&files, Path::new("/etc/apache2/apache2.conf"), Path::new("/etc/apache2"), &env).unwrap()
    }

    #[test]
    fn includes_are_followed_the_debian_way() {
        let conf = debian();
        let modules: Vec<String> = conf.loaded().into_iter().map(|l| l.module).collect();
        assert_eq!(modules, ["a_module", "b_module"]);
        let text = conf.text();
        assert!(text.contains("IncludeOptional conf.d/*.conf\n"), "what matches nothing stays: {text}");
        assert!(text.contains("# from /srv/site.conf\nDocumentRoot /srv\nListen 80\n"), "{text}");
    }

    #[test]
    fn what_is_taken_out_leaves_its_lines() {
        let mut conf = debian();
        let lines = conf.text().lines().count();
        let b = conf.loaded().pop().unwrap();
        assert_eq!(conf.take_out(b.at).len(), 1);
        let line = conf.text().lines().position(|l| l.starts_with("<Location")).unwrap() + 1;
        let at = conf.at_line(line).unwrap();
        assert_eq!(conf.take_out(at), ["<Location \"/b\">", "BOn", "<Limit GET>", "</Limit>", "</Location>"]);
        assert_eq!(conf.text().lines().count(), lines);
        assert_eq!(conf.loaded().len(), 1);
        assert!(conf.text().contains("\nBOff\n") && !conf.text().contains("\n  BOn"));
    }

    #[test]
    fn lines_belong_to_the_directives_they_continue() {
        let files = Made(BTreeMap::from([("/c", "A \\\n 1\nB 2\n")]));
        let conf = Conf::read(&files, Path::new("/c"), Path::new("/"), &BTreeMap::new()).unwrap();
        assert_eq!((1..=4).map(|l| conf.at_line(l)).collect::<Vec<_>>(), [Some(0), Some(0), Some(1), None]);
        assert_eq!(conf.at_line(0), None);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let files = Made(BTreeMap::from([("/c", "A 1\nInclude c\n")]));
        let conf = Conf::read(&files, Path::new("/c"), Path::new("/"), &BTreeMap::new()).unwrap();
        assert_eq!(conf.text().matches("A 1").count(), DEEPEST + 1);
    }

    #[test]
    fn wildcards_are_those_of_a_shell() {
        for (pattern, name, fits) in [
            ("*.conf", "a.conf", true),
            ("*.conf", "a.confx", false),
            ("a?.load", "ab.load", true),
            ("[ab]*", "box", true),
            ("[!ab]*", "box", false),
        ] {
            assert_eq!(wildcard(pattern).unwrap().is_match(name), fits, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([<>/"'\\#\n ]|Include|LoadModule|Define|\$\{|a|\*){0,40}"#, at in 0usize..20) {
            struct One(String);
            impl Files for One {
                fn read(&self, path: &Path) -> Option<String> {
                    (path == Path::new("/c")).then(|| self.0.clone())
                }
                fn list(&self, _: &Path) -> Option<Vec<String>> {
                    None
                }
            }
            let mut conf = Conf::read(&One(text), Path::new("/c"), Path::new("/"), &BTreeMap::new()).unwrap();
            let lines = conf.text().matches('\n').count();
            conf.loaded();
            conf.take_out(at);
            prop_assert_eq!(conf.text().matches('\n').count(), lines);
        }
    }
}

//! The runtime of a language that what grows runs in, as the files that it has mapped tell: what it keeps in its own heap, only it can say.

use crate::answer::{Finding, Note, Runtime};
use crate::model::{MapReading, PlaceKind, RunRecord};
use crate::places::growing;

/// How the names of files begin that only programs of a runtime have mapped.
const FILES: [(&str, Runtime); 11] = [
    ("libjvm.so", Runtime::Java),
    ("libcoreclr.so", Runtime::DotNet),
    ("libnode.so", Runtime::Node),
    ("libphp", Runtime::Php),
    ("libpython", Runtime::Python),
    ("libruby", Runtime::Ruby),
    ("nodejs", Runtime::Node),
    ("node", Runtime::Node),
    ("php", Runtime::Php),
    ("python", Runtime::Python),
    ("ruby", Runtime::Ruby),
];

/// Whom to ask next about the growth of memory that this `finding` shows; `None` if no runtime is known that could tell.
pub fn next_step(record: &RunRecord, finding: &Finding) -> Option<Note> {
    growing(finding).into_iter().find_map(|worker| {
        let runtime = record.maps.iter().filter(|map| map.worker == worker).find_map(runtime)?;
        Some(Note::NextStep { runtime, pid: worker.pid })
    })
}

/// The runtime of the process whose map this is.
fn runtime(map: &MapReading) -> Option<Runtime> {
    let places = map.places.as_ref()?;
    let files = places.iter().filter(|place| matches!(place.kind, PlaceKind::File | PlaceKind::Deleted));
    let names: Vec<&str> = files.filter_map(|place| place.name.as_deref()?.rsplit('/').next()).collect();
    let by_file = FILES.iter().find(|(begin, _)| names.iter().any(|name| is_named(name, begin)));
    let is_go = || places.iter().any(|place| place.kind == PlaceKind::GoHeap);
    by_file.map(|(_, runtime)| *runtime).or_else(|| is_go().then_some(Runtime::Go))
}

/// Whether a file's name is this, perhaps with a version: `python3.11`, `php-fpm8.2`, `libruby-3.1.so.3.1`, but not `nodes`.
fn is_named(name: &str, begin: &str) -> bool {
    let is_version = |rest: &&str| rest.starts_with(|c: char| c.is_ascii_digit());
    let rest = name.strip_prefix(begin).map(|rest| rest.strip_prefix("-fpm").unwrap_or(rest));
    let rest = rest.map(|rest| rest.strip_prefix('-').filter(is_version).unwrap_or(rest));
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-' || c == '_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Place;

    #[test]
    fn a_runtime_is_told_by_its_files() {
        let map = |kind: PlaceKind, name: Option<&str>| {
            let file =
                Place { kind, name: name.map(str::to_owned), up_to: None, mappings: 1, own: 4096, shared: 0, huge: 0 };
            let heap = Place { kind: PlaceKind::Heap, name: None, ..file.clone() };
            let run = crate::fixture::run::clean();
            runtime(&MapReading::after(&run.samples[0], Some(vec![heap, file])))
        };
        for (name, expected) in [
            ("/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so", Some(Runtime::Java)),
            ("/usr/bin/node", Some(Runtime::Node)),
            ("/usr/bin/python3.11", Some(Runtime::Python)),
            ("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0", Some(Runtime::Python)),
            ("/usr/sbin/php-fpm8.2", Some(Runtime::Php)),
            ("/usr/lib/apache2/modules/libphp8.2.so", Some(Runtime::Php)),
            ("/usr/bin/ruby3.1", Some(Runtime::Ruby)),
            ("/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", Some(Runtime::Ruby)),
            ("/usr/bin/node-exporter", None),
            ("/usr/share/dotnet/libcoreclr.so", Some(Runtime::DotNet)),
            ("/usr/bin/nodes", None),
            ("/usr/bin/node_exporter", None),
            ("/usr/bin/phpmyadmin", None),
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", None),
        ] {
            assert_eq!(map(PlaceKind::File, Some(name)), expected, "{name}");
        }
        assert_eq!(map(PlaceKind::GoHeap, None), Some(Runtime::Go));
    }
}

//! Control groups by what runs in them: a unit of systemd, or a container of Docker, podman, containerd or CRI-O.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Hierarchies are nested no deeper, and have no more groups, than is looked through.
const DEEPEST: usize = 16;
const MOST_GROUPS: usize = 100_000;

/// Where engines keep what they know of their containers, below the root of the file system or a user's home.
const DOCKER: &str = "var/lib/docker/containers";
const STORAGE: [&str; 2] = ["var/lib/containers/storage", ".local/share/containers/storage"];

/// Where the hierarchies of control groups are mounted, that of systemd first.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|p| p.mountinfo()).map_or_else(|_| Vec::new(), |m| m.0);
    let mut found: Vec<_> = mounts.into_iter().filter(|m| m.fs_type == "cgroup" || m.fs_type == "cgroup2").collect();
    found.sort_by_key(|m| !(m.fs_type == "cgroup2" || m.super_options.contains_key("name")));
    found.into_iter().map(|m| m.mount_point).collect()
}

/// Directories of the control groups of a unit of systemd, in the first of the `hierarchies` that has any; a name without an
/// ending is that of a service.
pub fn unit_groups(hierarchies: &[PathBuf], name: &str) -> Vec<PathBuf> {
    let name = unit_name(name);
    let is_unit = |group: &str| group == name || group.strip_prefix('_') == Some(&name);
    let found = hierarchies.iter().map(|root| groups(root, |group| is_unit(group).then_some(())));
    let first = found.into_iter().find(|found| !found.is_empty());
    first.unwrap_or_default().into_iter().map(|((), path)| path).collect()
}

/// The whole name of a unit.
pub fn unit_name(name: &str) -> String {
    const ENDINGS: [&str; 4] = [".service", ".scope", ".slice", ".socket"];
    if ENDINGS.iter().any(|ending| name.ends_with(ending)) { name.to_owned() } else { format!("{name}.service") }
}

/// Containers whose ID begins with `prefix`, each with the directory of its control group in the first of the `hierarchies`
/// that has any.
pub fn container_groups(hierarchies: &[PathBuf], prefix: &str) -> BTreeMap<String, PathBuf> {
    let prefix = prefix.to_ascii_lowercase();
    let of = |group: &str| container_id(group).filter(|id| id.starts_with(&prefix)).map(str::to_owned);
    let found = hierarchies.iter().map(|root| groups(root, of)).find(|found| !found.is_empty());
    let mut by_id = BTreeMap::new();
    for (id, path) in found.unwrap_or_default() {
        by_id.entry(id).or_insert(path);
    }
    by_id
}

/// The ID of the container whose control group has this name: `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`,
/// `crio-ID.scope`, `nerdctl-ID.scope`, or the bare ID. The process beside a container that watches it has a group of another
/// name.
pub fn container_id(group: &str) -> Option<&str> {
    const ENGINES: [&str; 5] = ["docker-", "libpod-", "cri-containerd-", "crio-", "nerdctl-"];
    let name = group.strip_suffix(".scope").unwrap_or(group);
    let id = ENGINES.iter().find_map(|engine| name.strip_prefix(engine)).unwrap_or(name);
    let is_id = id.len() == 64 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_id.then_some(id)
}

/// IDs of the containers called `name`, as Docker's and podman's state below these roots has them, and what of that could not be
/// read.
pub fn containers_called(roots: &[PathBuf], name: &str) -> (Vec<String>, Vec<String>) {
    let (mut ids, mut unread) = (Vec::new(), Vec::new());
    let mut read = |path: &Path| -> Option<Value> {
        let text = fs::read(path).inspect_err(|error| {
            // Beside the directories of engines are files of theirs, such as locks.
            if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                unread.push(format!("{}: {error}", path.display()));
            }
        });
        serde_json::from_slice(&text.ok()?).ok()
    };
    for root in roots {
        for entry in fs::read_dir(root.join(DOCKER)).into_iter().flatten().flatten() {
            let Some(state) = read(&entry.path().join("config.v2.json")) else { continue };
            let called = state["Name"].as_str().map(|called| called.trim_start_matches('/'));
            ids.extend(state["ID"].as_str().filter(|_| called == Some(name)).map(str::to_owned));
        }
        for storage in STORAGE {
            for driver in fs::read_dir(root.join(storage)).into_iter().flatten().flatten() {
                let state = read(&driver.path().join("containers.json"));
                for container in state.as_ref().and_then(Value::as_array).into_iter().flatten() {
                    let called = container["names"].as_array().into_iter().flatten().any(|called| called == name);
                    ids.extend(container["id"].as_str().filter(|_| called).map(str::to_owned));
                }
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    (ids, unread)
}

/// Groups below `root` whose name means something, with what it means.
fn groups<T>(root: &Path, meaning: impl Fn(&str) -> Option<T>) -> Vec<(T, PathBuf)> {
    let mut found = Vec::new();
    let mut next = vec![(root.to_owned(), 0)];
    let mut seen = 0;
    while let Some((directory, depth)) = next.pop() {
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || seen == MOST_GROUPS {
                continue;
            }
            seen += 1;
            if let Some(meaning) = entry.file_name().to_str().and_then(&meaning) {
                found.push((meaning, entry.path()));
            }
            if depth < DEEPEST {
                next.push((entry.path(), depth + 1));
            }
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "01ff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn tree(paths: &[String]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        paths.iter().for_each(|path| fs::create_dir_all(root.path().join(path)).unwrap());
        root
    }

    #[test]
    fn units_are_found_wherever_systemd_puts_them() {
        let root = tree(&[
            "system.slice/shop.service/worker".into(),
            "system.slice/system-getty.slice/getty@tty1.service".into(),
            "user.slice/user-1000.slice/user@1000.service/app.slice/shop.service".into(),
            "user.slice/user-1000.slice/user@1000.service/app.slice/_cpu.service".into(),
        ]);
        let found = |name: &str| unit_groups(&["/no/such".into(), root.path().to_owned()], name);
        let below = |path: &str| root.path().join(path);
        assert_eq!(found("shop").len(), 2);
        assert_eq!(found("shop.service")[0], below("system.slice/shop.service"));
        assert_eq!(found("getty@tty1"), [below("system.slice/system-getty.slice/getty@tty1.service")]);
        assert_eq!(found("user-1000.slice").len(), 1);
        assert_eq!(found("cpu").len(), 1, "systemd escapes what could be a file of the kernel");
        assert!(found("worker").is_empty() && found("../shop").is_empty());
    }

    #[test]
    fn containers_are_found_as_every_engine_spells_them() {
        for path in [
            format!("docker/{ID}"),
            format!("system.slice/docker-{ID}.scope"),
            format!("machine.slice/libpod-{ID}.scope/container"),
            format!("user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"),
            format!("libpod_parent/libpod-{ID}"),
            format!("kubepods/burstable/pod7/{ID}"),
            format!("kubepods.slice/kubepods-pod7.slice/cri-containerd-{ID}.scope"),
            format!("kubepods.slice/kubepods-pod7.slice/crio-{ID}.scope"),
            format!("system.slice/nerdctl-{ID}.scope"),
        ] {
            let watcher = format!("machine.slice/libpod-conmon-{ID}.scope");
            let root = tree(&[path.clone(), watcher, "system.slice/docker.service".into()]);
            let found = container_groups(&[root.path().to_owned()], "0123ABC");
            assert!(found.is_empty(), "{found:?}");
            let found = container_groups(&[root.path().to_owned()], "01234");
            assert_eq!(found.keys().collect::<Vec<_>>(), [ID], "{path}");
            assert!(root.path().join(&path).starts_with(&found[ID]), "{path}: {found:?}");
        }
        let root = tree(&[format!("docker/{ID}"), format!("docker/{OTHER}")]);
        assert_eq!(container_groups(&[root.path().to_owned()], "01").len(), 2, "it isn't clear which");
        assert_eq!(container_id(&ID[1..]), None);
    }

    #[test]
    fn names_are_looked_up_where_the_engine_keeps_them() {
        let (docker, podman) = (format!("{DOCKER}/{ID}"), format!("{}/overlay-containers", STORAGE[0]));
        let root = tree(&[docker.clone(), podman.clone(), format!("{DOCKER}/broken")]);
        let write = |path: String, text: String| fs::write(root.path().join(path), text).unwrap();
        write(format!("{docker}/config.v2.json"), format!(r#"{{"ID":"{ID}","Name":"/web"}}"#));
        write(format!("{DOCKER}/broken/config.v2.json"), "{".into());
        write(format!("{podman}/containers.json"), format!(r#"[{{"id":"{OTHER}","names":["queue","web2"]}},7]"#));
        let called = |name: &str| containers_called(&[root.path().to_owned()], name).0;
        assert_eq!(called("web"), [ID]);
        assert_eq!(called("web2"), [OTHER]);
        assert_eq!(called("we"), [""; 0]);
        write(format!("{}/storage.lock", STORAGE[0]), String::new());
        assert_eq!(containers_called(&[root.path().to_owned()], "we").1, [""; 0], "a lock is no engine's state");
        assert_eq!(containers_called(&["/no/such".into()], "web"), (Vec::new(), Vec::new()));
    }
}

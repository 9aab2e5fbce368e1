use super::*;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// Gives this thread a view of the mounts of its own; false if this user may not.
fn own_mounts() -> bool {
    // SAFETY: it changes nothing but what this thread sees.
    let apart = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNS) } == 0;
    let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    apart && nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>).is_ok()
}

fn bind(what: &Path, to: &Path) {
    let bind = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some(what), to, None::<&str>, bind, None::<&str>).unwrap();
}

fn child(parent: &OwnedFd, name: &CStr) -> [Result<OwnedFd, Errno>; 2] {
    let how = OFlags::RDONLY | DIRECTORY;
    [open(parent.as_fd(), name), open_compared(parent.as_fd(), name, how)]
}

#[test]
fn what_is_mounted_stays_with_all_that_is_in_it() {
    if !own_mounts() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (foreign, ours) = (home.path().join("foreign"), home.path().join("ours"));
    fs::create_dir_all(foreign.join("below")).unwrap();
    fs::write(foreign.join("below/file"), "x").unwrap();
    fs::create_dir_all(ours.join("a/deep/mounted")).unwrap();
    fs::create_dir_all(ours.join("b")).unwrap();
    fs::write(ours.join("a/file"), "x").unwrap();
    fs::write(ours.join("mounted-file"), "x").unwrap();
    bind(&foreign, &ours.join("a/deep/mounted"));
    bind(&foreign.join("below/file"), &ours.join("mounted-file"));

    let left = remove(&ours).unwrap_err().to_string();

    assert!(left.contains(&format!("{} is mounted", ours.join("a/deep/mounted").display())), "{left}");
    assert!(left.contains(&format!("{} is mounted", ours.join("mounted-file").display())), "{left}");
    assert_eq!(fs::read_to_string(foreign.join("below/file")).unwrap(), "x");
    assert!(!ours.join("b").exists() && !ours.join("a/file").exists(), "what is ours is gone");
}

#[test]
fn a_directory_that_is_a_mount_itself_stays() {
    if !own_mounts() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let (foreign, ours) = (home.path().join("foreign"), home.path().join("ours"));
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("file"), "x").unwrap();
    fs::create_dir(&ours).unwrap();
    bind(&foreign, &ours);
    assert!(remove(&ours).unwrap_err().to_string().ends_with("ours is mounted"));
    assert!(foreign.join("file").exists());
}

#[test]
fn a_mount_is_known_without_openat2_too() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("top/plain")).unwrap();
    fs::create_dir_all(home.path().join("top/mounted")).unwrap();
    let top = || openat(CWD, home.path().join("top"), OFlags::RDONLY | DIRECTORY, Mode::empty()).unwrap();
    assert!(child(&top(), c"plain").iter().all(Result::is_ok));
    if own_mounts() {
        bind(&home.path().join("top/plain"), &home.path().join("top/mounted"));
        assert!(child(&top(), c"mounted").iter().all(|opened| matches!(opened, Err(Errno::XDEV))));
    }
}

#[test]
fn links_are_removed_and_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let (foreign, ours) = (home.path().join("foreign"), home.path().join("ours"));
    fs::create_dir_all(ours.join("a")).unwrap();
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("file"), "x").unwrap();
    symlink(&foreign, ours.join("a/link")).unwrap();
    symlink("/no/such/place", ours.join("dangling")).unwrap();
    remove(&ours).unwrap();
    assert!(!ours.exists() && foreign.join("file").exists());
    symlink(&foreign, &ours).unwrap();
    assert!(remove(&ours).is_err() && foreign.join("file").exists());
}

#[test]
fn directories_of_ours_are_removed_whatever_their_permissions() {
    let home = tempfile::tempdir().unwrap();
    let ours = home.path().join("ours");
    for (name, mode) in [("read-only", 0o500), ("closed", 0o000), ("write-only", 0o200), ("no-entry", 0o600)] {
        let directory = ours.join("a").join(name);
        fs::create_dir_all(directory.join("below")).unwrap();
        fs::write(directory.join("below/file"), "x").unwrap();
        for closed in [directory.join("below"), directory] {
            fs::set_permissions(closed, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
    fs::set_permissions(&ours, fs::Permissions::from_mode(0o000)).unwrap();
    // Root is denied nothing; the thread becomes an ordinary user, who owns all of it.
    as_an_ordinary_user(home.path(), || remove(&ours).unwrap());
    assert!(!ours.exists());
}

/// Does something as the owner of `tree`, who is an ordinary user.
fn as_an_ordinary_user(tree: &Path, what: impl FnOnce() + Send) {
    const NOBODY: u32 = 65534;
    if !nix::unistd::geteuid().is_root() {
        return what();
    }
    let owned = std::process::Command::new("chown").args(["-R", "65534"]).arg(tree).status().unwrap();
    assert!(owned.success());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The system call changes this thread alone, where the C library's function changes all.
            // SAFETY: it takes three numbers.
            let changed = unsafe { nix::libc::syscall(nix::libc::SYS_setresuid, NOBODY, NOBODY, u32::MAX) };
            assert_eq!(changed, 0);
            what();
        });
    });
}

#[test]
fn a_tree_that_is_deeper_than_there_are_descriptors_is_removed() {
    let home = tempfile::tempdir().unwrap();
    let ours = home.path().join("ours");
    fs::create_dir(&ours).unwrap();
    let mut current = openat(CWD, &ours, OFlags::RDONLY | DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..5000 {
        rustix::fs::mkdirat(&current, "d", Mode::RWXU).unwrap();
        current = openat(&current, "d", OFlags::RDONLY | DIRECTORY, Mode::empty()).unwrap();
    }
    remove(&ours).unwrap();
    assert!(!ours.exists());
}

#[test]
fn what_is_kept_stays_and_time_is_bounded() {
    let home = tempfile::tempdir().unwrap();
    let ours = home.path().join("ours");
    fs::create_dir_all(ours.join("a/b")).unwrap();
    fs::write(ours.join("lock"), "").unwrap();
    let (parent, name) = parent(&ours).unwrap();
    let directory = open_to_empty(parent.as_fd(), &name).unwrap();
    let late = empty(&directory, &ours, &["lock"], Some(Instant::now())).unwrap_err().to_string();
    assert!(late.ends_with("ours takes too long") && ours.join("a/b").exists(), "{late}");
    empty(&directory, &ours, &["lock"], None).unwrap();
    assert_eq!(fs::read_dir(&ours).unwrap().count(), 1);
}

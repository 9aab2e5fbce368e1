//! Builds the preload library (`preload/`), which the binary carries: another target than the crate's own, for it must
//! do without the standard library to live in anyone's process.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=preload");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(seepage_preload)");
    let variable = |name: &str| env::var(name).unwrap_or_default();
    let supported = ["CARGO_CFG_TARGET_ARCH", "CARGO_CFG_TARGET_OS", "CARGO_CFG_TARGET_ENV"].map(variable);
    if supported != ["x86_64", "linux", "gnu"] {
        // The crate then says that allocations can't be traced on this system.
        return;
    }
    let library = Path::new(&variable("OUT_DIR")).join("libseepage_heap.so");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc.args(["--edition=2024", "--crate-name=seepage_heap", "--crate-type=cdylib"]);
    rustc.args(["-Cpanic=abort", "-Copt-level=3", "-Ccodegen-units=1", "-Cforce-unwind-tables=yes", "-Cstrip=symbols"]);
    rustc.arg(format!("--target={}", variable("TARGET")));
    // zig, by which a release is linked for an older C library, would put an unwinder of its own into it. The library doesn't need
    // that: it names no version of the C library.
    if let Some(linker) = env::var("RUSTC_LINKER").ok().filter(|linker| !linker.contains("zigcc")) {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.arg("preload/lib.rs").arg("-o").arg(&library);
    let built = rustc.status().unwrap_or_else(|error| panic!("could not run {rustc:?}: {error}"));
    assert!(built.success(), "could not build the preload library: {rustc:?} ended with {built}");
    println!("cargo::rustc-cfg=seepage_preload");
    println!("cargo::rustc-env=SEEPAGE_PRELOAD={}", library.display());
}

//! The `seepage` program: see the library's [`seepage::cli`].

fn main() -> std::process::ExitCode {
    seepage::cli::main()
}

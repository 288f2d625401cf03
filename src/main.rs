//! The `ringfence` program.

fn main() -> std::process::ExitCode {
    // First: the program is started again to run a command in the sandbox.
    #[cfg(all(unix, feature = "sandbox"))]
    let _launcher = ringfence::sandbox::launcher();
    ringfence::surface::cli::main()
}

//! The `ringfence` program.

fn main() -> std::process::ExitCode {
    ringfence::surface::cli::main()
}

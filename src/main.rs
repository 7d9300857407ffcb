use std::process::ExitCode;

fn main() -> ExitCode {
    halod::cli::main()
}

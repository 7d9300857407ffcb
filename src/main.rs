use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

// Measured in ARCHITECTURE.md; `.cargo/config.toml` has its settings.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    halod::cli::main()
}

use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

// Measured in ARCHITECTURE.md.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Its settings, which it looks up under this name. They are in the program however it is built.
#[expect(unsafe_code, reason = "the name is jemalloc's own, for a pointer to a text that ends with a zero")]
#[unsafe(export_name = "_rjem_malloc_conf")]
#[used]
pub static SETTINGS: &[u8; 69] = b"background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0,narenas:2\0";

fn main() -> ExitCode {
    halod::cli::main()
}

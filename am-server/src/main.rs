//! The command line of the aggregate manager.

use mimalloc::MiMalloc;
use std::process::ExitCode;

/// Calls of many megabytes are rare; what they needed goes back to the system soon after them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    am_server::cli::main()
}

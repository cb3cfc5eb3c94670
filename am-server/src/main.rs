//! The command line of the aggregate manager.

use std::process::ExitCode;

fn main() -> ExitCode {
    am_server::cli::main()
}

//! The measurements, and the servers they start.

use bench::arguments::{Arguments, Role, Run};
use bench::{Failure, bare, cloud, measure};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    // The aggregate under measurement is this program again, with the command line of `am-server`.
    if matches!(std::env::args().nth(1).as_deref(), Some("serve" | "deltacloud")) {
        return am_server::cli::main();
    }
    let arguments = Arguments::parse();
    let result = match arguments.role {
        Some(Role::BareServer(server)) => bare::serve(&server),
        Some(Role::CloudClient(client)) => cloud::run(&client),
        None => run(&arguments.run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(run: &Run) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::when("the runtime"))?;
    let report = runtime.block_on(async {
        match (&run.url, &run.dir) {
            (Some(url), _) => measure::elsewhere(run, url).await,
            (None, Some(dir)) => {
                std::fs::create_dir_all(dir).map_err(Failure::when(dir.display().to_string()))?;
                measure::everything(run, dir).await
            }
            (None, None) => {
                let dir = tempfile::tempdir().map_err(Failure::when("a temporary folder"))?;
                measure::everything(run, dir.path()).await
            }
        }
    })?;
    print(&report);
    match &run.json {
        Some(file) => report.write_json(file),
        None => Ok(()),
    }
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
fn print(report: &bench::report::Report) {
    print!("{report}");
}

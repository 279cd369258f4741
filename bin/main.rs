//! light-node: a rollup node for OP Stack chains. This file parses, dispatches and turns errors into an exit code; what a
//! command does is in `commands/`, what a flag means in `args/`.

mod args;
mod cli;
mod commands;
mod telemetry;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::arguments(std::env::args_os()));
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

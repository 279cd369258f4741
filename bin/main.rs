//! light-node: a rollup node for OP Stack chains. This file parses, dispatches and turns errors into an exit code; what a
//! command does is in `commands/`, what a flag means in `args/`.

mod allocator;
mod args;
mod cli;
mod commands;
mod telemetry;

use args::{environment::Environment, layers::Layers};
use clap::error::ErrorKind;
use std::process::ExitCode;

/// Exit code for words on the command line that mean nothing. 1 is for a configuration that is wrong, and for fatal causes.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    allocator::give_large_pieces_back();
    let environment = Environment::new(std::env::vars_os());
    let layers = Layers::new(&cli::command(), std::env::args_os(), &environment);
    if layers.ask_for_check() {
        return commands::config::check(layers);
    }
    if !layers.faults.is_empty() {
        return refuse(&layers);
    }
    let (cli, matches) = match cli::parse(&layers) {
        Ok(parsed) => parsed,
        Err(error) => return answer(&error, &layers),
    };
    let ended = cli.run(&matches, &layers);
    telemetry::flush();
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Names everything that is wrong before the words are parsed.
fn refuse(layers: &Layers) -> ExitCode {
    let messages: Vec<_> = layers.faults.iter().map(ToString::to_string).collect();
    eprintln!("Error: {}", commands::all_of(&messages));
    if layers.faults.iter().all(|fault| fault.is_usage) {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}

/// Prints the help that was asked for, or what does not parse and where it comes from.
fn answer(error: &clap::Error, layers: &Layers) -> ExitCode {
    // A closed pipe is no reason to fail.
    let _ = error.print();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        return ExitCode::SUCCESS;
    }
    let explained = cli::explain(error, layers);
    for origin in &explained.origins {
        eprintln!("note: {origin}");
    }
    if explained.is_configuration {
        ExitCode::FAILURE
    } else {
        ExitCode::from(USAGE)
    }
}

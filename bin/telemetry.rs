//! Sets up logging once, at start: everything goes to stdout, or to a file where stdout shows something else, in one of three
//! forms.

use crate::args::log::{LogArgs, LogFormat};
use eyre::{Context, bail};
use std::{fs::File, io::IsTerminal, sync::Mutex};
use tracing_subscriber::{
    EnvFilter, Layer, filter::LevelFilter, fmt::writer::BoxMakeWriter, layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Installs the global log subscriber, which writes to stdout or to `file`. `default_level` is the filter where neither
/// RUST_LOG nor --log.level says one.
///
/// # Errors
/// If the filter does not parse.
pub(crate) fn init(args: &LogArgs, default_level: &str, file: Option<File>) -> eyre::Result<()> {
    let directives = std::env::var("RUST_LOG")
        .ok()
        .filter(|directives| !directives.is_empty())
        .or_else(|| args.level.clone())
        .unwrap_or_else(|| default_level.to_owned());
    // A lone word that is no level would be taken for the name of a crate and silence all others.
    let is_lone_word = directives
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric());
    if is_lone_word && directives.parse::<LevelFilter>().is_err() {
        bail!(
            "the log level `{directives}` does not exist; there are error, warn, info, debug, trace and off"
        );
    }
    let filter = EnvFilter::try_new(&directives)
        .wrap_err_with(|| format!("the log filter `{directives}` does not parse"))?;
    let is_terminal = file.is_none() && std::io::stdout().is_terminal();
    let writer = file.map_or_else(
        || BoxMakeWriter::new(std::io::stdout),
        |file| BoxMakeWriter::new(Mutex::new(file)),
    );
    let lines = match resolve(args.format, is_terminal) {
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .with_writer(writer)
            .boxed(),
        LogFormat::Logfmt => tracing_logfmt::builder()
            .layer()
            .with_writer(writer)
            .boxed(),
        LogFormat::Auto | LogFormat::Pretty => tracing_subscriber::fmt::layer()
            .with_ansi(is_terminal)
            .with_target(false)
            .with_writer(writer)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
    Ok(())
}

const fn resolve(format: LogFormat, is_terminal: bool) -> LogFormat {
    match format {
        LogFormat::Auto if is_terminal => LogFormat::Pretty,
        LogFormat::Auto => LogFormat::Logfmt,
        chosen => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_is_pretty_on_a_terminal_and_logfmt_elsewhere() {
        assert_eq!(resolve(LogFormat::Auto, true), LogFormat::Pretty);
        assert_eq!(resolve(LogFormat::Auto, false), LogFormat::Logfmt);
        assert_eq!(resolve(LogFormat::Json, true), LogFormat::Json);
    }
}

//! Sets up logging once, at start: everything goes to stdout in one of three forms.

use crate::args::log::{LogArgs, LogFormat};
use eyre::Context;
use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// Installs the global log subscriber. `default_level` is the filter where neither RUST_LOG nor --log.level says one.
///
/// # Errors
/// If the filter does not parse.
pub(crate) fn init(args: &LogArgs, default_level: &str) -> eyre::Result<()> {
    let directives = std::env::var("RUST_LOG")
        .ok()
        .filter(|directives| !directives.is_empty())
        .or_else(|| args.level.clone())
        .unwrap_or_else(|| default_level.to_owned());
    let filter = EnvFilter::try_new(&directives)
        .wrap_err_with(|| format!("the log filter `{directives}` does not parse"))?;
    let lines = match resolve(args.format, std::io::stdout().is_terminal()) {
        LogFormat::Json => tracing_subscriber::fmt::layer().json().boxed(),
        LogFormat::Logfmt => tracing_logfmt::layer().boxed(),
        LogFormat::Auto | LogFormat::Pretty => {
            let ansi = std::io::stdout().is_terminal();
            tracing_subscriber::fmt::layer()
                .with_ansi(ansi)
                .with_target(false)
                .boxed()
        }
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

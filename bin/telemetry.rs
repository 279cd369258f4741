//! Sets up logging once, at start: everything goes to stdout, or to a file where stdout shows something else, in one of three
//! forms.

mod writer;

use crate::args::log::{LogArgs, LogColor, LogFormat};
use eyre::{Context, bail};
use std::{
    ffi::OsStr,
    fs::File,
    io::{IsTerminal, stdout},
    sync::OnceLock,
    time::Duration,
};
use tracing_subscriber::{
    EnvFilter, Layer, filter::LevelFilter, fmt::writer::BoxMakeWriter, layer::SubscriberExt,
    reload, util::SubscriberInitExt,
};
use writer::LineWriter;

/// The level of a node that is told none.
pub(crate) const NODE_LEVEL: &str = "info";

/// Targets of kona's stages. Their words are about single frames, batches and messages, in an order and with levels of their own.
const STAGES: [&str; 13] = [
    "attributes_queue",
    "batch_queue",
    "batch_span",
    "batch_stream",
    "batch_validator",
    "blob_source",
    "channel_assembler",
    "channel_bank",
    "channel_reader",
    "frame_queue",
    "pipeline",
    "single_batch",
    "traversal",
];

/// Targets of the libraries for peers. Strangers decide how often they speak, also how often they warn; what matters of it the network
/// says in its own words, or measures.
const LIBRARIES: [&str; 6] = [
    "discv5",
    "libp2p_gossipsub",
    "libp2p_swarm",
    "libp2p_tcp",
    "multistream_select",
    "yamux",
];

/// The writer that was installed.
static WRITER: OnceLock<LineWriter> = OnceLock::new();

/// Puts another filter in the place of the one that was installed.
type Refilter = Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>;

/// The way to the filter that was installed.
static FILTER: OnceLock<Refilter> = OnceLock::new();

/// How long the end of the process waits for a reader of the last lines.
const FLUSH_PATIENCE: Duration = Duration::from_millis(200);

/// Installs the global log subscriber, which writes to stdout or to `file`. `default_level` is the filter where neither
/// RUST_LOG nor --log.level says one.
///
/// # Errors
/// If the filter does not parse.
pub(crate) fn init(args: &LogArgs, default_level: &str, file: Option<File>) -> eyre::Result<()> {
    let filter = filter(args, default_level)?;
    let is_terminal = file.is_none() && stdout().is_terminal();
    let is_coloured = is_coloured(
        args.color,
        is_terminal,
        std::env::var_os("NO_COLOR").as_deref(),
        std::env::var_os("TERM").as_deref(),
    );
    let writer = match file {
        None => LineWriter::start(stdout()),
        Some(file) => LineWriter::start(file),
    }
    .wrap_err("cannot start the thread that writes the log")?;
    let writer = WRITER.get_or_init(|| writer).clone();
    let writer = BoxMakeWriter::new(move || writer.clone());
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
            .with_ansi(is_coloured)
            .with_target(false)
            .with_writer(writer)
            .boxed(),
    };
    let (filter, handle) = reload::Layer::new(filter);
    let _ = FILTER.set(Box::new(move |filter| handle.reload(filter)));
    tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .init();
    Ok(())
}

/// What is logged; `default_level` where neither RUST_LOG nor --log.level says it.
///
/// # Errors
/// If what they say does not parse.
pub(crate) fn filter(args: &LogArgs, default_level: &str) -> eyre::Result<EnvFilter> {
    let of_environment = std::env::var("RUST_LOG").ok();
    let of_environment = of_environment.filter(|directives| !directives.is_empty());
    let (origin, directives) = match (of_environment, &args.level) {
        (Some(directives), _) => ("RUST_LOG", directives),
        (None, Some(directives)) => ("--log.level", directives.clone()),
        (None, None) => ("the default", default_level.to_owned()),
    };
    // A lone word that is no level would be taken for the name of a crate and silence all others.
    let is_lone_word = directives
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric());
    if is_lone_word && directives.parse::<LevelFilter>().is_err() {
        bail!(
            "the log level `{directives}` of {origin} does not exist; there are error, warn, info, debug, trace and off"
        );
    }
    EnvFilter::try_new(with_quiet_others(&directives))
        .wrap_err_with(|| format!("the log filter `{directives}` of {origin} does not parse"))
}

/// Logs everything of `level` and worse from now on, in the place of the filter of the start.
///
/// # Errors
/// Why that cannot be done, in words.
pub(crate) fn set_level(level: LevelFilter) -> Result<(), String> {
    let filter = EnvFilter::try_new(with_quiet_others(&level.to_string()))
        .map_err(|cause| cause.to_string())?;
    let refilter = FILTER.get().ok_or("logging is not set up")?;
    refilter(filter).map_err(|cause| cause.to_string())
}

/// Waits a moment until what was logged is written: for the end of the process.
pub(crate) fn flush() {
    if let Some(writer) = WRITER.get() {
        writer.flush(FLUSH_PATIENCE);
    }
}

/// Whether the pretty form is coloured. The convention of NO_COLOR: set and not empty means no.
fn is_coloured(
    chosen: LogColor,
    is_terminal: bool,
    no_color: Option<&OsStr>,
    term: Option<&OsStr>,
) -> bool {
    match chosen {
        LogColor::Always => true,
        LogColor::Never => false,
        LogColor::Auto => {
            let is_unwanted = no_color.is_some_and(|value| !value.is_empty());
            let is_dumb = term.is_some_and(|term| term == "dumb");
            is_terminal && !is_unwanted && !is_dumb
        }
    }
}

const fn resolve(format: LogFormat, is_terminal: bool) -> LogFormat {
    match format {
        LogFormat::Auto if is_terminal => LogFormat::Pretty,
        LogFormat::Auto => LogFormat::Logfmt,
        chosen => chosen,
    }
}

/// The same directives, by which kona's stages and the libraries for peers are heard only at debug, or by who names them.
fn with_quiet_others(directives: &str) -> String {
    let is_detailed = |level: LevelFilter| level >= LevelFilter::DEBUG;
    if directives.parse().is_ok_and(is_detailed) {
        return directives.to_owned();
    }
    let others = STAGES.iter().chain(&LIBRARIES);
    let unnamed = others.filter(|target| !directives.contains(*target));
    let quiet = unnamed.map(|target| format!(",{target}=off"));
    directives.to_owned() + &quiet.collect::<String>()
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

    #[test]
    fn stages_and_libraries_are_quiet_unless_somebody_wants_details() {
        let info = with_quiet_others("info");
        assert!(info.starts_with("info,") && info.contains(",channel_assembler=off"));
        assert!(info.contains(",yamux=off") && info.contains(",discv5=off"));
        assert_eq!(with_quiet_others("debug"), "debug");
        assert_eq!(with_quiet_others("TRACE"), "TRACE");
        let named = with_quiet_others("warn,batch_queue=info");
        assert!(!named.contains("batch_queue=off") && named.contains(",pipeline=off"));
        assert!(EnvFilter::try_new(named).is_ok());
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let coloured = |chosen, is_terminal, no_color: Option<&str>, term: &str| {
            is_coloured(
                chosen,
                is_terminal,
                no_color.map(OsStr::new),
                Some(OsStr::new(term)),
            )
        };
        assert!(coloured(LogColor::Auto, true, None, "xterm"));
        assert!(coloured(LogColor::Auto, true, Some(""), "xterm"));
        assert!(!coloured(LogColor::Auto, true, Some("1"), "xterm"));
        assert!(!coloured(LogColor::Auto, true, None, "dumb"));
        assert!(!coloured(LogColor::Auto, false, None, "xterm"));
        assert!(coloured(LogColor::Always, false, Some("1"), "dumb"));
        assert!(!coloured(LogColor::Never, true, None, "xterm"));
    }
}

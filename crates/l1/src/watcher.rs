//! The actor that keeps our view of L1 fresh: it waits until a head is due and lets the shared fetcher ask.

use crate::{
    BoxTransport, HttpTransport, L1Config, L1ConfigError, L1Fatal, L1Handle, L1Heads, L1Metrics,
    endpoints::Endpoints, fetcher::Fetcher, status::Snapshot,
};
use light_node_actor::CancellationToken;
use light_node_protocol::redact_url;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, watch},
    time::{Instant, sleep_until},
};

/// Asks for new L1 heads when they are due, and publishes them.
#[derive(Debug)]
pub struct L1Watcher {
    fetcher: Arc<Mutex<Fetcher>>,
    request_deadline: Duration,
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
                    endpoint: redact_url(url),
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
        let config = config.bounded();
        let (heads_sender, heads) = watch::channel(L1Heads::default());
        let (status_sender, status) = watch::channel(Snapshot::default());
        let metrics = L1Metrics::of(heads.clone(), status.clone());
        let endpoints = Endpoints::new(&config, transports, metrics.clone());
        let fetcher = Fetcher::new(
            &config,
            endpoints.clone(),
            heads_sender,
            status_sender,
            metrics.clone(),
        );
        let news = fetcher.news();
        let fetcher = Arc::new(Mutex::new(fetcher));
        let handle = L1Handle::new(
            fetcher.clone(),
            endpoints,
            news,
            heads,
            status,
            metrics,
            config.check_deadline,
        );
        Ok((
            Self {
                fetcher,
                request_deadline: config.request_deadline,
            },
            handle,
        ))
    }

    /// Watches until `token` is cancelled.
    ///
    /// # Errors
    /// If every endpoint is of another chain before any answered for ours.
    pub async fn run(self, token: CancellationToken) -> Result<(), L1Fatal> {
        tokio::select! {
            biased;
            () = token.cancelled() => Ok(()),
            fatal = self.watch() => Err(fatal),
        }
    }

    /// Asks when a question is due. A check that asked in the meantime has moved the due time.
    async fn watch(&self) -> L1Fatal {
        loop {
            let due = self.fetcher.lock().await.due();
            sleep_until(due).await;
            let mut fetcher = self.fetcher.lock().await;
            if fetcher.due() <= Instant::now() {
                // The fetcher logs and publishes a failure; the next question is already scheduled.
                let _ = fetcher.refresh(&[], self.request_deadline).await;
            }
            if let Some(fatal) = fetcher.fatal() {
                return fatal;
            }
        }
    }
}

#[cfg(test)]
mod tests;

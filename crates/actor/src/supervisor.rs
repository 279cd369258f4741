//! Named tasks under one cancellation. The first task that ends before it was asked to ends all, and its name is kept.

use std::{collections::HashMap, future::Future, time::Duration};
use thiserror::Error;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// Why the set of tasks ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskFailure {
    /// A task ended although nobody had asked for the end.
    #[error("{task} ended unexpectedly: {cause}")]
    Ended {
        /// Name of the task.
        task: &'static str,
        /// Its error, or "finished".
        cause: String,
    },
    /// A task panicked.
    #[error("{task} panicked: {cause}")]
    Panicked {
        /// Name of the task.
        task: &'static str,
        /// The panic's message.
        cause: String,
    },
    /// Tasks did not end within the grace period and were aborted.
    #[error("did not stop within the grace period: {}", tasks.join(", "))]
    Stuck {
        /// Names of the tasks.
        tasks: Vec<&'static str>,
    },
}

/// Runs named tasks and ends them together.
#[derive(Debug, Default)]
pub struct Supervisor {
    token: CancellationToken,
    tasks: JoinSet<Result<(), String>>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    /// A supervisor whose tasks end when `token` is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self { token, ..Self::default() }
    }

    /// The token that ends all tasks.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Starts a task. It must end soon after the token is cancelled.
    pub fn spawn<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(async move { task.await.map_err(|cause| cause.to_string()) });
        self.names.insert(handle.id(), name);
    }

    /// Waits until the token is cancelled or a task ends by itself, cancels the others, and gives them `grace` to end.
    ///
    /// # Errors
    /// The first failure: a task that ended early or panicked, or else those that overstayed the grace period.
    pub async fn run(mut self, grace: Duration) -> Result<(), TaskFailure> {
        let mut failure = None;
        let token = self.token.clone();
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            failed = self.join_next() => failure = failed.map(|(task, outcome)| early_end(task, outcome)),
        }
        if let Some(failure) = &failure {
            error!(%failure, "task ended, stopping the others");
        }
        self.token.cancel();
        let drained = tokio::time::timeout(grace, async {
            while let Some((task, outcome)) = self.join_next().await {
                debug!(task, "stopped");
                if let Err(JoinFailure::Panic(cause)) = outcome {
                    failure.get_or_insert(TaskFailure::Panicked { task, cause });
                }
            }
        })
        .await;
        if drained.is_err() {
            let tasks = self.names.values().copied().collect();
            failure.get_or_insert(TaskFailure::Stuck { tasks });
            self.tasks.abort_all();
        }
        failure.map_or(Ok(()), Err)
    }

    async fn join_next(&mut self) -> Option<(&'static str, Result<(), JoinFailure>)> {
        let joined = self.tasks.join_next_with_id().await?;
        let (id, outcome) = match joined {
            Ok((id, Ok(()))) => (id, Ok(())),
            Ok((id, Err(cause))) => (id, Err(JoinFailure::Error(cause))),
            Err(error) => (error.id(), Err(JoinFailure::Panic(error.to_string()))),
        };
        Some((self.names.remove(&id).unwrap_or("unknown task"), outcome))
    }
}

enum JoinFailure {
    Error(String),
    Panic(String),
}

fn early_end(task: &'static str, outcome: Result<(), JoinFailure>) -> TaskFailure {
    match outcome {
        Ok(()) => TaskFailure::Ended { task, cause: "finished".to_owned() },
        Err(JoinFailure::Error(cause)) => TaskFailure::Ended { task, cause },
        Err(JoinFailure::Panic(cause)) => TaskFailure::Panicked { task, cause },
    }
}

//! Named tasks under one cancellation. The first task that ends before it was asked to ends all, and its name is kept.

#[cfg(test)]
mod tests;

use crate::in_words;
use std::{any::Any, collections::HashMap, error::Error, future::Future, time::Duration};
use thiserror::Error;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// Why the set of tasks ended badly.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TaskFailure {
    /// A task ended with an error: it cannot go on.
    #[error("{task}: {cause}")]
    Failed {
        /// Name of the task.
        task: &'static str,
        /// Its error in words.
        cause: String,
    },
    /// A task finished although nobody had asked for the end.
    #[error("{task} finished although nobody asked it to")]
    Finished {
        /// Name of the task.
        task: &'static str,
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
        /// Names of the tasks, sorted.
        tasks: Vec<&'static str>,
    },
}

impl TaskFailure {
    /// The name of the task that failed, of the first where there are several.
    fn task(&self) -> &'static str {
        match self {
            Self::Failed { task, .. } | Self::Finished { task } | Self::Panicked { task, .. } => {
                task
            }
            Self::Stuck { tasks } => tasks.first().copied().unwrap_or_default(),
        }
    }
}

/// Runs named tasks and ends them together. Dropping it aborts them.
#[derive(Debug, Default)]
pub struct Supervisor {
    token: CancellationToken,
    tasks: JoinSet<Result<(), String>>,
    names: HashMap<Id, &'static str>,
}

impl Supervisor {
    /// A supervisor whose tasks end when `token` is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self {
            token,
            ..Self::default()
        }
    }

    /// The token that ends all tasks.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Starts a task. It must end soon after the token is cancelled.
    pub fn spawn<E: Into<Box<dyn Error + Send + Sync>>>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        let handle = self
            .tasks
            .spawn(async move { task.await.map_err(|cause| in_words(&*cause.into())) });
        self.names.insert(handle.id(), name);
    }

    /// Waits until the token is cancelled or a task ends by itself, cancels the others, and gives them `grace` to end.
    /// A task's error after the cancellation is logged only: an actor whose peer has just stopped may well complain.
    ///
    /// # Errors
    /// The first failure: a task that ended early or panicked, or else those that overstayed the grace period.
    pub async fn run(mut self, grace: Duration) -> Result<(), TaskFailure> {
        let token = self.token.clone();
        let mut failure = tokio::select! {
            biased;
            () = token.cancelled() => None,
            ended = self.join_next() => ended.map(|(task, outcome)| outcome.into_early_end(task)),
        };
        match &failure {
            // The caller reports the cause; said here as well it would stand in the log twice.
            Some(failure) => error!(task = failure.task(), "task ended, stopping the others"),
            None => debug!("stopping"),
        }
        token.cancel();
        let drained = tokio::time::timeout(grace, self.drain(&mut failure)).await;
        if drained.is_err() {
            let mut tasks: Vec<_> = self.names.values().copied().collect();
            tasks.sort_unstable();
            let stuck = TaskFailure::Stuck { tasks };
            error!(failure = %stuck, "tasks aborted");
            failure.get_or_insert(stuck);
        }
        failure.map_or(Ok(()), Err)
    }

    async fn drain(&mut self, failure: &mut Option<TaskFailure>) {
        while let Some((task, outcome)) = self.join_next().await {
            match outcome {
                Outcome::Finished => debug!(task, "stopped"),
                Outcome::Failed(cause) => warn!(task, cause, "stopped with an error"),
                Outcome::Panicked(cause) => {
                    error!(task, cause, "panicked while stopping");
                    failure.get_or_insert(TaskFailure::Panicked { task, cause });
                }
            }
        }
    }

    async fn join_next(&mut self) -> Option<(&'static str, Outcome)> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((id, Ok(()))) => (id, Outcome::Finished),
            Ok((id, Err(cause))) => (id, Outcome::Failed(cause)),
            Err(error) => (error.id(), Outcome::Panicked(panic_message(error))),
        };
        Some((self.names.remove(&id).unwrap_or("unknown task"), outcome))
    }
}

/// How a task ended.
enum Outcome {
    Finished,
    Failed(String),
    Panicked(String),
}

impl Outcome {
    /// What it means that `task` ended although nobody had asked for it.
    fn into_early_end(self, task: &'static str) -> TaskFailure {
        match self {
            Self::Finished => TaskFailure::Finished { task },
            Self::Failed(cause) => TaskFailure::Failed { task, cause },
            Self::Panicked(cause) => TaskFailure::Panicked { task, cause },
        }
    }
}

fn panic_message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => text_of_panic(payload.as_ref())
            .unwrap_or("no message")
            .to_owned(),
        Err(cancelled) => cancelled.to_string(),
    }
}

/// `panic!` with a literal leaves a `&str`, with arguments a `String`.
fn text_of_panic(payload: &(dyn Any + Send)) -> Option<&str> {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

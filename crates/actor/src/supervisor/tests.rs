//! How a set of tasks ends: by request, by the first task that ends, by a panic, or stuck. Time is paused.

use super::*;
use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::time::{Instant, sleep};

const GRACE: Duration = Duration::from_secs(5);

/// A well-behaved task: it ends `delay` after the token is cancelled.
async fn obedient(token: CancellationToken, delay: Duration) -> Result<(), Infallible> {
    token.cancelled().await;
    sleep(delay).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn cancellation_from_outside_ends_all_tasks_cleanly() {
    let token = CancellationToken::new();
    let mut supervisor = Supervisor::new(token.clone());
    supervisor.spawn(
        "engine",
        obedient(supervisor.token(), Duration::from_secs(1)),
    );
    supervisor.spawn(
        "follow",
        obedient(supervisor.token(), Duration::from_secs(2)),
    );
    tokio::spawn(async move {
        sleep(Duration::from_secs(60)).await;
        token.cancel();
    });
    let start = Instant::now();
    assert_eq!(supervisor.run(GRACE).await, Ok(()));
    assert_eq!(start.elapsed(), Duration::from_secs(62));
}

#[tokio::test(start_paused = true)]
async fn first_task_that_fails_ends_all_and_is_named_with_its_cause() {
    let mut supervisor = Supervisor::default();
    let token = supervisor.token();
    supervisor.spawn("engine", obedient(token.clone(), Duration::ZERO));
    supervisor.spawn("follow", async {
        sleep(Duration::from_secs(3)).await;
        Err("source refused the chain")
    });
    let failure = supervisor.run(GRACE).await.expect_err("a task failed");
    assert_eq!(failure.to_string(), "follow: source refused the chain");
    assert!(token.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn task_that_finishes_without_being_asked_is_a_failure() {
    let mut supervisor = Supervisor::default();
    supervisor.spawn("engine", obedient(supervisor.token(), Duration::ZERO));
    supervisor.spawn("rpc", async { Ok::<_, Infallible>(()) });
    let expected = TaskFailure::Finished { task: "rpc" };
    assert_eq!(supervisor.run(GRACE).await, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn only_the_first_failure_is_reported() {
    let mut supervisor = Supervisor::default();
    let token = supervisor.token();
    supervisor.spawn("l1", async { Err("first") });
    supervisor.spawn("engine", async move {
        token.cancelled().await;
        Err("l1 is gone")
    });
    let expected = TaskFailure::Failed {
        task: "l1",
        cause: "first".to_owned(),
    };
    assert_eq!(supervisor.run(GRACE).await, Err(expected));
}

#[tokio::test(start_paused = true)]
async fn error_of_a_task_that_was_asked_to_end_is_no_failure() {
    let mut supervisor = Supervisor::default();
    let token = supervisor.token();
    supervisor.spawn("follow", {
        let token = token.clone();
        async move {
            token.cancelled().await;
            Err("engine is gone")
        }
    });
    token.cancel();
    assert_eq!(supervisor.run(GRACE).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn panic_is_named_with_its_message() {
    for formatted in [false, true] {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("engine", obedient(supervisor.token(), Duration::ZERO));
        supervisor.spawn("network", async move {
            let number = 7;
            assert!(formatted, "broken invariant");
            assert!(!formatted, "broken invariant {number}");
            Ok::<_, Infallible>(())
        });
        let cause = if formatted {
            "broken invariant 7"
        } else {
            "broken invariant"
        }
        .to_owned();
        assert_eq!(
            supervisor.run(GRACE).await,
            Err(TaskFailure::Panicked {
                task: "network",
                cause
            })
        );
    }
}

#[tokio::test(start_paused = true)]
async fn panic_while_stopping_is_a_failure_too() {
    let mut supervisor = Supervisor::default();
    let token = supervisor.token();
    supervisor.spawn("safedb", {
        let token = token.clone();
        async move {
            token.cancelled().await;
            panic!("half written");
            #[allow(unreachable_code)]
            Ok::<_, Infallible>(())
        }
    });
    token.cancel();
    let expected = TaskFailure::Panicked {
        task: "safedb",
        cause: "half written".to_owned(),
    };
    assert_eq!(supervisor.run(GRACE).await, Err(expected));
}

/// Says when it is dropped.
struct Alarm(Arc<AtomicBool>);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_overstay_the_grace_period_are_named_and_aborted() {
    let mut supervisor = Supervisor::default();
    let token = supervisor.token();
    let dropped = Arc::new(AtomicBool::new(false));
    let alarm = Alarm(dropped.clone());
    supervisor.spawn("rpc", pending::<Result<(), Infallible>>());
    supervisor.spawn("engine", obedient(token.clone(), Duration::from_secs(1)));
    supervisor.spawn("follow", async move {
        let _alarm = alarm;
        pending::<Result<(), Infallible>>().await
    });
    token.cancel();
    let start = Instant::now();
    assert_eq!(
        supervisor.run(GRACE).await,
        Err(TaskFailure::Stuck {
            tasks: vec!["follow", "rpc"]
        })
    );
    assert_eq!(start.elapsed(), GRACE);
    tokio::task::yield_now().await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn early_end_is_the_failure_even_if_others_get_stuck() {
    let mut supervisor = Supervisor::default();
    supervisor.spawn("rpc", pending::<Result<(), Infallible>>());
    supervisor.spawn("engine", async { Err("no such chain") });
    let expected = TaskFailure::Failed {
        task: "engine",
        cause: "no such chain".to_owned(),
    };
    assert_eq!(supervisor.run(GRACE).await, Err(expected));
}

#[derive(Debug, thiserror::Error)]
#[error("cannot start")]
struct CannotStart(#[source] std::io::Error);

#[tokio::test(start_paused = true)]
async fn a_failure_names_its_cause_too() {
    let mut supervisor = Supervisor::new(CancellationToken::new());
    supervisor.spawn("rpc", async {
        Err(CannotStart(std::io::Error::other("too many open files")))
    });
    let expected = TaskFailure::Failed {
        task: "rpc",
        cause: "cannot start: too many open files".to_owned(),
    };
    assert_eq!(supervisor.run(GRACE).await, Err(expected));
}

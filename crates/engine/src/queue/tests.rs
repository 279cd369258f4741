//! Properties of the queue, over random sequences of pushes, picks, failures, time and epochs.

use super::*;
use proptest::prelude::*;

type Number = u64;

fn task(item: Number, now: Instant) -> Task<Number> {
    Task::new(item, now)
}

fn insert(number: u64, bytes: usize, now: Instant) -> Task<Number> {
    Task {
        number,
        bytes,
        ..Task::new(number, now)
    }
}

fn lane() -> impl Strategy<Value = Lane> {
    proptest::sample::select(Lane::ALL.to_vec())
}

#[derive(Clone, Debug)]
enum Step {
    Push(Lane),
    Pick,
    /// Picks, and puts back with this back-off in milliseconds.
    Fail(u64),
    /// Milliseconds pass.
    Wait(u64),
    Advance,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => lane().prop_map(Step::Push),
        3 => Just(Step::Pick),
        2 => (1u64..3_000).prop_map(Step::Fail),
        2 => (1u64..1_500).prop_map(Step::Wait),
        1 => Just(Step::Advance),
    ]
}

/// The rule for the next lane, written down once more and plainly.
fn expected_lane(queue: &Queue<Number>, now: Instant) -> Option<Lane> {
    let front = |lane: Lane| queue.lanes[lane.index()].front();
    let free = |lane: &Lane| front(*lane).is_some_and(|t| t.not_before.is_none_or(|at| at <= now));
    if front(Lane::Reset).is_some() && !free(&Lane::Reset) {
        return None;
    }
    let ready: Vec<Lane> = Lane::ALL.into_iter().filter(free).collect();
    if ready.contains(&Lane::Commit) {
        return ready.first().copied();
    }
    let age = |lane: &Lane| {
        front(*lane)
            .map(|task| now - task.queued_at)
            .unwrap_or_default()
    };
    let aged = ready.iter().filter(|lane| age(lane) >= AGED);
    // Of equally old ones the higher lane: `rev` because `max_by_key` returns the last.
    aged.rev()
        .max_by_key(|lane| age(lane))
        .or(ready.first())
        .copied()
}

proptest! {
    #[test]
    fn the_next_request_is_the_front_of_the_lane_that_the_rule_names(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut queue = Queue::default();
        let mut now = Instant::now();
        let (mut next, mut epoch) = (0, 0);
        for step in steps {
            match step {
                Step::Push(lane) => {
                    next += 1;
                    let stamp = Stamp { epoch: (next % 3 == 0).then_some(epoch), flushes: None };
                    queue.push(lane, Task { stamp, ..task(next, now) });
                }
                Step::Pick | Step::Fail(_) => {
                    let expected = expected_lane(&queue, now);
                    let front = expected.and_then(|l| queue.lanes[l.index()].front().map(|t| t.item));
                    let picked = queue.pick(now);
                    prop_assert_eq!(picked.as_ref().map(|(lane, _)| *lane), expected);
                    prop_assert_eq!(picked.as_ref().map(|(_, task)| task.item), front);
                    if let (Step::Fail(pause), Some((lane, task))) = (step, picked) {
                        queue.put_back(lane, task, now + Duration::from_millis(pause));
                    }
                }
                Step::Wait(pause) => now += Duration::from_millis(pause),
                Step::Advance => {
                    epoch += 1;
                    for stale in queue.advance(epoch, 0) {
                        prop_assert!(stale.stamp.epoch.is_some_and(|stamped| stamped < epoch));
                    }
                    let all = queue.lanes.iter().flatten();
                    prop_assert!(all.into_iter().all(|t| t.stamp.epoch.is_none_or(|e| e == epoch)));
                }
            }
            for lane in [Lane::Reset, Lane::Commit, Lane::Build, Lane::Follow, Lane::Finalize] {
                prop_assert!(queue.lanes[lane.index()].len() <= 1);
            }
            if queue.pick_would_wait(now) {
                prop_assert!(queue.next_due().is_none_or(|due| due > now));
            }
        }
    }

    #[test]
    fn requests_of_one_lane_leave_in_the_order_in_which_they_came(count in 1u64..40) {
        let mut queue = Queue::default();
        let now = Instant::now();
        for number in 0..count {
            queue.push(Lane::Consolidate, task(number, now));
            queue.push(Lane::InsertUnsafe, insert(100 - number, 1, now));
        }
        let mut left = (Vec::new(), Vec::new());
        while let Some((lane, task)) = queue.pick(now) {
            if lane == Lane::InsertUnsafe { left.0.push(task.item) } else { left.1.push(task.item) }
        }
        prop_assert_eq!(left.0, (0..count).map(|number| 100 - number).collect::<Vec<_>>());
        prop_assert_eq!(left.1, (0..count).collect::<Vec<_>>());
    }

    #[test]
    fn the_lane_of_payloads_is_bounded_and_drops_the_highest(
        numbers in proptest::collection::vec(0u64..10_000, 1..700),
        bytes in 1usize..400_000,
    ) {
        let mut queue = Queue::default();
        let now = Instant::now();
        for number in numbers {
            if let Pushed::Displaced(dropped) = queue.push(Lane::InsertUnsafe, insert(number, bytes, now)) {
                let highest = queue.lanes[Lane::InsertUnsafe.index()].iter().map(|t| t.number).max();
                prop_assert!(highest.is_none_or(|highest| dropped.number >= highest));
            }
            let waiting = &queue.lanes[Lane::InsertUnsafe.index()];
            prop_assert!(waiting.len() <= MAX_INSERTS && queue.insert_bytes <= MAX_INSERT_BYTES);
            prop_assert_eq!(queue.insert_bytes, waiting.iter().map(|t| t.bytes).sum::<usize>());
        }
    }
}

impl Queue<Number> {
    fn pick_would_wait(&self, now: Instant) -> bool {
        self.next_lane(now).is_none()
    }
}

#[test]
fn a_newer_request_takes_the_place_and_the_age_of_the_older() {
    let mut queue = Queue::default();
    let start = Instant::now();
    queue.push(Lane::Follow, task(1, start));
    let displaced = queue.push(Lane::Follow, task(2, start + AGED));
    assert!(matches!(displaced, Pushed::Displaced(older) if older.item == 1));
    queue.push(Lane::InsertUnsafe, insert(3, 1, start + AGED));
    assert!(
        queue
            .pick(start + AGED)
            .is_some_and(|(lane, t)| lane == Lane::Follow && t.item == 2)
    );
}

#[test]
fn an_aged_request_never_goes_before_a_commit_but_before_everything_else() {
    let mut queue = Queue::default();
    let start = Instant::now();
    queue.push(Lane::Finalize, task(1, start));
    let later = start + AGED;
    queue.push(Lane::Commit, task(2, later));
    queue.push(Lane::Build, task(3, later));
    let order: Vec<Lane> = std::iter::from_fn(|| queue.pick(later).map(|(lane, _)| lane)).collect();
    assert_eq!(order, [Lane::Commit, Lane::Finalize, Lane::Build]);
}

#[test]
fn a_request_in_back_off_blocks_its_lane_and_a_reset_in_back_off_blocks_all() {
    let mut queue = Queue::default();
    let now = Instant::now();
    let due = now + Duration::from_millis(100);
    for number in [1, 2] {
        queue.push(Lane::InsertUnsafe, insert(number, 1, now));
    }
    queue.push(Lane::Finalize, task(3, now));
    let (lane, first) = queue.pick(now).expect("three wait");
    assert!(queue.put_back(lane, first, due).is_none());
    assert!(
        queue
            .pick(now)
            .is_some_and(|(lane, _)| lane == Lane::Finalize)
    );
    assert!(queue.pick(now).is_none(), "number 2 waits behind number 1");
    assert_eq!(queue.next_due(), Some(due));

    queue.push(Lane::Reset, task(4, now));
    let (lane, reset) = queue.pick(now).expect("the reset waits");
    let reset_due = due + AGED;
    queue.put_back(lane, reset, reset_due);
    queue.push(Lane::Commit, task(5, now));
    assert!(queue.pick(due).is_none());
    assert_eq!(queue.next_due(), Some(reset_due));
    assert!(
        queue
            .pick(reset_due)
            .is_some_and(|(lane, task)| { lane == Lane::Reset && task.attempts == 1 })
    );
}

#[test]
fn a_failed_request_yields_to_a_newer_one_of_its_one_slot_lane() {
    let mut queue = Queue::default();
    let now = Instant::now();
    queue.push(Lane::Build, task(1, now));
    let (lane, older) = queue.pick(now).expect("one waits");
    queue.push(Lane::Build, task(2, now));
    let due = now + AGED;
    assert!(
        queue
            .put_back(lane, older, due)
            .is_some_and(|older| older.item == 1)
    );
    assert!(
        queue.pick(now).is_none(),
        "the newer one keeps the back-off"
    );
    assert!(queue.pick(due).is_some_and(|(_, task)| task.item == 2));
}

#[test]
fn an_older_epoch_or_flush_count_is_stale_on_arrival_and_in_the_queue() {
    let mut queue = Queue::default();
    let now = Instant::now();
    let stamped = |item, epoch, flushes| {
        let stamp = Stamp {
            epoch: Some(epoch),
            flushes: Some(flushes),
        };
        Task {
            stamp,
            ..task(item, now)
        }
    };
    queue.push(Lane::Consolidate, stamped(1, 0, 0));
    queue.push(Lane::Consolidate, stamped(2, 0, 1));
    queue.push(Lane::Follow, task(3, now));
    let stale: Vec<Number> = queue
        .advance(0, 1)
        .into_iter()
        .map(|task| task.item)
        .collect();
    assert_eq!(stale, [1]);
    let stale: Vec<Number> = queue
        .advance(1, 1)
        .into_iter()
        .map(|task| task.item)
        .collect();
    assert_eq!(stale, [2]);
    assert!(matches!(
        queue.push(Lane::Consolidate, stamped(4, 0, 1)),
        Pushed::Stale(_)
    ));
    assert!(matches!(
        queue.push(Lane::Consolidate, stamped(5, 1, 1)),
        Pushed::Queued
    ));
    assert_eq!(queue.depths(), [0, 0, 0, 0, 1, 1, 0]);
    assert_eq!(queue.drain(Lane::Follow).len(), 1);
}

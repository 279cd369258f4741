//! What holds whatever happens.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Clone, Debug)]
enum Step {
    Come(usize),
    Go(usize),
    Subscribe(usize, bool),
    Score(usize, i32),
    Protect(usize, bool),
    SendAway(usize),
    Candidate(usize),
    Fail(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0_usize..12;
    prop_oneof![
        4 => who.clone().prop_map(Step::Come),
        1 => who.clone().prop_map(Step::Go),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, is)| Step::Subscribe(who, is)),
        2 => (who.clone(), -200..50).prop_map(|(who, score)| Step::Score(who, score)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, is)| Step::Protect(who, is)),
        1 => who.clone().prop_map(Step::SendAway),
        3 => who.clone().prop_map(Step::Candidate),
        1 => who.prop_map(Step::Fail),
        2 => (0_u64..90).prop_map(Step::Wait),
    ]
}

/// What the test knows by itself: since when each is there, and when it last had a topic.
#[derive(Default)]
struct Seen {
    there: HashMap<PeerId, (Instant, Instant, bool)>,
    protected: BTreeSet<PeerId>,
    away: BTreeSet<PeerId>,
}

fn apply(
    desk: &mut Desk,
    seen: &mut Seen,
    peers: &[PeerId],
    step: &Step,
) -> Result<(), TestCaseError> {
    let now = desk.now;
    match *step {
        Step::Come(who) => {
            desk.connect(peers[who]);
            seen.there.entry(peers[who]).or_insert((now, now, false));
        }
        Step::Go(who) => {
            desk.book.disconnected(&peers[who]);
            seen.there.remove(&peers[who]);
        }
        Step::Subscribe(who, is) => {
            desk.book.subscribed(&peers[who], 3, is, now);
            if let Some((_, shared_at, is_sharing)) = seen.there.get_mut(&peers[who]) {
                if *is_sharing {
                    *shared_at = now;
                }
                *is_sharing = is;
            }
        }
        Step::Score(who, score) => desk.score(peers[who], f64::from(score)),
        Step::Protect(who, true) => {
            desk.book.protect(peers[who]);
            seen.protected.insert(peers[who]);
        }
        Step::Protect(who, false) => {
            desk.book.unprotect(&peers[who]);
            seen.protected.remove(&peers[who]);
        }
        Step::SendAway(who) => {
            desk.book.disconnect(peers[who]);
            desk.book.disconnected(&peers[who]);
            seen.there.remove(&peers[who]);
            seen.away.insert(peers[who]);
        }
        Step::Candidate(who) => {
            let is_wanted = desk.book.wants_peers();
            if desk.book.may_dial(peers[who], now) {
                prop_assert!(is_wanted);
                prop_assert!(!seen.there.contains_key(&peers[who]), "it is there");
                prop_assert!(!seen.away.contains(&peers[who]), "it was sent away");
            }
        }
        Step::Fail(who) => desk.book.dial_failed(&peers[who]),
        Step::Wait(seconds) => desk.wait(Duration::from_secs(seconds)),
    }
    Ok(())
}

/// Prunes as the swarm does, and checks who went and who stayed.
fn prune(desk: &mut Desk, seen: &mut Seen) -> Result<(), TestCaseError> {
    let (now, limits) = (desk.now, config().peers);
    let scores = desk.book.infos(true);
    let score = |peer: &PeerId| scores[peer].scores.gossip.total;
    let (before, pruned) = (seen.there.len(), desk.pruned());
    let is_unshared = |peer: &PeerId| {
        let (_, shared_at, is_sharing) = seen.there[peer];
        !is_sharing && now - shared_at >= MINUTE
    };
    let is_graced = |peer: &PeerId| now - seen.there[peer].0 < limits.grace;
    let cut = pruned
        .iter()
        .filter(|peer| !is_unshared(peer))
        .collect::<Vec<_>>();
    for peer in &pruned {
        prop_assert!(!seen.protected.contains(peer), "a protected peer went");
        prop_assert!(
            is_unshared(peer) || !is_graced(peer),
            "one within its grace went"
        );
    }
    prop_assert!(
        cut.is_empty() || before - pruned.len() >= limits.high,
        "too many went"
    );
    let stayed = seen
        .there
        .keys()
        .filter(|peer| !pruned.contains(*peer))
        .collect::<Vec<_>>();
    for peer in &stayed {
        let is_free = !seen.protected.contains(*peer);
        prop_assert!(
            !(is_free && is_unshared(peer)),
            "one without a topic stayed"
        );
        let is_excess = stayed.len() > limits.high;
        prop_assert!(
            !(is_excess && is_free && !is_graced(peer)),
            "one too many stayed"
        );
        let has_worse_luck = is_free && !is_graced(peer);
        let is_worst = cut.iter().all(|gone| score(gone) <= score(peer));
        prop_assert!(
            !has_worse_luck || is_worst,
            "a better one went before a worse one"
        );
    }
    for peer in &pruned {
        desk.book.disconnected(peer);
        seen.there.remove(peer);
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_limits_hold_whatever_happens(steps in prop::collection::vec(step(), 1..200)) {
        let peers = std::array::from_fn::<_, 12, _>(|_| PeerId::random());
        let (mut desk, mut seen) = (Desk::new(), Seen::default());
        for step in &steps {
            apply(&mut desk, &mut seen, &peers, step)?;
            prune(&mut desk, &mut seen)?;
            prop_assert_eq!(desk.book.stats().connected, seen.there.len());
            for (banned, _) in desk.book.to_ban() {
                prop_assert!(!seen.protected.contains(&banned));
                prop_assert!(seen.there.contains_key(&banned));
            }
        }
    }
}

#[test]
fn a_crowd_that_comes_and_goes_leaves_a_bounded_book() {
    let mut desk = Desk::new();
    for _ in 0..3000 {
        let guest = PeerId::random();
        desk.connect(guest);
        desk.book.identified(guest, Identified::default());
        desk.book.disconnect(guest);
        desk.book.disconnected(&guest);
    }
    assert_eq!(desk.book.stats().known, 1024);
    assert_eq!(desk.book.infos(false).len(), 1024);
}

#[test]
fn a_flood_of_records_of_others_makes_us_forget_nobody_who_is_there() {
    let mut desk = Desk::new();
    let guest = desk.guest(-500.0);
    let said = Identified {
        user_agent: "optimism".to_owned(),
        ..Identified::default()
    };
    desk.book.identified(guest, said);
    let record = ::enr::Enr::empty(&discovery_key(&secp256k1::Keypair::generate())).unwrap();
    for _ in 0..3000 {
        desk.book.found(PeerId::random(), record.clone(), &[]);
    }
    assert_eq!(desk.book.info(&guest).unwrap().user_agent, "optimism");
    assert_eq!(desk.book.to_ban().len(), 1);
    assert_eq!(desk.book.stats().known, 1025);
}

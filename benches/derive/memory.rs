//! Memory while the program catches up: the execution layer is slow and L1 is full of inbox data, so that the window fills.

use crate::{
    chain::Chain,
    els::ElKind,
    engine::{node, reaches},
    replay::Replay,
    report::Report,
};
use light_node_devnet::DEV_ACCOUNTS;
use light_node_devnet_el::{ElFault, ElFaultKind};

/// L1 blocks at first that hold the chain.
const PLAIN: u64 = 8;
/// L1 blocks full of data behind them: more than the window has.
const FULL: u64 = 80;
/// Of them, those with blobs.
const WITH_BLOBS: u64 = 40;
/// Blobs of each of these.
const BLOBS: usize = 3;
/// What every request to the execution layer takes longer.
const SLOW_MS: u64 = 100;

/// The peak of a node that derives the first blocks while what follows fills its window.
pub(crate) async fn memory(report: &mut Report) {
    let mut chain = Chain::start().await;
    chain.grow(PLAIN).await;
    for index in 0..FULL {
        let blobs = chain.junk(if index < WITH_BLOBS { BLOBS } else { 0 });
        chain.mine_full(&DEV_ACCOUNTS[3], &blobs).await;
    }
    let replay = Replay::of(&chain.devnet.l1().url()).await;
    let el = ElKind::Embedded.start(&chain).await;
    let embedded = el.embedded.as_ref().unwrap();
    embedded.set_fault(ElFault::until_cleared(ElFaultKind::Slow).by(SLOW_MS));
    let node = node(&chain, &replay, &el.url);
    let l1 = chain.devnet.l1().heads().latest.number;
    let (began, _) = reaches(&node, |status| status.safe_l2.number, 1).await;
    let (ended, _) = reaches(&node, |status| status.current_l1.number, l1).await;
    Report::note(
        "seconds for an L1 full of inbox data",
        (ended - began).as_secs_f64(),
        "s",
    );
    report.at_most(
        "resident memory, peak, window full",
        node.peak_rss_mib(),
        400.0,
        "MiB",
    );
    chain.devnet.stop().await.unwrap();
}

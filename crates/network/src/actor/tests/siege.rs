//! A siege of a running node by peers that keep no rules: run by hand, against the address in `LIGHT_NODE_SIEGE`.

use super::wire::{WirePeer, idontwant, publish, recompressed, wire_peer};
use crate::{test_chain, topics::BlockVersion};
use alloy_primitives::Bytes;
use libp2p::Multiaddr;
use rand::RngCore;
use std::time::{Duration, Instant};

/// How many peers besiege at a time. Each comes back as another as soon as it is not heard any more.
const BESIEGERS: usize = 8;
/// RPCs of one peer before it comes back as another.
const RPCS: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "besieges a node that runs: LIGHT_NODE_SIEGE=<its multiaddress>[,<chain id>[,<seconds>]]"]
async fn a_running_node_is_besieged() {
    let named = std::env::var("LIGHT_NODE_SIEGE").unwrap();
    let mut parts = named.split(',');
    let address: Multiaddr = parts.next().unwrap().parse().unwrap();
    let mut number = |or: u64| parts.next().map_or(or, |part| part.parse().unwrap());
    let (chain_id, seconds) = (number(901), number(300));
    let until = Instant::now() + Duration::from_secs(seconds);
    let besiegers = (0..BESIEGERS).map(|which| {
        let address = address.clone();
        tokio::spawn(async move {
            let (mut lives, mut sent) = (0_u64, 0_u64);
            while Instant::now() < until {
                let Some(mut peer) = wire_peer(address.clone()).await else {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                lives += 1;
                for round in 0..RPCS {
                    let rpc = attack(which, round, chain_id);
                    if Instant::now() >= until || !send(&mut peer, &rpc).await {
                        break;
                    }
                    sent += 1;
                }
            }
            (which, lives, sent)
        })
    });
    for besieger in besiegers.collect::<Vec<_>>() {
        let (which, lives, sent) = besieger.await.unwrap();
        println!("besieger {which}: {lives} lives, {sent} RPCs");
    }
}

async fn send(peer: &mut WirePeer, rpc: &[u8]) -> bool {
    tokio::time::timeout(Duration::from_secs(10), peer.send(rpc))
        .await
        .unwrap_or(false)
}

/// What each besieger does, by its number.
fn attack(which: usize, round: usize, chain_id: u64) -> Vec<u8> {
    let topic = |version: BlockVersion| version.topic(chain_id).to_string();
    let v4 = topic(BlockVersion::V4);
    let mut noise = vec![0; 2000];
    rand::rng().fill_bytes(&mut noise);
    let by_stranger = |bytes: usize| {
        let filler = vec![Bytes::from(noise.repeat(bytes / noise.len()))];
        let envelope = test_chain::block(BlockVersion::V4, filler);
        test_chain::data(BlockVersion::V4, &envelope, &test_chain::key_of(0x66))
    };
    match which {
        // Strangers' blocks, small and large.
        0 => publish(&v4, &[recompressed(&by_stranger(100_000), 60_000)]),
        1 => publish(&v4, &[recompressed(&by_stranger(8_000_000), 60_000)]),
        // One block in ever other bytes.
        2 => {
            let envelope = test_chain::block(BlockVersion::V4, vec![vec![7; 4_000_000].into()]);
            let data = test_chain::data(BlockVersion::V4, &envelope, &test_chain::key_of(0x66));
            publish(&v4, &[recompressed(&data, 60_000 - round)])
        }
        // Foreign topics, with much and with many.
        3 => publish(&format!("/foreign/{round}"), &[noise.repeat(2000)]),
        4 => publish("/foreign", &vec![noise[..100].to_vec(); 200]),
        // Bombs, and no snappy.
        5 => publish(&v4, &[vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0x41], noise]),
        // Words without end.
        6 => idontwant(&[noise.repeat(8)]),
        // All topics in turn, and an RPC of too many messages.
        _ if round % 10 == 9 => publish(&v4, &vec![noise[..80].to_vec(); 50_000]),
        _ => {
            let version = BlockVersion::ALL[round % 4];
            publish(&topic(version), &[recompressed(&by_stranger(2000), 60_000)])
        }
    }
}

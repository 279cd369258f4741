//! Effects of the devnet's flags, as they show on its L1.

use crate::helpers::{
    inbox::inbox,
    process::{Process, plain_command},
    rpc::Rpc,
    wait::until,
};
use alloy_primitives::Bytes;
use flate2::read::ZlibDecoder;
use light_node_devnet::Endpoints;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, io::Read, path::Path, time::Duration};

/// What is waited for takes some blocks of L1, on a busy machine.
const LIMIT: Duration = Duration::from_secs(90);

/// A command that runs a devnet with its files in `dir`, once it has printed where everything is.
fn devnet(dir: &Path, args: &[&str]) -> (Process, Endpoints) {
    let datadir = format!("--datadir={}", dir.display());
    let process = Process::spawn(plain_command(&[&["devnet", &datadir], args].concat()));
    let name = dir.canonicalize().unwrap().display().to_string();
    let is_printed = |line: &str| line.contains(&name).then_some(());
    process.wait_for("the directory of the files", LIMIT, is_printed);
    let endpoints = fs::read(dir.join("endpoints.json")).unwrap();
    (process, serde_json::from_slice(&endpoints).unwrap())
}

/// A channel as it was put together from frames, the longest of which, with everything around its data, has so many bytes.
#[derive(Debug, Default)]
struct Channel {
    data: Vec<u8>,
    frames: usize,
    frame_bytes_max: usize,
    is_closed: bool,
}

/// The channels in calldata, by their ids.
fn channels(transactions: &[Value]) -> BTreeMap<Vec<u8>, Channel> {
    let mut channels: BTreeMap<Vec<u8>, Channel> = BTreeMap::new();
    for transaction in transactions {
        let input: Bytes = transaction["input"].as_str().unwrap().parse().unwrap();
        let (version, mut rest) = input.split_first().unwrap();
        assert_eq!(*version, 0);
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[18..22].try_into().unwrap()) as usize;
            let (frame, after) = rest.split_at(22 + length + 1);
            let number = u16::from_be_bytes(frame[16..18].try_into().unwrap());
            let channel = channels.entry(frame[..16].to_vec()).or_default();
            // The same channel may be sent again.
            if usize::from(number) == channel.frames {
                channel.data.extend(&frame[22..22 + length]);
                channel.frames += 1;
                channel.is_closed = frame.last() == Some(&1);
            }
            channel.frame_bytes_max = channel.frame_bytes_max.max(frame.len());
            rest = after;
        }
    }
    channels
}

/// The type byte of the first batch of uncompressed channel data, which is a list of RLP strings.
fn first_batch_type(plain: &[u8]) -> u8 {
    let head = match plain[0] {
        short @ 0x80..=0xb7 => usize::from(short > 0),
        long @ 0xb8..=0xbf => 1 + usize::from(long - 0xb7),
        other => panic!("{other:#x} begins no string"),
    };
    plain[head]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_batcher_of_a_devnet_writes_as_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let args = [
        "--deriver=false",
        "--batches=singular",
        "--compression=zlib",
        "--da=calldata",
        "--frame-bytes=1000",
        // Longer channels.
        "--block-time=1s",
        "--l1-block-time=8s",
        "--followers=0",
    ];
    let (_process, endpoints) = devnet(dir.path(), &args);
    let channel = until("a channel of several frames", LIMIT, || async {
        let transactions = inbox(&endpoints).await?;
        let is_blob = |transaction: &Value| transaction["type"] == "0x3";
        assert!(!transactions.iter().any(is_blob), "{transactions:?}");
        let channels = channels(&transactions);
        for channel in channels.values() {
            assert!(channel.frame_bytes_max <= 1000, "{channel:?}");
        }
        let mut channels = channels.into_values();
        let found = channels.find(|channel| channel.is_closed && channel.frames > 1);
        found.ok_or_else(|| json!(transactions.len()))
    })
    .await;
    // Brotli would begin with its version, 1.
    assert_eq!(channel.data[0] & 0x0f, 8, "no zlib");
    let mut plain = Vec::new();
    ZlibDecoder::new(&channel.data[..])
        .read_to_end(&mut plain)
        .unwrap();
    assert_eq!(first_batch_type(&plain), 0, "no singular batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_followers_of_a_devnet_follow_a_deriver_where_there_is_one() {
    let derived = "light_node_derivation_";
    for (flag, has_deriver) in [("--deriver=true", true), ("--deriver=false", false)] {
        let dir = tempfile::tempdir().unwrap();
        let times = ["--block-time=1s", "--l1-block-time=1s"];
        let (_process, endpoints) = devnet(dir.path(), &[&[flag], &times[..]].concat());
        assert_eq!(endpoints.deriver.is_some(), has_deriver);
        if let Some(deriver) = &endpoints.deriver {
            let page = reqwest::get(&deriver.metrics).await.unwrap();
            let page = page.text().await.unwrap();
            assert!(page.contains(derived), "{page}");
        }
        let follower = Rpc::url(&endpoints.followers[0].rpc);
        until("an advancing safe head", LIMIT, || async {
            let status = follower.sync_status().await?;
            if status.safe_l2.number > 0 {
                Ok(())
            } else {
                Err(json!(status))
            }
        })
        .await;
    }
}

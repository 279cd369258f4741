#![allow(clippy::unwrap_used)]

use super::*;
use crate::feed::testing::{MemoryBeacon, blob, root};
use alloy_eips::eip4844::kzg_to_versioned_hash;
use serde_json::json;
use std::time::{SystemTime, UNIX_EPOCH};

/// A beacon chain that began ten slots ago, or so long before that.
fn genesis_time(earlier: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() - 120 - earlier
}

fn client(beacons: &[&MemoryBeacon]) -> BeaconClient {
    let transports = beacons
        .iter()
        .map(|beacon| Box::new((*beacon).clone()) as Box<dyn BeaconTransport>);
    BeaconClient::with_transports(transports.collect(), None)
}

/// The blobs with these hashes of the block in slot 7, whose parent is `root(1)`.
fn wanted(beacon: &MemoryBeacon, hashes: &[B256]) -> Wanted {
    Wanted {
        block: BlockNumHash {
            number: 5,
            hash: B256::repeat_byte(5),
        },
        slot_time: beacon.state().genesis_time + 7 * 12,
        parent_beacon_root: Some(root(1)),
        hashes: hashes.to_vec(),
    }
}

/// A blob with this byte in it, as beacons write it.
fn hex_of(byte: u8) -> String {
    alloy_primitives::hex::encode_prefixed(blob(byte).0)
}

fn found(blobs: &Blobs) -> Vec<B256> {
    let mut hashes: Vec<B256> = blobs.iter().map(|(hash, _)| *hash).collect();
    hashes.sort_unstable();
    hashes
}

#[tokio::test(start_paused = true)]
async fn blobs_are_asked_for_by_their_hashes_and_verified() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    let mut hashes = [1, 2, 3].map(|byte| beacon.put(7, byte, root(1)));
    let client = client(&[&beacon]);
    let asked = [hashes[2], hashes[0]];
    let blobs = client.blobs(&wanted(&beacon, &asked)).await.unwrap();
    let mut expected = asked;
    expected.sort_unstable();
    assert_eq!(found(&blobs), expected);
    for (hash, blob) in &blobs {
        let byte = 1 + hashes.iter().position(|one| one == hash).unwrap();
        assert_eq!(usize::from(blob[1]), byte);
    }
    assert_eq!(beacon.requests("blob_sidecars"), 0);
    // Genesis and spec are asked for once, and a beacon that gives all of a slot gives what is wanted.
    beacon.state().ignores_filter = true;
    hashes.sort_unstable();
    let blobs = client.blobs(&wanted(&beacon, &hashes[..1])).await.unwrap();
    assert_eq!(found(&blobs), hashes[..1]);
    assert_eq!(
        (beacon.requests("genesis"), beacon.requests("spec")),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_beacon_without_blobs_gives_sidecars_and_is_asked_for_those_from_then_on() {
    for status in [400, 404, 405, 501] {
        let beacon = MemoryBeacon::new("one", genesis_time(0));
        let hashes = [1, 2, 3].map(|byte| beacon.put(7, byte, root(1)));
        beacon.state().refused = vec![("/eth/v1/beacon/blobs/", status, None)];
        let client = client(&[&beacon]);
        for _ in 0..3 {
            let blobs = client.blobs(&wanted(&beacon, &hashes[1..])).await.unwrap();
            assert_eq!(blobs.len(), 2);
        }
        assert_eq!(beacon.requests("/blobs/"), 1, "{status}");
        assert_eq!(beacon.requests("/blob_sidecars/"), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_blobs_are_never_believed_and_another_beacon_is_asked() {
    for (use_sidecars, slot) in [(false, 7), (true, 7)] {
        let good = MemoryBeacon::new("good", genesis_time(0));
        let hash = good.put(slot, 1, root(1));
        let liar = MemoryBeacon::new("liar", good.state().genesis_time);
        liar.put(slot, 1, root(1));
        let (forged, _) = blob(9);
        {
            let mut state = liar.state();
            state.blobs.get_mut(&slot).unwrap()[0].0 = forged;
            state.ignores_filter = true;
            if use_sidecars {
                state.refused = vec![("/eth/v1/beacon/blobs/", 404, None)];
            }
        }
        let lone = client(&[&liar]).blobs(&wanted(&good, &[hash])).await;
        let Err(BlobError::Unavailable { cause }) = lone else {
            panic!("{lone:?}");
        };
        assert!(cause.contains("liar"), "{cause}");
        let both = client(&[&liar, &good]);
        let blobs = both.blobs(&wanted(&good, &[hash])).await.unwrap();
        assert_eq!(blobs[0].1[1], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_field_element_that_is_not_canonical_is_no_blob() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    let hash = beacon.put(7, 1, root(1));
    beacon.state().blobs.get_mut(&7).unwrap()[0].0[0] = 0xff;
    let refused = client(&[&beacon]).blobs(&wanted(&beacon, &[hash])).await;
    assert!(
        matches!(refused, Err(BlobError::Unavailable { .. })),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_named_for_what_it_is() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    let hash = beacon.put(7, 1, root(1));
    let client = client(&[&beacon]);
    let wanted = wanted(&beacon, &[hash]);

    // Another block in the slot, with other blobs or without any.
    beacon.state().blobs.remove(&7);
    beacon.put(7, 2, root(2));
    let error = client.blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Reorged { slot: 7, .. }),
        "{error}"
    );
    beacon.state().ignores_filter = true;
    let error = client.blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Reorged { slot: 7, .. }),
        "{error}"
    );
    beacon.state().blobs.remove(&7);
    let error = client.blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Reorged { slot: 7, .. }),
        "{error}"
    );

    // The right block without its blobs.
    beacon.state().parents.insert(7, root(1));
    let error = client.blobs(&wanted).await.unwrap_err();
    let BlobError::Absent { cause, .. } = &error else {
        panic!("{error}");
    };
    assert!(cause.contains("not its blobs"), "{cause}");

    // No block, and the beacon is past the slot; or it is not.
    beacon.state().parents.remove(&7);
    beacon.put(8, 3, root(8));
    let error = client.blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Missed { slot: 7, .. }),
        "{error}"
    );
    {
        let mut state = beacon.state();
        state.head = 6;
        state.parents = [(6, root(6))].into();
    }
    let error = client.blobs(&wanted).await.unwrap_err();
    let BlobError::Absent { cause, .. } = &error else {
        panic!("{error}");
    };
    assert!(cause.contains("its head is slot 6"), "{cause}");

    // A beacon that serves no headers leaves its 404.
    beacon.state().refused = vec![("/eth/v1/beacon/headers", 404, None)];
    let error = client.blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Missed { slot: 7, .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn blobs_of_long_ago_have_expired_unless_a_beacon_archives_them() {
    let long_ago = genesis_time(19 * 86_400);
    let pruned = MemoryBeacon::new("pruned", long_ago);
    let archive = MemoryBeacon::new("archive", long_ago);
    let hash = archive.put(7, 1, root(1));
    let wanted = wanted(&archive, &[hash]);
    let error = client(&[&pruned]).blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Expired { slot: 7, .. }),
        "{error}"
    );
    let both = client(&[&pruned, &archive]);
    assert_eq!(both.blobs(&wanted).await.unwrap().len(), 1);
    // An archive that does not answer may have them.
    archive.state().is_silent = true;
    let error = both.blobs(&wanted).await.unwrap_err();
    assert!(matches!(error, BlobError::Unavailable { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_beacon_that_keeps_no_old_blobs_is_not_asked_for_them_each_time() {
    let long_ago = genesis_time(19 * 86_400);
    let pruned = MemoryBeacon::new("pruned", long_ago);
    let archive = MemoryBeacon::new("archive", long_ago);
    let both = client(&[&pruned, &archive]);
    for slot in (1..=20).rev() {
        let hash = archive.put(slot, 1, root(1));
        let mut wanted = wanted(&archive, &[hash]);
        wanted.slot_time = archive.state().genesis_time + slot * 12;
        assert_eq!(both.blobs(&wanted).await.unwrap().len(), 1);
    }
    assert_eq!(pruned.requests("/blobs/"), 1);
    assert_eq!(archive.requests("/blobs/"), 20);
    // Newer ones it may have.
    let now = genesis_time(0) + 120;
    let slot = (now - long_ago) / 12;
    let hash = pruned.put(slot, 1, root(1));
    let mut wanted = wanted(&archive, &[hash]);
    wanted.slot_time = long_ago + slot * 12;
    assert_eq!(both.blobs(&wanted).await.unwrap().len(), 1);
    assert_eq!(archive.requests("/blobs/"), 20);
}

#[tokio::test(start_paused = true)]
async fn a_beacon_without_a_spec_is_named_with_a_remedy() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    let hash = beacon.put(7, 1, root(1));
    for status in [404, 501] {
        beacon.state().refused = vec![("/eth/v1/config/spec", status, None)];
        let refused = client(&[&beacon]).blobs(&wanted(&beacon, &[hash])).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("--l1.slot-duration"), "{text}");
        assert!(text.contains(&status.to_string()), "{text}");
    }
    let transport = Box::new(beacon.clone()) as Box<dyn BeaconTransport>;
    let slot_duration = Some(Duration::from_secs(12));
    let told = BeaconClient::with_transports(vec![transport], slot_duration);
    let blobs = told.blobs(&wanted(&beacon, &[hash])).await.unwrap();
    assert_eq!(blobs.len(), 1);
    assert_eq!(beacon.requests("spec"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_hostile_beacon_answers_is_bounded_and_never_believed() {
    let good = MemoryBeacon::new("good", genesis_time(0));
    let hash = good.put(7, 1, root(1));
    let (true_blob, other) = (hex_of(1), hex_of(2));
    for data in [
        json!([true_blob[..1000]]),
        json!([format!("{true_blob}00")]),
        json!([other, other]),
        json!([]),
        json!([[[]]]),
        json!({"0": true_blob}),
        json!(vec![&other; 200]),
    ] {
        let liar = MemoryBeacon::new("liar", good.state().genesis_time);
        liar.put(7, 1, root(1));
        let answer = json!({ "data": data }).to_string();
        liar.state().answers = vec![
            ("/eth/v1/beacon/blobs/", answer.clone()),
            ("/eth/v1/beacon/blob_sidecars/", answer),
        ];
        let lone = client(&[&liar]).blobs(&wanted(&good, &[hash])).await;
        assert!(
            matches!(
                lone,
                Err(BlobError::Unavailable { .. } | BlobError::Absent { .. })
            ),
            "{lone:?}"
        );
        let both = client(&[&liar, &good]);
        let blobs = both.blobs(&wanted(&good, &[hash])).await.unwrap();
        assert_eq!(blobs[0].1[1], 1);
    }
    // The same blob over and over is that blob.
    let liar = MemoryBeacon::new("liar", good.state().genesis_time);
    let answer = json!({ "data": vec![true_blob; 3] }).to_string();
    liar.state().answers = vec![("/eth/v1/beacon/blobs/", answer)];
    let blobs = client(&[&liar]).blobs(&wanted(&good, &[hash])).await;
    assert_eq!(blobs.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_first_beacon_holds_blobs_up_once_and_then_for_moments() {
    let first = MemoryBeacon::new("first", genesis_time(0));
    let second = MemoryBeacon::new("second", first.state().genesis_time);
    let hash = second.put(7, 1, root(1));
    first.state().is_silent = true;
    let client = client(&[&first, &second]);
    let wanted = wanted(&second, &[hash]);
    let mut longest = Duration::ZERO;
    for turn in 0..100 {
        let asked_at = Instant::now();
        client.blobs(&wanted).await.unwrap();
        if turn > 0 {
            longest = longest.max(asked_at.elapsed());
        }
        tokio::time::sleep(Duration::from_secs(12)).await;
    }
    assert!(longest < Duration::from_secs(4), "{longest:?}");
    first.state().is_silent = false;
    first.put(7, 1, root(1));
    tokio::time::sleep(Duration::from_secs(600)).await;
    client.blobs(&wanted).await.unwrap();
    assert_eq!(first.requests("/blobs/"), 1, "it serves again");
}

#[tokio::test(start_paused = true)]
async fn slow_beacons_that_all_failed_get_their_time() {
    let first = MemoryBeacon::new("first", genesis_time(0));
    let second = MemoryBeacon::new("second", first.state().genesis_time);
    let hash = first.put(7, 1, root(1));
    let client = client(&[&first, &second]);
    let wanted = wanted(&first, &[hash]);
    for beacon in [&first, &second] {
        beacon.state().is_silent = true;
    }
    client.blobs(&wanted).await.unwrap_err();
    for beacon in [&first, &second] {
        let mut state = beacon.state();
        (state.is_silent, state.delay) = (false, Duration::from_secs(8));
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.blobs(&wanted).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_beacon_whose_sidecars_are_broken_still_says_what_became_of_a_slot() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    beacon.put(8, 1, root(1));
    beacon.state().refused = vec![("/eth/v1/beacon/blob_sidecars/", 500, None)];
    let wanted = wanted(&beacon, &[B256::ZERO]);
    let error = client(&[&beacon]).blobs(&wanted).await.unwrap_err();
    assert!(
        matches!(error, BlobError::Missed { slot: 7, .. }),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_and_the_next_beacon_serves_meanwhile() {
    let first = MemoryBeacon::new("first", genesis_time(0));
    let second = MemoryBeacon::new("second", first.state().genesis_time);
    let hash = first.put(7, 1, root(1));
    second.put(7, 1, root(1));
    let wait = Duration::from_secs(60);
    first.state().refused = vec![("/eth/v1/beacon/blobs/", 429, Some(wait))];
    let client = client(&[&first, &second]);
    let wanted = wanted(&first, &[hash]);
    for _ in 0..10 {
        client.blobs(&wanted).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(first.requests("/blobs/"), 1);
    assert_eq!(second.requests("/blobs/"), 10);
}

#[tokio::test(start_paused = true)]
async fn a_time_within_a_slot_is_another_chain_s_and_no_beacon_at_all_is_named() {
    let beacon = MemoryBeacon::new("one", genesis_time(0));
    let mut wanted = wanted(&beacon, &[B256::ZERO]);
    wanted.slot_time += 1;
    let error = client(&[&beacon]).blobs(&wanted).await.unwrap_err();
    assert!(error.to_string().contains("no slot begins at"), "{error}");
    let error = client(&[]).blobs(&wanted).await.unwrap_err();
    assert!(
        error.to_string().contains("no beacon is configured"),
        "{error}"
    );
}

#[tokio::test]
async fn answers_of_real_beacons_are_read_and_a_real_sidecar_is_verified() {
    let real = |name: &str| crate::testing::real_data(&format!("derivation/beacon/{name}.json"));
    let (Some(genesis), Some(spec)) = (real("genesis"), real("spec")) else {
        return;
    };
    assert_eq!(api::genesis_time(&genesis), Ok(1_606_824_023));
    assert_eq!(api::slot_duration(&spec), Ok(Duration::from_secs(12)));
    let sidecars = real("blob_sidecars-goerli-7422094-first").unwrap();
    let given = Source::Sidecars.decode(&sidecars).unwrap();
    let hash = kzg_to_versioned_hash(&given[0].commitment.unwrap());
    let verified = |body, hash| async move {
        let verifier = kzg::Verifier::default();
        let found = verifier.verified(Source::Sidecars, body, &[hash]).await;
        found.map(|found| found.map(|blobs| blobs[0].0))
    };
    assert_eq!(verified(sidecars.clone(), hash).await, Ok(Some(hash)));
    let mut other: serde_json::Value = serde_json::from_slice(&sidecars).unwrap();
    let blob = other["data"][0]["blob"].as_str().unwrap();
    other["data"][0]["blob"] = format!("0x0000{}", &blob[6..]).into();
    let forged = serde_json::to_vec(&other).unwrap();
    assert!(verified(forged, hash).await.is_err());
}

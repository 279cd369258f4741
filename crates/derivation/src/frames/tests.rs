#![allow(clippy::unwrap_used)]

use super::*;
use crate::{kona::Frame, testing::files};
use proptest::prelude::*;

fn frame(channel: u8, number: u16, is_last: bool) -> RawFrame {
    RawFrame {
        channel: [channel; 16],
        number,
        data: Bytes::new(),
        is_last,
    }
}

fn names(frames: &[RawFrame]) -> Vec<(u8, u16)> {
    let named = frames.iter().map(|frame| (frame.channel[0], frame.number));
    named.collect()
}

/// The reference node's pruning, told step by step: neighbours in a list from which one of them is taken.
fn prune_by_neighbours(mut frames: Vec<RawFrame>) -> Vec<RawFrame> {
    let mut at = 0;
    while at + 1 < frames.len() {
        let (current, next) = (&frames[at], &frames[at + 1]);
        let same = current.channel == next.channel;
        if same && (current.is_last || next.number != current.number.wrapping_add(1)) {
            frames.remove(at + 1);
        } else if !same && next.number == 0 && !current.is_last {
            frames.remove(at);
            at = at.saturating_sub(1);
        } else if !same && next.number != 0 {
            frames.remove(at + 1);
        } else {
            at += 1;
        }
    }
    frames
}

#[test]
fn published_payloads_parse_or_are_refused() {
    let Some(folder) = files::folder("derivation") else {
        return;
    };
    let cases = files::json(folder.join("frames.json"));
    for case in cases["valid"].as_array().unwrap() {
        let payload = Bytes::from(files::hex(&case["payload"]));
        let frames = parse_frames(&payload).unwrap();
        let expected = case["frames"].as_array().unwrap();
        assert_eq!(frames.len(), expected.len(), "{}", case["name"]);
        for (frame, expected) in frames.iter().zip(expected) {
            let channel = alloy_primitives::hex::encode(frame.channel);
            assert_eq!(channel, expected["channelId"]);
            assert_eq!(frame.number, expected["number"]);
            assert_eq!(frame.data.len() as u64, expected["dataBytes"]);
            let is_last = expected["isLast"].as_bool();
            let is_last = is_last.unwrap_or_else(|| expected["isLast"] == 1);
            assert_eq!(frame.is_last, is_last);
            let [alone] = &Frame::parse_frames(&frame.encode_alone()).unwrap()[..] else {
                panic!("one frame");
            };
            assert_eq!(alone.data, frame.data);
        }
    }
    for case in cases["invalid"].as_array().unwrap() {
        let payload = Bytes::from(files::hex(&case["payload"]));
        assert!(parse_frames(&payload).is_err(), "{}", case["name"]);
    }
}

#[test]
fn an_is_last_byte_of_two_refuses_all_data_although_the_stock_parser_takes_it() {
    let mut data = frame(1, 0, true).encode_alone().to_vec();
    *data.last_mut().unwrap() = 2;
    assert!(!Frame::parse_frames(&data).unwrap()[0].is_last);
    let refused = parse_frames(&data.into());
    assert_eq!(refused, Err(FrameError::IsLast { index: 0, byte: 2 }));
}

#[test]
fn a_frame_of_more_than_a_million_bytes_is_refused() {
    let mut large = frame(1, 0, true);
    large.data = vec![0; 1_000_000].into();
    assert!(parse_frames(&large.encode_alone()).is_ok());
    large.data = vec![0; 1_000_001].into();
    let refused = parse_frames(&large.encode_alone());
    assert!(matches!(refused, Err(FrameError::TooLong { .. })));
}

#[test]
fn frames_that_continue_nothing_are_left_out() {
    let frames = vec![frame(1, 0, false), frame(1, 2, false), frame(1, 1, true)];
    assert_eq!(names(&prune_frames(frames)), [(1, 0), (1, 1)]);
    let frames = vec![frame(1, 0, true), frame(1, 1, false), frame(2, 3, false)];
    assert_eq!(names(&prune_frames(frames)), [(1, 0)]);
}

#[test]
fn a_new_channel_takes_the_frames_of_an_unfinished_one_with_it() {
    let frames = vec![frame(1, 0, false), frame(1, 1, false), frame(2, 0, true)];
    assert_eq!(names(&prune_frames(frames)), [(2, 0)]);
}

#[test]
fn a_finished_channel_of_the_same_name_survives_an_unfinished_one() {
    // Reuse of a channel's name: what the stock queue drains here is more than the unfinished channel.
    let frames = vec![
        frame(1, 0, true),
        frame(2, 0, true),
        frame(1, 0, false),
        frame(3, 0, true),
    ];
    assert_eq!(names(&prune_frames(frames)), [(1, 0), (2, 0), (3, 0)]);
}

proptest! {
    #[test]
    fn pruning_is_that_of_the_reference_node(
        frames in proptest::collection::vec((0_u8..3, 0_u16..3, any::<bool>()), 0..12),
    ) {
        let frames: Vec<_> = frames.into_iter().map(|(c, n, last)| frame(c, n, last)).collect();
        prop_assert_eq!(prune_frames(frames.clone()), prune_by_neighbours(frames));
    }

    #[test]
    fn no_data_breaks_the_parser(data in proptest::collection::vec(any::<u8>(), 0..200), version in 0_u8..2) {
        let data = Bytes::from([vec![version], data].concat());
        if let Ok(frames) = parse_frames(&data) {
            let bytes: usize = frames.iter().map(|frame| frame.data.len() + HEAD + 1).sum();
            prop_assert_eq!(bytes + 1, data.len());
        }
    }
}

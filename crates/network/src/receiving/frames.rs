//! Follows the frames of a stream without keeping them. Both what two sides agree a protocol with and the RPCs of gossip are a length
//! and as many bytes, so one reading goes through all of it: the stream is one of gossip once gossip has been named.

/// Bytes of an RPC that is large: above what a block usually takes, compressed, and with room for its length in 1 MiB.
pub(super) const LARGE_BYTES: u64 = 1024 * 1024 - 8 * 1024;
/// What the protocols of gossip begin with.
const PROTOCOLS: [&[u8]; 2] = [b"/meshsub/", b"/floodsub"];
/// Bytes at the beginning of a frame that tell the protocol.
const HEAD_LENGTH: usize = 9;
/// Bits of a byte of a length, and of all lengths that mean anything.
const BITS: u32 = 7;
const BITS_MAX: u32 = 56;

/// Where in its frames a stream is.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    part: Part,
    is_gossip: bool,
}

#[derive(Clone, Debug)]
enum Part {
    /// In the length: what there is of it.
    Length { length: u64, bits: u32 },
    /// Behind the length: how much is to come, and how it began.
    Body { left: u64, head: Vec<u8> },
}

impl Part {
    const fn first() -> Self {
        Self::Length { length: 0, bits: 0 }
    }
}

impl Frames {
    /// A stream that begins.
    pub(super) const fn new() -> Self {
        Self {
            part: Part::first(),
            is_gossip: false,
        }
    }

    /// Goes on by `bytes`: whether a large RPC begins in them.
    pub(super) fn begins_large(&mut self, mut bytes: &[u8]) -> bool {
        let mut is_large = false;
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.part {
                Part::Length { length, bits } => {
                    bytes = rest;
                    *length |= u64::from(first & 0x7f) << *bits;
                    *bits += BITS;
                    if first & 0x80 == 0 || *bits > BITS_MAX {
                        let left = *length;
                        is_large |= self.is_gossip && left > LARGE_BYTES;
                        self.part = Part::Body {
                            left,
                            head: Vec::new(),
                        };
                        self.end_frame();
                    }
                }
                Part::Body { left, head } => {
                    let here =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    let (body, rest) = bytes.split_at(here);
                    bytes = rest;
                    if !self.is_gossip {
                        let missing = HEAD_LENGTH.saturating_sub(head.len());
                        head.extend(body.iter().take(missing));
                    }
                    *left -= here as u64;
                    self.end_frame();
                }
            }
        }
        is_large
    }

    /// Goes on to the next frame if this one has ended.
    fn end_frame(&mut self) {
        if let Part::Body { left: 0, head } = &self.part {
            self.is_gossip |= PROTOCOLS.iter().any(|name| head.starts_with(name));
            self.part = Part::first();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut buffer = unsigned_varint::encode::usize_buffer();
        let length = unsigned_varint::encode::usize(body.len(), &mut buffer);
        [length, body].concat()
    }

    fn agreed(protocol: &str) -> Vec<u8> {
        [frame(b"/multistream/1.0.0\n"), frame(protocol.as_bytes())].concat()
    }

    /// A length without its body.
    fn begun(bytes: u64) -> Vec<u8> {
        let mut buffer = unsigned_varint::encode::u64_buffer();
        unsigned_varint::encode::u64(bytes, &mut buffer).to_vec()
    }

    #[test]
    fn a_large_rpc_is_seen_when_it_begins() {
        for protocol in ["/meshsub/1.1.0\n", "/floodsub/1.0.0\n"] {
            let mut frames = Frames::new();
            assert!(!frames.begins_large(&agreed(protocol)));
            assert!(!frames.begins_large(&frame(&vec![7; LARGE_BYTES as usize])));
            assert!(frames.begins_large(&begun(LARGE_BYTES + 1)));
            assert!(!frames.begins_large(&vec![0xff; LARGE_BYTES as usize]));
            assert!(!frames.begins_large(&[0xff]));
            assert!(frames.begins_large(&begun(LARGE_BYTES + 1)));
        }
    }

    #[test]
    fn a_protocol_that_is_named_after_others_were_refused_is_seen() {
        let mut frames = Frames::new();
        frames.begins_large(&agreed("/kad/1.0.0\n"));
        frames.begins_large(&frame(b"/meshsub/1.1.0\n"));
        assert!(frames.begins_large(&begun(u64::MAX)));
    }

    #[test]
    fn streams_of_other_protocols_are_left_alone() {
        let mut frames = Frames::new();
        frames.begins_large(&agreed("/ipfs/ping/1.0.0\n"));
        assert!(!frames.begins_large(&[0xff; 4096]));
        assert!(!frames.begins_large(&begun(LARGE_BYTES + 1)));
    }

    proptest! {
        #[test]
        fn what_is_seen_does_not_go_by_how_the_bytes_come(
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6),
            large in LARGE_BYTES - 2..LARGE_BYTES + 3,
            parts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let mut bytes = agreed("/meshsub/1.2.0\n");
            for body in &bodies {
                bytes.extend(frame(body));
            }
            bytes.extend(begun(large));
            let mut frames = Frames::new();
            let (mut seen, mut rest, mut parts) = (0, bytes.as_slice(), parts.iter().cycle());
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(rest.len().min(*parts.next().unwrap()));
                seen += usize::from(frames.begins_large(part));
                rest = behind;
            }
            prop_assert_eq!(seen, usize::from(large > LARGE_BYTES));
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            Frames::new().begins_large(&bytes);
            let mut frames = Frames::new();
            frames.begins_large(&agreed("/meshsub/1.2.0\n"));
            frames.begins_large(&bytes);
        }
    }
}

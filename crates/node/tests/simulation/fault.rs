//! What may happen at a step, drawn from the seed.

use light_node_engine_api::memory::CallKind;
use rand::{Rng, rngs::StdRng};

/// One event. Numbers are drawn with it, so that the trace says all.
#[derive(Clone, Debug)]
pub enum Event {
    /// L1 blocks; the batcher posts, the source derives.
    Advance(u64),
    /// L1 blocks, while the batcher pauses.
    AdvanceUnsafe(u64),
    /// The source derives this many L1 blocks of what it has not read.
    Derive(u64),
    L1Reorg {
        depth: u64,
        grown: u64,
    },
    /// The sequencer replaces unsafe blocks.
    UnsafeReorg(u64),
    /// An unsafe payload, this many blocks above the node's head.
    Payload(u64),
    L1(usize, L1Event),
    Source(SourceEvent),
    El(ElEvent),
    KillNode,
    StopNode,
    Wait,
}

/// What happens to an L1 endpoint.
#[derive(Clone, Copy, Debug)]
pub enum L1Event {
    Heal,
    Refused,
    Silent,
    TooManyRequests,
    Html,
    Truncated,
    WrongHashes,
    OtherChain,
    /// It stands at the view of an earlier step.
    Stale,
    Flapping,
    Lagging(usize),
}

/// What happens to the source.
#[derive(Clone, Copy, Debug)]
pub enum SourceEvent {
    Heal,
    Down,
    Hanging,
    Slow(u64),
    Html,
    Truncated,
    Huge,
    RpcError,
    ZeroHeads,
    FinalizedAboveSafe,
    UnknownOrigin,
    BorrowedOrigin,
    NoCursor,
    /// It stands at the view of an earlier step: frozen, or an L1 reorg behind.
    Old,
    /// One of two backends does.
    AlternatingOld,
    /// It is on another branch, this many blocks below safe.
    Foreign(u64),
    AlternatingForeign(u64),
    Back {
        blocks: u64,
        replays: bool,
    },
    OtherChain,
    Cycle,
}

/// What happens to the EL.
#[derive(Clone, Copy, Debug)]
pub enum ElEvent {
    /// Up, with peers, and quick.
    Heal,
    Down,
    /// It starts again, having lost blocks.
    Restart {
        lost: usize,
    },
    Wipe,
    /// Its peers give this many blocks a step.
    Peers(usize),
    Busy(u32),
    Invalid(CallKind),
    Inconsistent,
    /// -38002 after the head has moved.
    MovesThenInconsistent,
    LostAnswer(CallKind),
    Hang(CallKind),
    Null(u32),
    Sticky(usize),
}

/// What the engine asks of the EL all the time.
pub const CALLS: [CallKind; 3] = [
    CallKind::ForkchoiceUpdated,
    CallKind::NewPayload,
    CallKind::Blocks,
];

impl Event {
    pub fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..100) {
            0..30 => Self::Advance(rng.random_range(1..4)),
            30..34 => Self::AdvanceUnsafe(rng.random_range(1..3)),
            34..40 => Self::Derive(rng.random_range(1..6)),
            40..44 => Self::L1Reorg {
                depth: [1, 1, 3, 10][rng.random_range(0..4)],
                grown: rng.random_range(0..3),
            },
            44..46 => Self::UnsafeReorg(rng.random_range(1..6)),
            46..52 => Self::Payload(rng.random_range(1..8)),
            52..62 => Self::L1(rng.random_range(0..2), L1Event::draw(rng)),
            62..76 => Self::Source(SourceEvent::draw(rng)),
            76..90 => Self::El(ElEvent::draw(rng)),
            90..92 => Self::KillNode,
            92..93 => Self::StopNode,
            _ => Self::Wait,
        }
    }
}

impl L1Event {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..14) {
            0..4 => Self::Heal,
            4 => Self::Refused,
            5 => Self::Silent,
            6 => Self::TooManyRequests,
            7 => Self::Html,
            8 => Self::Truncated,
            9 => Self::WrongHashes,
            10 => Self::OtherChain,
            11 => Self::Stale,
            12 => Self::Flapping,
            _ => Self::Lagging(rng.random_range(1..6)),
        }
    }
}

impl SourceEvent {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..26) {
            0..6 => Self::Heal,
            6 => Self::Down,
            7 => Self::Hanging,
            8 => Self::Slow(rng.random_range(100..4_000)),
            9 => Self::Html,
            10 => Self::Truncated,
            11 => Self::Huge,
            12 => Self::RpcError,
            13 => Self::ZeroHeads,
            14 => Self::FinalizedAboveSafe,
            15 => Self::UnknownOrigin,
            16 => Self::BorrowedOrigin,
            17 => Self::NoCursor,
            18 => Self::Old,
            19 => Self::AlternatingOld,
            20 => Self::Foreign(rng.random_range(0..12)),
            21 => Self::AlternatingForeign(rng.random_range(0..12)),
            22 | 23 => Self::Back {
                blocks: rng.random_range(1..20),
                replays: rng.random(),
            },
            24 => Self::OtherChain,
            _ => Self::Cycle,
        }
    }
}

impl ElEvent {
    fn draw(rng: &mut StdRng) -> Self {
        match rng.random_range(0..20) {
            0..4 => Self::Heal,
            4 => Self::Down,
            5 => Self::Restart {
                lost: rng.random_range(0..30),
            },
            6 => Self::Wipe,
            7..10 => Self::Peers([0, 1, 8][rng.random_range(0..3)]),
            10 => Self::Busy(rng.random_range(1..6)),
            11 => Self::Invalid(CALLS[rng.random_range(0..2)]),
            12 => Self::Inconsistent,
            13 => Self::MovesThenInconsistent,
            14 | 15 => Self::LostAnswer(CALLS[rng.random_range(0..3)]),
            16 => Self::Hang(CALLS[rng.random_range(0..3)]),
            17 => Self::Null(rng.random_range(1..4)),
            _ => Self::Sticky(rng.random_range(1..4)),
        }
    }
}

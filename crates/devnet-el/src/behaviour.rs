//! Whose answers the execution layer gives where op-reth and op-geth differ. A rollup node must live with all of them.
//!
//! | | op-reth | op-geth | old op-geth |
//! |---|---|---|---|
//! | head is an ancestor of latest | nothing moves | labels move, the head stays | as op-geth |
//! | head is a known sibling | `VALID`, moved by the second call | moved | moved |
//! | label off the head's chain | taken | -38002 | -38002 |
//! | zero head | -38002 | `INVALID` | `INVALID` |
//! | far behind (see [`ElBehaviour`]) | every call is `SYNCING` | new payloads are, from genesis on | as op-geth |
//! | finalized of the call is known | a gap beyond 64 blocks is never closed | no matter | no matter |
//! | `VALID` while a target is missing | target forgotten | target kept | target kept |
//! | unknown head without its payload | synced to | synced to | `SYNCING`, nothing starts |
//! | killed | the last blocks and all side branches are lost | safe = finalized | safe = finalized |

use serde::{Deserialize, Serialize};
use std::fmt;

/// How many blocks op-reth may keep in memory alone when it is killed.
const RETH_BLOCKS_IN_MEMORY: u64 = 2;

/// Distance beyond which op-reth fills the gap by a backfill, during which it executes nothing else.
const RETH_LIVE_SYNC_BLOCKS: u64 = 32;

/// Longest gap that op-reth closes block by block: what its buffer holds.
const RETH_BUFFERED_BLOCKS: u64 = 64;

/// The execution layer that is imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElBehaviour {
    /// op-reth.
    #[default]
    OpReth,
    /// op-geth as it is now: it fetches a head that it does not know from its peers.
    OpGeth,
    /// op-geth as it was: a forkchoice starts a sync only to a head whose payload came before.
    OpGethOld,
}

impl ElBehaviour {
    /// All of them, for tests that run under each.
    pub const ALL: [Self; 3] = [Self::OpReth, Self::OpGeth, Self::OpGethOld];

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpReth => "op-reth",
            Self::OpGeth => "op-geth",
            Self::OpGethOld => "op-geth-old",
        }
    }

    /// True for op-reth.
    pub const fn is_reth(self) -> bool {
        matches!(self, Self::OpReth)
    }

    /// How many blocks a kill costs unless the command says otherwise.
    pub const fn blocks_lost_at_kill(self) -> u64 {
        match self {
            Self::OpReth => RETH_BLOCKS_IN_MEMORY,
            Self::OpGeth | Self::OpGethOld => 0,
        }
    }

    /// True if a forkchoice to an unknown head starts a sync although its payload never came.
    pub(crate) const fn syncs_to_unseen_heads(self) -> bool {
        !matches!(self, Self::OpGethOld)
    }

    /// True if a gap of this many blocks, from head number `from` on, is closed by a backfill.
    pub(crate) const fn backfills(self, from: u64, gap: u64) -> bool {
        match self {
            Self::OpReth => gap > RETH_LIVE_SYNC_BLOCKS,
            // A snap sync, which only an empty node does.
            Self::OpGeth | Self::OpGethOld => from == 0 && gap > 1,
        }
    }

    /// True if a gap of this many blocks is not closed although there is a target, because the finalized block of the call
    /// was known.
    pub(crate) const fn is_too_far(self, gap: u64, is_finalized_known: bool) -> bool {
        self.is_reth() && is_finalized_known && gap > RETH_BUFFERED_BLOCKS
    }
}

impl fmt::Display for ElBehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

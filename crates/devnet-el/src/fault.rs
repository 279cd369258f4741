//! What goes wrong with an execution layer on command, apart from being killed: requests that are not answered, and answers
//! that are prescribed. See [`EmbeddedEl::set_fault`](crate::EmbeddedEl::set_fault).

use futures::future::{BoxFuture, FutureExt};
use light_node_devnet_fault::{Fault, FaultSlot, HttpEffect, HttpFaults, Met};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a slow execution layer takes unless the command says otherwise.
const SLOW: Duration = Duration::from_secs(1);

/// What goes wrong with a request, or what a call is answered with. A prescribed answer changes nothing in the execution
/// layer, and other calls than those named go on as ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ElFaultKind {
    /// The connection is closed without an answer.
    Refuse,
    /// The request is taken and never answered; when the fault is over, its connection is closed.
    Hang,
    /// The request is answered as ever, `amount` milliseconds later (1000).
    Slow,
    /// A web page with status 200, as a misconfigured proxy serves.
    Html,
    /// HTTP status 503.
    Http503,
    /// New payloads and forkchoices are answered `SYNCING`.
    Syncing,
    /// Forkchoices are answered `SYNCING`.
    ForkchoiceSyncing,
    /// New payloads are answered `SYNCING`.
    PayloadSyncing,
    /// New payloads are answered `ACCEPTED`.
    PayloadAccepted,
    /// New payloads and forkchoices are answered `INVALID` with the latest block as the last valid one.
    Invalid,
    /// Forkchoices are answered `INVALID`.
    ForkchoiceInvalid,
    /// New payloads are answered `INVALID`.
    PayloadInvalid,
    /// Forkchoices fail with -38002.
    InvalidForkchoice,
    /// Forkchoices are carried out, and fail with -38002 all the same.
    AppliedInvalidForkchoice,
    /// Forkchoices are answered `VALID` and nothing moves.
    ForkchoiceStuck,
    /// Forkchoices with attributes move the head, and fail with -38003.
    InvalidAttributes,
    /// Reads of blocks find none.
    NullBlock,
    /// Reads of blocks find the parent of the block that was asked for by number or label.
    WrongBlock,
}

/// A fault of an execution layer.
pub type ElFault = Fault<ElFaultKind>;

impl ElFaultKind {
    /// Every kind, for documents and tests.
    pub const ALL: [Self; 18] = [
        Self::Refuse,
        Self::Hang,
        Self::Slow,
        Self::Html,
        Self::Http503,
        Self::Syncing,
        Self::ForkchoiceSyncing,
        Self::PayloadSyncing,
        Self::PayloadAccepted,
        Self::Invalid,
        Self::ForkchoiceInvalid,
        Self::PayloadInvalid,
        Self::InvalidForkchoice,
        Self::AppliedInvalidForkchoice,
        Self::ForkchoiceStuck,
        Self::InvalidAttributes,
        Self::NullBlock,
        Self::WrongBlock,
    ];

    /// True if every request meets it, whatever its method.
    const fn is_of_transport(self) -> bool {
        matches!(
            self,
            Self::Refuse | Self::Hang | Self::Slow | Self::Html | Self::Http503
        )
    }

    pub(crate) const fn answers_payloads(self) -> bool {
        matches!(
            self,
            Self::Syncing
                | Self::PayloadSyncing
                | Self::PayloadAccepted
                | Self::Invalid
                | Self::PayloadInvalid
        )
    }

    pub(crate) const fn answers_forkchoices(self) -> bool {
        matches!(
            self,
            Self::Syncing
                | Self::ForkchoiceSyncing
                | Self::Invalid
                | Self::ForkchoiceInvalid
                | Self::InvalidForkchoice
                | Self::AppliedInvalidForkchoice
                | Self::ForkchoiceStuck
        )
    }

    pub(crate) const fn answers_builds(self) -> bool {
        matches!(self, Self::InvalidAttributes)
    }

    pub(crate) const fn answers_reads(self) -> bool {
        matches!(self, Self::NullBlock | Self::WrongBlock)
    }
}

/// Whether the process of an execution layer runs. Each start is another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) is_alive: bool,
    pub(crate) number: u64,
}

/// Life and faults together: what every door asks before it lets a request in.
#[derive(Debug)]
pub(crate) struct ElFaults {
    pub(crate) slot: FaultSlot<ElFaultKind>,
    pub(crate) life: watch::Sender<Life>,
}

impl Default for ElFaults {
    fn default() -> Self {
        Self {
            slot: FaultSlot::default(),
            life: watch::Sender::new(Life {
                is_alive: true,
                number: 0,
            }),
        }
    }
}

impl ElFaults {
    pub(crate) fn life(&self) -> Life {
        *self.life.borrow()
    }

    fn met(&self) -> Option<Met<ElFaultKind>> {
        self.slot.take_if(ElFaultKind::is_of_transport)
    }

    /// Waits until requests that hang are to be let go: the fault is over, or the process was killed.
    async fn released(&self) {
        let life = self.life();
        let mut lives = self.life.subscribe();
        tokio::select! {
            () = self.slot.over() => {}
            _ = lives.wait_for(|now| *now != life) => {}
        }
    }
}

/// The faults as the HTTP servers ask for them.
#[derive(Clone, Debug)]
pub(crate) struct ServedFaults {
    pub(crate) faults: Arc<ElFaults>,
    /// The life that is served, where each has a server of its own.
    pub(crate) life: Option<u64>,
    /// Ends the server, which would otherwise wait for requests that hang.
    pub(crate) token: CancellationToken,
}

impl ServedFaults {
    /// False for what comes by a connection of an earlier life.
    fn is_served(&self) -> bool {
        let life = self.faults.life();
        life.is_alive && self.life.is_none_or(|served| served == life.number)
    }
}

impl HttpFaults for ServedFaults {
    fn is_in_force(&self) -> bool {
        let current = self.faults.slot.current();
        !self.is_served() || current.is_some_and(|met| met.kind.is_of_transport())
    }

    fn take(&self) -> Option<HttpEffect> {
        if !self.is_served() {
            return Some(HttpEffect::Refuse);
        }
        let met = self.faults.met()?;
        Some(match met.kind {
            ElFaultKind::Hang => HttpEffect::Hang,
            ElFaultKind::Slow => HttpEffect::Slow(met.milliseconds_or(SLOW)),
            ElFaultKind::Html => HttpEffect::Html,
            ElFaultKind::Http503 => HttpEffect::Status(http::StatusCode::SERVICE_UNAVAILABLE),
            _ => HttpEffect::Refuse,
        })
    }

    fn over(&self) -> BoxFuture<'static, ()> {
        let Self { faults, token, .. } = self.clone();
        async move {
            // Either is the end of waiting.
            let _ = token.run_until_cancelled(faults.released()).await;
        }
        .boxed()
    }
}

/// What keeps a call without a wire from its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No connection.
    Connection,
    /// No answer within the deadline.
    Deadline,
    /// An answer that is none.
    Malformed,
    /// An HTTP status.
    Status(u16),
}

impl ElFaults {
    /// Lets a call without a wire in, or lets it meet what a request over HTTP would meet.
    pub(crate) async fn admit(&self, deadline: Duration) -> Result<Life, Refused> {
        let life = self.life();
        if !life.is_alive {
            return Err(Refused::Connection);
        }
        let Some(met) = self.met() else {
            return Ok(life);
        };
        match met.kind {
            ElFaultKind::Hang => {
                let released = tokio::time::timeout(deadline, self.released()).await;
                Err(released.map_or(Refused::Deadline, |()| Refused::Connection))
            }
            ElFaultKind::Slow => {
                let delay = met.milliseconds_or(SLOW);
                tokio::time::sleep(delay.min(deadline)).await;
                if delay < deadline {
                    Ok(life)
                } else {
                    Err(Refused::Deadline)
                }
            }
            ElFaultKind::Html => Err(Refused::Malformed),
            ElFaultKind::Http503 => Err(Refused::Status(503)),
            _ => Err(Refused::Connection),
        }
    }

    /// The answer of a call that was let in is lost if the process was killed meanwhile.
    pub(crate) fn let_out(&self, life: Life) -> Result<(), Refused> {
        if self.life() == life {
            Ok(())
        } else {
            Err(Refused::Connection)
        }
    }
}

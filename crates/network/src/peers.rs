//! What is known of peers, and which of them should come, stay or go. Pure: the swarm's task tells it what happened and when, asks
//! what to do, and does it. Who may be a peer at all is the gater's matter.

mod book;
mod record;
mod statics;
#[cfg(test)]
mod tests;

pub(crate) use book::PeerBook;
pub(crate) use record::Identified;
pub(crate) use statics::peer_of;

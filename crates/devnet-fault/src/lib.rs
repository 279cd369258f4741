//! Faults on command, for the servers of the devnet: what a request meets instead of an answer, for a time, for a number of
//! requests, or until cleared.
//!
//! [`FaultSlot`] holds the fault in force and counts who met it; each server has kinds of its own. [`FaultLayer`] lets the
//! HTTP requests of a JSON-RPC server meet it, all but those that command the devnet.

mod layer;
mod slot;

pub use layer::{FaultLayer, HttpEffect, HttpFaults};
pub use slot::{Fault, FaultSlot, Met};

/// Prefix of the methods that command a part of the devnet. They never meet a fault.
pub const CONTROL_PREFIX: &str = "dev_";

/// The page that a misconfigured proxy serves with status 200.
pub const HTML_PAGE: &str =
    "<!DOCTYPE html><html><body>Service Temporarily Unavailable</body></html>";

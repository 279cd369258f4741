//! What the tests of this crate share: real data from files, an L2 that executes nothing, a sequencer with its batcher, and a
//! driver that gives attributes to the L2.

pub(crate) mod allocations;
pub(crate) mod batcher;
pub(crate) mod driver;
pub(crate) mod el;
pub(crate) mod files;
pub(crate) mod world;

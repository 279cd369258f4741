//! The tasks: each one a free async function over the EL, the context and its input. They never loop until something
//! works: what must be tried again is scheduled by the actor.

pub(crate) mod build;
pub(crate) mod consolidate;
pub(crate) mod derive;
pub(crate) mod fetch;
pub(crate) mod first_sync;
pub(crate) mod follow;
pub(crate) mod forkchoice;
pub(crate) mod insert;
pub(crate) mod labels;
pub(crate) mod lost;
pub(crate) mod probe;
pub(crate) mod reset;
pub(crate) mod settle;
pub(crate) mod sync;

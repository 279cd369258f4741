//! Behaviour of the real binary: each file is one behaviour, seen from outside, on a chain that the test itself runs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli;
mod helpers;

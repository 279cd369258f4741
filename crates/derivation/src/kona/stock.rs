//! Kona's stages as they come, for tests that compare ours with them.

pub(crate) use kona_protocol::BatchReader;

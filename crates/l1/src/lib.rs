//! Our own view of L1: a client over several endpoints with failover, a window of canonical blocks, and the watcher actor
//! that keeps both fresh. Everyone else reads [`L1Heads`] or asks [`L1Handle::check`].

//! How the allocator gives memory back. Answers of L1, blobs and channels are large, live shortly and are read on many threads; glibc
//! learns from them to keep such pieces in the heaps of those threads, where they leave holes, and resident memory grows far
//! beyond what is in use.

/// Pieces of this size and more are the kernel's as soon as they are freed. Transactions full of batches are a little below
/// glibc's own 128 KiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BYTES: libc::c_int = 64 << 10;

/// Has large pieces given back at once. To be called first of all.
pub(crate) fn give_large_pieces_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: it only sets a number inside the allocator, under the allocator's own lock. A refusal changes nothing.
        let _ = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BYTES) };
    }
}

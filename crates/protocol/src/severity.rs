//! How much an error stops: the one scale on which an error enum answers `severity()` where its callers branch.

/// What the caller of a failed operation has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// Try the same again later, with backoff.
    Temporary,
    /// Drop the input and go on with the next: the same input will fail again.
    Drop,
    /// Rebuild the state from the execution layer before going on.
    Reset,
    /// A broken invariant of our own or a wrong configuration: the process must end and name the cause.
    Critical,
}

//! An OP Stack chain in one process, for tests and for .

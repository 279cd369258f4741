//! Against a server of a few lines that answers as each test says.

//! The embedded execution layer: op-revm behind the Engine API.

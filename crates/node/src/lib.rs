//! NodeConfig and Node: the wiring of all actors.

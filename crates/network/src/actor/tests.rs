//! Whole nodes on loopback: real sockets, real time, and nothing waits but for what happens. The engine behind each is scripted.

mod adversary;
mod flood;
mod hosts;
mod raw;
mod siege;
mod wire;
mod work;
mod world;

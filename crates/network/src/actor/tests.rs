//! Whole nodes on loopback: real sockets, real time, and nothing waits but for what happens. The engine behind each is scripted.

mod adversary;
mod deaf;
mod flood;
mod half_sent;
mod hosts;
mod links;
mod raw;
mod siege;
mod wire;
mod work;
mod world;

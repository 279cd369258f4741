//! The RPC actor: optimism, admin and ws namespaces, health and status.

//! Where everything listens: on free ports of the loopback interface, or on fixed ones that scripts can rely on.

use std::net::{Ipv4Addr, SocketAddr};

/// Most followers. More would run into each other's fixed ports.
pub const MAX_FOLLOWERS: usize = 16;

/// The listening addresses of one execution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElPorts {
    pub(crate) http: SocketAddr,
    pub(crate) authrpc: SocketAddr,
}

/// The listening addresses of a light-node and its execution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodePorts {
    pub(crate) rpc: SocketAddr,
    pub(crate) metrics: SocketAddr,
    /// TCP and UDP.
    pub(crate) p2p: SocketAddr,
    pub(crate) el: ElPorts,
}

/// The choice of ports. With fixed ones:
///
/// | what | port |
/// |---|---|
/// | L1 | 18545 |
/// | source | 17545 |
/// | sequencer | 17585 |
/// | sequencer's metrics | 17299 |
/// | sequencer's peers | 17221 |
/// | sequencer's execution layer | 19545, Engine API 19551 |
/// | deriver | 17595 |
/// | deriver's metrics | 17300 |
/// | deriver's peers | 17222 |
/// | deriver's execution layer | 19595, Engine API 19601 |
/// | follower n (from 1) | 17644 + n |
/// | follower n's metrics | 17300 + n |
/// | follower n's peers | 17222 + n |
/// | follower n's execution layer | 19635 + 10 n, Engine API 19641 + 10 n |
/// | spare execution layer | 19945, Engine API 19951 |
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) stable: bool,
}

impl Ports {
    pub(crate) fn l1(self) -> SocketAddr {
        self.at(18_545)
    }

    pub(crate) fn source(self) -> SocketAddr {
        self.at(17_545)
    }

    pub(crate) fn sequencer(self) -> NodePorts {
        NodePorts {
            rpc: self.at(17_585),
            metrics: self.at(17_299),
            p2p: self.at(17_221),
            el: self.el(19_545),
        }
    }

    pub(crate) fn deriver(self) -> NodePorts {
        NodePorts {
            rpc: self.at(17_595),
            metrics: self.at(17_300),
            p2p: self.at(17_222),
            el: self.el(19_595),
        }
    }

    pub(crate) fn spare_el(self) -> ElPorts {
        self.el(19_945)
    }

    /// `index` counts from 0 and is below [`MAX_FOLLOWERS`].
    pub(crate) fn follower(self, index: u16) -> NodePorts {
        NodePorts {
            rpc: self.at(17_645 + index),
            metrics: self.at(17_301 + index),
            p2p: self.at(17_223 + index),
            el: self.el(19_645 + 10 * index),
        }
    }

    /// As with geth's 8545 and 8551.
    fn el(self, http: u16) -> ElPorts {
        ElPorts {
            http: self.at(http),
            authrpc: self.at(http + 6),
        }
    }

    fn at(self, port: u16) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, if self.stable { port } else { 0 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn fixed_ports_do_not_run_into_each_other() {
        let ports = Ports { stable: true };
        let mut all = vec![ports.l1(), ports.source()];
        let mut els = vec![ports.spare_el()];
        let followers = (0..).take(MAX_FOLLOWERS).map(|index| ports.follower(index));
        for node in followers.chain([ports.deriver(), ports.sequencer()]) {
            let NodePorts {
                rpc,
                metrics,
                p2p,
                el,
            } = node;
            all.extend([rpc, metrics, p2p]);
            els.push(el);
        }
        all.extend(els.into_iter().flat_map(|el| [el.http, el.authrpc]));
        let count = all.len();
        assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), count);
    }

    #[test]
    fn otherwise_every_port_is_free_for_the_system_to_choose() {
        assert_eq!(Ports { stable: false }.follower(3).el.authrpc.port(), 0);
    }
}

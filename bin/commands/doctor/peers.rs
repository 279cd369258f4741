//! What can be seen of the ports for peers from here: whether we can have them. Whether others reach them is not to be seen.

use super::{
    finding::{Check, Finding},
    local::Port,
};
use light_node_network::NetworkConfig;
use std::{
    io::{Error, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
};

/// A port for peers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    listen: SocketAddr,
    is_udp: bool,
}

impl Door {
    const fn protocol(self) -> &'static str {
        if self.is_udp { "udp" } else { "tcp" }
    }

    fn bind(self) -> Result<(), Error> {
        if self.is_udp {
            UdpSocket::bind(self.listen).map(drop)
        } else {
            TcpListener::bind(self.listen).map(drop)
        }
    }
}

/// The ports that the node would take.
pub(super) fn doors(network: &NetworkConfig) -> Vec<Door> {
    let listen = network.listen;
    let door = |port, is_udp| Door {
        listen: SocketAddr::new(listen.ip, port),
        is_udp,
    };
    let udp_port = match listen.udp_port {
        0 => listen.tcp_port,
        port => port,
    };
    let udp = network.discovery.as_ref().map(|_| door(udp_port, true));
    [door(listen.tcp_port, false)]
        .into_iter()
        .chain(udp)
        .collect()
}

/// Tries the ports: nothing is left behind. `rpc` is what was seen of our RPC port: a node that runs there has them.
pub(super) fn look(doors: &[Door], rpc: &Port) -> Vec<Finding> {
    let runs = matches!(rpc, Port::LightNode(_));
    let found = doors.iter().map(|door| {
        let bound = match door.listen.port() {
            0 => None,
            _ => Some(door.bind()),
        };
        judge(*door, bound, runs)
    });
    found.collect()
}

fn judge(door: Door, bound: Option<Result<(), Error>>, runs: bool) -> Finding {
    let check = Check::P2pPort;
    let protocol = door.protocol();
    let name = format!("{}/{protocol}", door.listen);
    let flag = format!("--p2p.listen.{protocol}");
    let error = match bound {
        None => return Finding::ok(check, &name, "any free port"),
        Some(Ok(())) => return Finding::ok(check, &name, "free"),
        Some(Err(error)) => error,
    };
    match error.kind() {
        ErrorKind::AddrInUse if runs => {
            Finding::ok(check, &name, "taken, as the light-node that runs would")
        }
        ErrorKind::AddrInUse => {
            let tool = if door.is_udp { "-lunp" } else { "-ltnp" };
            let fix = format!(
                "stop it (`ss {tool}` names it), or choose another port with {flag}; --p2p.disable does without peers"
            );
            Finding::error(check, &name, "another program listens there", fix)
        }
        ErrorKind::AddrNotAvailable => {
            let fix = "--p2p.listen.ip must be an address of this machine, or 0.0.0.0 for all; what peers are told is --p2p.advertise.ip";
            Finding::error(check, &name, error.to_string(), fix)
        }
        _ => {
            let fix = format!("choose another --p2p.listen.ip or {flag}");
            Finding::error(check, &name, error.to_string(), fix)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{
        super::{
            finding::Severity,
            local::{Port, Running},
        },
        *,
    };

    fn taken() -> (TcpListener, UdpSocket, [Door; 2]) {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let door = |listen, is_udp| Door { listen, is_udp };
        let doors = [
            door(tcp.local_addr().unwrap(), false),
            door(udp.local_addr().unwrap(), true),
        ];
        (tcp, udp, doors)
    }

    #[test]
    fn a_port_of_another_program_is_an_error_that_names_its_flag() {
        let (_tcp, _udp, doors) = taken();
        let findings = look(&doors, &Port::Free);
        for (finding, protocol) in findings.iter().zip(["tcp", "udp"]) {
            assert_eq!(finding.severity, Severity::Error, "{finding:?}");
            let fix = finding.fix.as_ref().unwrap();
            assert!(fix.contains(&format!("--p2p.listen.{protocol}")), "{fix}");
        }
        let runs = Port::LightNode(Running::default());
        for finding in look(&doors, &runs) {
            assert_eq!(finding.severity, Severity::Ok, "{finding:?}");
        }
    }

    #[test]
    fn a_free_port_is_left_free_and_an_address_of_others_is_named() {
        let (tcp, udp, doors) = taken();
        drop((tcp, udp));
        for _ in 0..2 {
            for finding in look(&doors, &Port::Free) {
                assert_eq!(finding.severity, Severity::Ok, "{finding:?}");
            }
        }
        let foreign = Door {
            listen: "192.0.2.1:9222".parse().unwrap(),
            is_udp: false,
        };
        let finding = &look(&[foreign], &Port::Free)[0];
        assert!(finding.fix.as_ref().unwrap().contains("--p2p.listen.ip"));
        let any = Door {
            listen: "127.0.0.1:0".parse().unwrap(),
            is_udp: true,
        };
        assert_eq!(look(&[any], &Port::Free)[0].severity, Severity::Ok);
    }
}

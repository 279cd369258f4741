//! A port that stays ours while nothing listens on it, so that a killed execution layer refuses connections and comes back
//! at the same address.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};
use tokio::net::TcpSocket;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// A bound port. Listeners on it come and go.
#[derive(Debug)]
pub(super) struct Port {
    addr: SocketAddr,
    /// Bound, and never listening.
    _reservation: TcpSocket,
}

impl Port {
    /// Takes the port; 0 takes any free one.
    pub(super) fn reserve(addr: SocketAddr) -> io::Result<Self> {
        if addr.port() != 0 {
            // Sharing is for ourselves alone: who has the port already shares it, too, and would not be noticed.
            drop(TcpListener::bind(addr)?);
        }
        let reservation = shared(addr)?;
        reservation.bind(addr)?;
        Ok(Self {
            addr: reservation.local_addr()?,
            _reservation: reservation,
        })
    }

    pub(super) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Listens until the listener is dropped.
    pub(super) fn listen(&self) -> io::Result<TcpListener> {
        let socket = shared(self.addr)?;
        // Connections of an earlier listener may still be waiting for their end.
        socket.set_reuseaddr(true)?;
        socket.bind(self.addr)?;
        socket.listen(BACKLOG)?.into_std()
    }
}

fn shared(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseport(true)?;
    Ok(socket)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn a_port_without_listener_refuses_and_is_nobody_elses() {
        let port = Port::reserve(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        for _ in 0..3 {
            let refused = TcpStream::connect(port.addr()).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let taken = Port::reserve(port.addr()).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
            let listener = port.listen().unwrap();
            TcpStream::connect(port.addr()).await.unwrap();
            let taken = Port::reserve(port.addr()).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
            drop(listener);
        }
    }
}

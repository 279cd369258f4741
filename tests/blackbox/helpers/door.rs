//! A port in front of an endpoint, which a test opens, closes and points elsewhere while the node knows one URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
};

/// The port. Until it is opened for the first time it refuses connections, as that of a server which is not up yet.
#[derive(Debug)]
pub(crate) struct Door {
    addr: SocketAddr,
    /// Bound and not listening: the port is ours, and nobody answers.
    reserved: Option<TcpSocket>,
    target: watch::Sender<Option<SocketAddr>>,
}

impl Door {
    /// A free port on which nobody listens.
    pub(crate) fn new() -> Self {
        Self::on(TcpSocket::new_v4().unwrap(), Ipv4Addr::LOCALHOST)
    }

    /// The same where there is no IPv4.
    pub(crate) fn on_ipv6() -> Self {
        Self::on(TcpSocket::new_v6().unwrap(), Ipv6Addr::LOCALHOST)
    }

    fn on(reserved: TcpSocket, host: impl Into<IpAddr>) -> Self {
        reserved.bind((host.into(), 0).into()).unwrap();
        Self {
            addr: reserved.local_addr().unwrap(),
            reserved: Some(reserved),
            target: watch::Sender::new(None),
        }
    }

    pub(crate) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Leads to `target` from now on. Connections that led elsewhere are cut.
    pub(crate) fn lead_to(&mut self, target: SocketAddr) {
        self.target.send_replace(Some(target));
        if let Some(reserved) = self.reserved.take() {
            let listener = reserved.listen(128).unwrap();
            tokio::spawn(serve(listener, self.target.subscribe()));
        }
    }

    /// Cuts all connections, and new ones as soon as they are made.
    pub(crate) fn close(&self) {
        self.target.send_replace(None);
    }
}

async fn serve(listener: TcpListener, target: watch::Receiver<Option<SocketAddr>>) {
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(forward(client, target.clone()));
    }
}

async fn forward(mut client: TcpStream, mut target: watch::Receiver<Option<SocketAddr>>) {
    let Some(addr) = *target.borrow_and_update() else {
        return;
    };
    let Ok(mut server) = TcpStream::connect(addr).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = target.changed() => {}
    }
}

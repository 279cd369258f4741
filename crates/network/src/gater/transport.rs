//! The gater below name resolution: what is dialled here is an IP address, whatever name it had above. Placed between the DNS
//! transport and TCP.

use super::Gater;
use libp2p::{
    Multiaddr,
    core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A transport that dials only what the gater lets through.
pub(crate) struct GatedTransport<T> {
    inner: T,
    gater: Arc<Gater>,
}

impl<T> GatedTransport<T> {
    /// `inner` behind `gater`.
    pub(crate) const fn new(inner: T, gater: Arc<Gater>) -> Self {
        Self { inner, gater }
    }
}

impl<T: Transport<Error = io::Error> + Unpin> Transport for GatedTransport<T> {
    type Output = T::Output;
    type Error = io::Error;
    type ListenerUpgrade = T::ListenerUpgrade;
    type Dial = T::Dial;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<Self::Error>> {
        self.inner.listen_on(id, address)
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.inner.remove_listener(id)
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<Self::Error>> {
        self.gater.may_dial(&address).map_err(|refusal| {
            TransportError::Other(io::Error::new(io::ErrorKind::PermissionDenied, refusal))
        })?;
        self.inner.dial(address, options)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, Self::Error>> {
        Pin::new(&mut self.inner).poll(context)
    }
}

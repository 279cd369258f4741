//! Certificates of both sides: the signer shows one of an authority that we are told, and wants one of us.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use std::sync::Arc;
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
        server::WebPkiClientVerifier,
    },
};

/// An authority, and where its certificate stands.
struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
    folder: TempDir,
}

/// What one side shows, and where it stands.
struct Shown {
    certificate: rcgen::Certificate,
    key: KeyPair,
    paths: (PathBuf, PathBuf),
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            certificate,
            key,
            folder,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn issue(&self, name: &str) -> Shown {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params
            .signed_by(&key, &self.certificate, &self.key)
            .unwrap();
        let at = |end: &str| self.folder.path().join(format!("{name}.{end}"));
        let paths = (at("crt"), at("key"));
        fs::write(&paths.0, certificate.pem()).unwrap();
        fs::write(&paths.1, key.serialize_pem()).unwrap();
        Shown {
            certificate,
            key,
            paths,
        }
    }
}

/// A signer that shows a certificate of `authority`, and hears only those who do, too.
async fn tls_server(authority: &Authority, script: Script) -> Server {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let shown = authority.issue("127.0.0.1");
    let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![shown.certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = serve(&mut stream, &script, &tell).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    Server {
        endpoint: endpoint.parse().unwrap(),
        asked,
    }
}

async fn signed(
    server: &Server,
    ca_path: PathBuf,
    identity: Option<(PathBuf, PathBuf)>,
) -> Result<[u8; SIGNATURE_LEN], RemoteSignerError> {
    let config = RemoteSigner {
        endpoint: server.endpoint.clone(),
        address: test_chain::key().address(),
        ca_path: Some(ca_path),
        identity,
    };
    let mut client = RemoteSignerClient::new(config, test_chain::CHAIN_ID).unwrap();
    client.sign(HASH, DEADLINE).await
}

#[tokio::test]
async fn a_signer_and_its_client_know_each_other_by_their_certificates() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let signature = signature_by(&test_chain::key());
    let answer = result(json!(hex::encode_prefixed(signature)));
    let mut server = tls_server(&ours, answer).await;
    let client = ours.issue("client").paths;
    let known = signed(&server, ours.path(), Some(client.clone())).await;
    assert_eq!(known.unwrap(), signature);
    server.asked.recv().await.unwrap();
    // Without a certificate, with one of another authority, and from a signer of another: nothing is asked.
    let stranger = foreign.issue("client").paths;
    for (ca_path, identity) in [
        (ours.path(), None),
        (ours.path(), Some(stranger)),
        (foreign.path(), Some(client)),
    ] {
        let refused = signed(&server, ca_path, identity).await.unwrap_err();
        assert!(
            matches!(refused, RemoteSignerError::Unreachable(_)),
            "{refused}"
        );
    }
    assert!(server.asked.try_recv().is_err());
}

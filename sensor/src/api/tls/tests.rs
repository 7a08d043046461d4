//! Certificates: one that is replaced is used from the next connection on; a broken one is not.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::Certificates;

fn issue(folder: &Path) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made
}

/// Whether a client that trusts only this certificate gets through.
async fn reaches(certificates: &Certificates, trusted: &rcgen::CertifiedKey<rcgen::KeyPair>) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = certificates.acceptor();
    let server =
        tokio::spawn(async move { acceptor.accept(listener.accept().await.unwrap().0).await.is_ok() });
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let reached = TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok();
    drop(server);
    reached
}

#[tokio::test]
async fn a_new_certificate_is_taken_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = issue(folder.path());
    let (chain, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    let certificates = Certificates::load(&chain, &key).unwrap();
    assert!(reaches(&certificates, &first).await);
    // File times of some file systems are coarse.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let second = issue(folder.path());
    certificates.look();
    assert!(reaches(&certificates, &second).await && !reaches(&certificates, &first).await);
    std::thread::sleep(std::time::Duration::from_millis(20));
    std::fs::write(&key, "no key").unwrap();
    certificates.look();
    assert!(reaches(&certificates, &second).await);
    let fault = Certificates::load(&chain, &key).err().unwrap().to_string();
    assert!(fault.contains("key.pem") && fault.contains("PEM"), "{fault}");
}

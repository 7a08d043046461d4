//! TLS by rustls: certificates that are read again when their files change, without dropping anybody.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::stopped;
use crate::fault::Fault;

const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate chain with its key.
pub(super) struct Certificates {
    chain: PathBuf,
    key: PathBuf,
    config: ArcSwap<ServerConfig>,
    stamp: Mutex<Stamp>,
}

type Stamp = [Option<SystemTime>; 2];

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// They cannot be read, are no PEM, or do not belong together.
    pub(super) fn load(chain: &Path, key: &Path) -> Result<Self, Fault> {
        let stamp = stamp(chain, key);
        let config = ArcSwap::new(config(chain, key)?);
        Ok(Self { chain: chain.to_owned(), key: key.to_owned(), config, stamp: Mutex::new(stamp) })
    }

    /// For one connection: what is in force now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Looks at the files now and then; a pair that cannot be used leaves the old one in force.
    pub(super) async fn watch(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => self.look(),
                () = stopped(&mut stop) => return,
            }
        }
    }

    /// Reads the files again if they have changed.
    pub(super) fn look(&self) {
        let now = stamp(&self.chain, &self.key);
        let mut known = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        if *known == now {
            return;
        }
        *known = now;
        match config(&self.chain, &self.key) {
            Ok(config) => {
                self.config.store(config);
                tracing::info!(certificate = %self.chain.display(), "the certificate was read again");
            }
            Err(fault) => tracing::error!(%fault, "the certificate cannot be used; the one before stays"),
        }
    }
}

fn stamp(chain: &Path, key: &Path) -> Stamp {
    [chain, key].map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok())
}

fn config(chain: &Path, key: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let unreadable = |path: &Path, e: &dyn std::fmt::Display| {
        Fault::Config(format!(
            "{}: cannot be used ({e}); it must be PEM that the sensor may read",
            path.display()
        ))
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(|found| found.collect::<Result<Vec<_>, _>>())
        .map_err(|e| unreadable(chain, &e))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| unreadable(key, &e))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private))
        .map_err(|e| {
            let (chain, key) = (chain.display(), key.display());
            Fault::Config(format!(
                "{chain} and {key} cannot be used together ({e}); name a certificate and its key"
            ))
        })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;

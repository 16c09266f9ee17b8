//! The switch's self-signed certificate, made new for each lab: for its address, and for nothing else.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::lab::error::{LabError, Result};
use crate::lab::state::{LabFiles, write_private};

pub(crate) fn make_certificate(files: &LabFiles, address: Ipv4Addr) -> Result<()> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "muster lab power switch");
    parameters.subject_alt_names = vec![SanType::IpAddress(IpAddr::V4(address))];
    let key = KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?;
    write_private(&files.switch_certificate(), &certificate.pem())?;
    write_private(&files.switch_key(), &key.serialize_pem())
}

/// What turns a connection into a TLS connection, with the lab's certificate.
pub(super) fn acceptor(files: &LabFiles) -> Result<TlsAcceptor> {
    let (certificate_path, key_path) = (files.switch_certificate(), files.switch_key());
    let unreadable = |path: &std::path::Path| {
        let path = path.to_owned();
        move |error| LabError::io("read", &path)(std::io::Error::other(error))
    };
    let certificate = CertificateDer::from_pem_file(&certificate_path)
        .map_err(|e| unreadable(&certificate_path)(e.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&key_path).map_err(|e| unreadable(&key_path)(e.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(|error| unreadable(&certificate_path)(error.to_string()))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

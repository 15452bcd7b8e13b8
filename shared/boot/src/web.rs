//! The one HTTP client: hyper with rustls, no redirects, and limits on time and size.
//!
//! Receivers trust only Amazon's roots and carry them in the binary, because reading the system's
//! store takes longer than the rest of a cold start. A custom AWS endpoint has no certificate from
//! Amazon, so the system's store is read for it.

use crate::setting::CA_BUNDLE;
use crate::{Env, WebError};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// The largest response that is read.
const RESPONSE_BYTES_MAX: usize = 32 * 1024 * 1024;
const CONNECT_MAX: Duration = Duration::from_millis(1_500);
/// Lambda freezes the process between invocations, so a connection that was idle for longer is not
/// worth reusing.
const IDLE_MAX: Duration = Duration::from_secs(20);

/// The default time limit of a request. An adapter that needs another one puts a `Duration` into
/// the request's extensions, so this client and the adapters do not depend on each other.
const TIME_USUAL: Duration = Duration::from_secs(30);

/// The TLS roots that the client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Amazon's roots, carried in the binary.
    Amazon,
    /// The roots that browsers trust, carried in the binary.
    #[cfg(feature = "vendors")]
    Public,
    /// The roots in this PEM file.
    File(String),
}

/// The certificate stores of Debian and Amazon Linux.
const SYSTEM_BUNDLES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];
const ENDPOINTS: [&str; 4] = [
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_ENDPOINT_URL_SQS",
    "AWS_ENDPOINT_URL_SSM",
];

impl Trust {
    /// Returns the roots that the environment asks for, or else `usual`. A custom AWS endpoint
    /// needs the system's roots.
    pub fn from_env(env: &mut Env, usual: Self) -> Self {
        if let Some(path) = env.optional(CA_BUNDLE) {
            return Self::File(path);
        }
        let custom = ENDPOINTS
            .iter()
            .filter_map(|name| env.find(name))
            .any(|url| url.starts_with("https://"));
        let system = SYSTEM_BUNDLES
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        match (custom, system) {
            (true, Some(path)) => Self::File((*path).to_owned()),
            (true, None) | (false, _) => usual,
        }
    }
}

const AMAZON_ROOTS: [&[u8]; 5] = [
    include_bytes!("../roots/amazon-root-ca-1.der"),
    include_bytes!("../roots/amazon-root-ca-2.der"),
    include_bytes!("../roots/amazon-root-ca-3.der"),
    include_bytes!("../roots/amazon-root-ca-4.der"),
    include_bytes!("../roots/starfield-services-g2.der"),
];

fn roots(trust: &Trust) -> Result<RootCertStore, WebError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Amazon => {
            for der in AMAZON_ROOTS {
                roots.add(CertificateDer::from(der))?;
            }
        }
        #[cfg(feature = "vendors")]
        Trust::Public => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Trust::File(path) => {
            let unreadable =
                |why: &dyn fmt::Display| format!("cannot read certificates from {path}: {why}");
            for certificate in
                CertificateDer::pem_file_iter(path).map_err(|error| unreadable(&error))?
            {
                // The system's store may hold a certificate that rustls does not accept. The others
                // are still useful.
                let _ = roots.add(certificate.map_err(|error| unreadable(&error))?);
            }
            if roots.is_empty() {
                return Err(unreadable(&"the file has no certificate").into());
            }
        }
    }
    Ok(roots)
}

fn provider() -> rustls::crypto::CryptoProvider {
    #[cfg(feature = "vendors")]
    return rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "receiver", not(feature = "vendors")))]
    return rustls::crypto::ring::default_provider();
    #[cfg(not(any(feature = "receiver", feature = "vendors")))]
    compile_error!("boot needs one of its features: receiver, http or consumer");
}

/// Hyper with our limits. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub(crate) struct Client {
    hyper: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    pub(crate) fn new(trust: &Trust) -> Result<Self, WebError> {
        let tls = rustls::ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(trust)?)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_MAX));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1();
        let mut builder = Hyper::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX);
        Ok(Self {
            hyper: builder.build(https.wrap_connector(tcp)),
        })
    }

    pub(crate) async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, WebError> {
        let limit = request
            .extensions()
            .get::<Duration>()
            .copied()
            .unwrap_or(TIME_USUAL);
        let exchange = async {
            let response = self.hyper.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, RESPONSE_BYTES_MAX)
                .collect()
                .await?
                .to_bytes();
            Ok(http::Response::from_parts(head, body))
        };
        tokio::time::timeout(limit, exchange)
            .await
            .unwrap_or_else(|elapsed| Err(elapsed.into()))
    }
}

impl tower::Service<http::Request<Bytes>> for Client {
    type Response = http::Response<Bytes>;
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WebError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WebError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.send(request).await })
    }
}

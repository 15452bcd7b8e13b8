//! The key pair of a GitHub App that exists only on the stand-in.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::sync::LazyLock;

/// An RSA key pair in PEM.
#[derive(Clone)]
pub struct AppKey {
    /// Signs the App's JWTs.
    pub private_pem: String,
    /// Verifies their signatures.
    pub public_pem: String,
}

static KEY: LazyLock<AppKey> = LazyLock::new(|| {
    let key = KeyPair::generate(KeySize::Rsa2048).expect("the system gives random numbers");
    let private: Pkcs8V1Der<'_> = key.as_der().expect("a fresh key can be written");
    let public: PublicKeyX509Der<'_> = key
        .public_key()
        .as_der()
        .expect("a fresh key can be written");
    AppKey {
        private_pem: pem("PRIVATE KEY", private.as_ref()),
        public_pem: pem("PUBLIC KEY", public.as_ref()),
    }
});

/// The key pair of this process, generated at first use.
pub fn app_key() -> AppKey {
    KEY.clone()
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = BASE64_STANDARD.encode(der);
    let lines: Vec<_> = encoded
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

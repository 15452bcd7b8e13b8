//! The seam between a function and everything outside its process.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use domain::time::Timestamp;
use std::sync::Arc;

/// An HTTP request that got no response: refused, lost or too slow. Its effect on the server is
/// unknown.
pub type WebError = Box<dyn std::error::Error + Send + Sync>;

/// The HTTP client of the vendors' adapters: absolute URLs, no redirects, and limits on the
/// response's size and on the time.
pub type Web =
    tower::util::BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, WebError>;

/// The only clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The only source of random numbers.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Everything through which a function reaches the outside.
#[derive(Clone)]
pub struct Outside {
    /// The HTTP client of the AWS SDKs.
    pub aws: SharedHttpClient,
    /// The HTTP client of the vendors' adapters.
    pub web: Web,
    pub clock: Clock,
    pub random: Random,
}

impl Outside {
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Returns `N` random bytes: ten for a new id, more for a secret.
    pub fn random_bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        for part in bytes.chunks_mut(8) {
            let drawn = (self.random)().to_be_bytes();
            part.copy_from_slice(&drawn[..part.len()]);
        }
        bytes
    }

    /// Connects to the real services, through one HTTP client.
    pub fn real(trust: crate::Trust) -> Result<Self, WebError> {
        let client = crate::web::Client::new(&trust)?;
        Ok(Self {
            aws: SharedHttpClient::new(crate::aws::HttpClientForAws::new(client.clone())),
            web: Web::new(client),
            clock: Arc::new(system_clock),
            random: Arc::new(system_random),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn system_clock() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn system_random() -> u64 {
    getrandom::u64().expect("the kernel gives random numbers")
}

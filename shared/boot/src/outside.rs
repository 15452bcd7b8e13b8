//! The seam between a door and the world.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use bytes::Bytes;
use domain::time::Timestamp;
use std::sync::Arc;

/// An HTTP request without an answer: refused, lost or too slow. What it did on the other side is unknown.
pub type WebError = Box<dyn std::error::Error + Send + Sync>;

/// Whoever carries HTTP requests to vendors: absolute URLs, no redirects, a cap on the answer's size and on the time.
pub type Web = tower::util::BoxCloneSyncService<http::Request<Bytes>, http::Response<Bytes>, WebError>;

/// The only clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The only source of random numbers.
pub type Random = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Everything a door reaches the world by.
#[derive(Clone)]
pub struct Outside {
    /// Under the AWS SDKs.
    pub aws: SharedHttpClient,
    /// Under every vendor's wall.
    pub web: Web,
    /// What time it is.
    pub clock: Clock,
    /// Random numbers.
    pub random: Random,
}

impl Outside {
    /// What time it is.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Ten random bytes, for a new id.
    pub fn id_bytes(&self) -> [u8; 10] {
        let (a, b) = ((self.random)().to_be_bytes(), (self.random)().to_be_bytes());
        [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1]]
    }

    /// The real world, through one HTTP client that trusts whom `trust` says.
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
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn system_random() -> u64 {
    getrandom::u64().expect("the kernel gives random numbers")
}

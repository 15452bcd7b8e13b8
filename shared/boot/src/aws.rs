//! AWS settings, read the way the SDKs' own tools name them, without the machinery of a credential chain: Lambda gives a
//! function its credentials in the environment, and so does a developer's shell.

use crate::web::Client;
use crate::{Env, Outside, Trust};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use domain::time::Timestamp;
use std::time::{Duration, SystemTime};

/// The AWS settings of a process: `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
/// `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_DYNAMODB`, `AWS_ENDPOINT_URL_SQS`, `AWS_ENDPOINT_URL_SSM`, `AWS_CA_BUNDLE`,
/// `SSL_CERT_FILE`.
#[derive(Clone)]
pub struct AwsSettings {
    region: String,
    credentials: Credentials,
    dynamodb: Option<String>,
    sqs: Option<String>,
    ssm: Option<String>,
    bundle: Option<String>,
}

/// Where a system keeps its own certificates: Debian's and Amazon Linux's places.
const SYSTEM_BUNDLES: [&str; 2] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

impl AwsSettings {
    /// Reads the settings; what is missing is noted in `env`.
    pub fn read(env: &mut Env) -> Self {
        let region = env.text("AWS_REGION");
        let key = env.text("AWS_ACCESS_KEY_ID");
        let secret = env.text("AWS_SECRET_ACCESS_KEY");
        let token = env.find("AWS_SESSION_TOKEN");
        let all = env.find("AWS_ENDPOINT_URL");
        Self {
            region,
            credentials: Credentials::new(key, secret, token, None, "environment"),
            dynamodb: env
                .find("AWS_ENDPOINT_URL_DYNAMODB")
                .or_else(|| all.clone()),
            sqs: env.find("AWS_ENDPOINT_URL_SQS").or_else(|| all.clone()),
            ssm: env.find("AWS_ENDPOINT_URL_SSM").or(all),
            bundle: env
                .find("AWS_CA_BUNDLE")
                .or_else(|| env.find("SSL_CERT_FILE")),
        }
    }

    /// Settings that lead nowhere; behind the seam stands an embedded AWS.
    pub fn embedded() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("AKIDEMBEDDED", "embedded", None, None, "embedded"),
            dynamodb: None,
            sqs: None,
            ssm: None,
            bundle: None,
        }
    }

    /// Whom to trust, given whom the door would trust by itself.
    pub fn trust(&self, usual: Trust) -> Trust {
        if let Some(path) = &self.bundle {
            return Trust::File(path.clone());
        }
        let custom = [&self.dynamodb, &self.sqs, &self.ssm]
            .into_iter()
            .flatten()
            .any(|url| url.starts_with("https://"));
        let system = SYSTEM_BUNDLES
            .iter()
            .find(|path| std::path::Path::new(path).exists());
        match (custom, system) {
            (true, Some(path)) => Trust::File((*path).to_owned()),
            (true, None) | (false, _) => usual,
        }
    }
}

/// What the walls to AWS are built on.
#[derive(Clone)]
pub struct Aws {
    /// For the SDKs.
    pub sdk: SdkConfig,
    /// DynamoDB's address, where it is not the region's.
    pub dynamodb: Option<String>,
    /// SQS's address, where it is not the region's.
    pub sqs: Option<String>,
    pub(crate) ssm: String,
    pub(crate) credentials: Credentials,
    pub(crate) region: String,
}

/// Two attempts fit into the ten seconds in which GitHub wants its answer; queues do the rest of the retrying.
const ATTEMPTS: u32 = 2;
const ATTEMPT_MAX: Duration = Duration::from_millis(2_500);
const OPERATION_MAX: Duration = Duration::from_secs(4);

impl Aws {
    /// Joins settings and the outside.
    pub fn new(settings: AwsSettings, outside: &Outside) -> Self {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_MAX)
            .operation_timeout(OPERATION_MAX)
            .read_timeout(ATTEMPT_MAX)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(Duration::from_millis(50));
        let sdk = SdkConfig::builder()
            .behavior_version(
                aws_smithy_runtime_api::client::behavior_version::BehaviorVersion::latest(),
            )
            .region(Region::new(settings.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(settings.credentials.clone()))
            .http_client(outside.aws.clone())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(ClockForAws(outside.clock.clone())))
            .timeout_config(timeouts)
            .retry_config(retries)
            // Its watchdog task costs every call more than a stalled small answer ever would.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self {
            sdk,
            ssm: settings
                .ssm
                .unwrap_or_else(|| format!("https://ssm.{}.amazonaws.com", settings.region)),
            dynamodb: settings.dynamodb,
            sqs: settings.sqs,
            credentials: settings.credentials,
            region: settings.region,
        }
    }

    /// Opens the connection to SQS while the sandbox starts, so that the first webhook does not wait for handshakes. Whoever
    /// reads from DynamoDB then has opened that one.
    pub async fn warm(&self, outside: &Outside) {
        let url = self
            .sqs
            .clone()
            .unwrap_or_else(|| format!("https://sqs.{}.amazonaws.com", self.region));
        // Any answer will do: the connection stays in the pool.
        if let Ok(request) = http::Request::get(url).body(Bytes::new()) {
            let _ = tower::Service::call(&mut outside.web.clone(), request).await;
        }
    }
}

#[derive(Clone)]
struct ClockForAws(crate::Clock);

impl std::fmt::Debug for ClockForAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClockForAws")
    }
}

impl TimeSource for ClockForAws {
    fn now(&self) -> SystemTime {
        let millis: Timestamp = (self.0)();
        SystemTime::UNIX_EPOCH + millis.since(Timestamp::from_millis(0))
    }
}

/// The one HTTP client in the shape the SDKs want.
#[derive(Debug, Clone)]
pub(crate) struct HttpClientForAws {
    client: Client,
}

impl HttpClientForAws {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    async fn exchange(
        client: Client,
        request: HttpRequest,
    ) -> Result<aws_smithy_runtime_api::client::orchestrator::HttpResponse, ConnectorError> {
        let user = |error: String| ConnectorError::user(error.into());
        let request = request
            .try_into_http1x()
            .map_err(|error| user(error.to_string()))?;
        let (mut head, body) = request.into_parts();
        let body = body
            .bytes()
            .map(Bytes::copy_from_slice)
            .ok_or_else(|| user("a body must be in memory".to_owned()))?;
        head.extensions.insert(ATTEMPT_MAX);
        let request = http::Request::from_parts(head, body);
        let response = client.send(request).await.map_err(ConnectorError::io)?;
        response
            .map(SdkBody::from)
            .try_into()
            .map_err(|_| ConnectorError::other("an answer with odd headers".into(), None))
    }
}

impl HttpConnector for HttpClientForAws {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(Self::exchange(self.client.clone(), request))
    }
}

impl HttpClient for HttpClientForAws {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

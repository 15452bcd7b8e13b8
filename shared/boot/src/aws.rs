//! Reads the AWS settings and configures the AWS SDKs.
//!
//! The settings have the names that AWS's own tools use. There is no credential chain: Lambda puts
//! a function's credentials into the environment, and so does a developer's shell.

use crate::web::Client;
use crate::{Env, Outside, Setting, Settings};
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

const REGION: Setting =
    Setting::required("AWS_REGION", "The AWS region. Lambda sets it.").outside_template();
const ACCESS_KEY_ID: Setting = Setting::required(
    "AWS_ACCESS_KEY_ID",
    "The id of the credentials for AWS. Lambda sets it.",
)
.outside_template();
const SECRET_ACCESS_KEY: Setting = Setting::required(
    "AWS_SECRET_ACCESS_KEY",
    "The secret of the credentials for AWS. Lambda sets it.",
)
.outside_template();
const SESSION_TOKEN: Setting = Setting::optional(
    "AWS_SESSION_TOKEN",
    "The session token of temporary credentials. Lambda sets it.",
)
.outside_template();
const ENDPOINT_URL: Setting = Setting::optional(
    "AWS_ENDPOINT_URL",
    "Another address for all AWS services, for example an emulator's.",
)
.outside_template();
const ENDPOINT_URL_DYNAMODB: Setting =
    Setting::optional("AWS_ENDPOINT_URL_DYNAMODB", "Another address for DynamoDB.")
        .outside_template();
const ENDPOINT_URL_SQS: Setting =
    Setting::optional("AWS_ENDPOINT_URL_SQS", "Another address for SQS.").outside_template();
const ENDPOINT_URL_SSM: Setting = Setting::optional(
    "AWS_ENDPOINT_URL_SSM",
    "Another address for AWS Systems Manager.",
)
.outside_template();

/// The AWS settings of a process, named as AWS's own tools name them.
#[derive(Clone)]
pub struct AwsSettings {
    region: String,
    credentials: Credentials,
    dynamodb: Option<String>,
    sqs: Option<String>,
    ssm: Option<String>,
}

impl Settings for AwsSettings {
    fn read(env: &mut Env) -> Self {
        let region = env.text(REGION);
        let key = env.text(ACCESS_KEY_ID);
        let secret = env.text(SECRET_ACCESS_KEY);
        let token = env.optional(SESSION_TOKEN);
        let all = env.optional(ENDPOINT_URL);
        Self {
            region,
            credentials: Credentials::new(key, secret, token, None, "environment"),
            dynamodb: env.optional(ENDPOINT_URL_DYNAMODB).or_else(|| all.clone()),
            sqs: env.optional(ENDPOINT_URL_SQS).or_else(|| all.clone()),
            ssm: env.optional(ENDPOINT_URL_SSM).or(all),
        }
    }
}

impl AwsSettings {
    /// Settings without endpoints, for an embedded AWS behind [`Outside`].
    pub fn embedded() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            credentials: Credentials::new("AKIDEMBEDDED", "embedded", None, None, "embedded"),
            dynamodb: None,
            sqs: None,
            ssm: None,
        }
    }
}

#[derive(Clone)]
pub struct Aws {
    pub sdk: SdkConfig,
    /// The address of DynamoDB, if it is not the region's.
    pub dynamodb: Option<String>,
    /// The address of SQS, if it is not the region's.
    pub sqs: Option<String>,
    pub(crate) ssm: String,
    pub(crate) credentials: Credentials,
    pub(crate) region: String,
}

/// Two attempts fit into the ten seconds that GitHub waits for a response. The queues do all other
/// retries.
const ATTEMPTS: u32 = 2;
const ATTEMPT_MAX: Duration = Duration::from_millis(2_500);
const OPERATION_MAX: Duration = Duration::from_secs(4);

impl Aws {
    /// Configures the SDKs to use the HTTP client and the clock of `outside`.
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
            // The watchdog task costs every call more than a stalled small response ever would.
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

    /// Opens the connection to SQS while the sandbox starts, so that the first webhook does not
    /// wait for the handshakes. The first read from DynamoDB opens the connection to DynamoDB.
    pub async fn warm(&self, outside: &Outside) {
        let url = self
            .sqs
            .clone()
            .unwrap_or_else(|| format!("https://sqs.{}.amazonaws.com", self.region));
        // Any response will do: the connection stays in the pool.
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

/// Adapts the one HTTP client to the SDKs.
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
            .map_err(|_| ConnectorError::other("the response has invalid headers".into(), None))
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

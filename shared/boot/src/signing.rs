//! Signs requests to AWS, for the few calls whose SDK would be larger than the function that makes
//! them.

use crate::{Aws, Outside, WebError};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use domain::time::Timestamp;
use std::sync::Arc;
use std::time::SystemTime;

/// Signs a request with this process's credentials and the current time.
pub type Sign =
    Arc<dyn Fn(http::Request<Bytes>) -> Result<http::Request<Bytes>, WebError> + Send + Sync>;

impl Aws {
    /// Returns a signer of requests to a service in the process's region.
    pub fn signer(&self, service: &'static str, outside: &Outside) -> Sign {
        let identity = self.credentials.clone().into();
        let (region, clock) = (self.region.clone(), Arc::clone(&outside.clock));
        Arc::new(move |mut request| {
            let now: Timestamp = clock();
            let params = v4::SigningParams::builder()
                .identity(&identity)
                .region(&region)
                .name(service)
                .time(SystemTime::UNIX_EPOCH + now.since(Timestamp::from_millis(0)))
                .settings(SigningSettings::default())
                .build()?
                .into();
            let (method, url) = (request.method().to_string(), request.uri().to_string());
            let headers = request
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
            let signable =
                SignableRequest::new(&method, url, headers, SignableBody::Bytes(request.body()))?;
            let (instructions, _) = sign(signable, &params)?.into_parts();
            instructions.apply_to_request_http1x(&mut request);
            Ok(request)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AwsSettings, Web};
    use aws_smithy_runtime_api::client::http::SharedHttpClient;

    #[test]
    fn a_request_is_signed_for_its_service_and_moment() {
        let web = Web::new(tower::service_fn(async |_| Err("never called".into())));
        let outside = Outside {
            aws: SharedHttpClient::new(NoAws),
            web,
            clock: Arc::new(|| Timestamp::from_millis(1_795_210_980_000)),
            random: Arc::new(|| 1),
        };
        let sign = Aws::new(AwsSettings::embedded(), &outside).signer("ses", &outside);
        let request =
            http::Request::post("https://email.us-east-1.amazonaws.com/v2/email/outbound-emails")
                .header("content-type", "application/json")
                .body(Bytes::from_static(b"{}"))
                .expect("a request");
        let signed = sign(request).expect("a signature");
        let header = |name| {
            signed
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        assert_eq!(header("x-amz-date"), "20261120T214300Z");
        let by = "AWS4-HMAC-SHA256 Credential=AKIDEMBEDDED/20261120/us-east-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date";
        assert!(
            header("authorization").starts_with(by),
            "{}",
            header("authorization")
        );
    }

    #[derive(Debug)]
    struct NoAws;

    impl aws_smithy_runtime_api::client::http::HttpClient for NoAws {
        fn http_connector(
            &self,
            _: &aws_smithy_runtime_api::client::http::HttpConnectorSettings,
            _: &aws_smithy_runtime_api::client::runtime_components::RuntimeComponents,
        ) -> aws_smithy_runtime_api::client::http::SharedHttpConnector {
            unreachable!("nobody calls")
        }
    }
}

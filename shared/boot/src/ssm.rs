//! One call to AWS Systems Manager, signed by hand: its SDK would weigh more than all the rest of a receiver.

use crate::{Aws, Outside, WebError};
use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use domain::time::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::SystemTime;

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Parameters")]
    parameters: Vec<Parameter>,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Value")]
    value: String,
}

/// The values of these parameters, decrypted; at most ten, the limit of one call.
pub(crate) async fn parameters(
    aws: &Aws,
    outside: &Outside,
    names: &[&str],
) -> Result<BTreeMap<String, SecretString>, WebError> {
    let body = serde_json::json!({ "Names": names, "WithDecryption": true }).to_string();
    let mut request = http::Request::post(&aws.ssm)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonSSM.GetParameters")
        .body(Bytes::from(body))?;
    let credentials = aws.credentials.provide_credentials().await?;
    let identity = credentials.into();
    let now = SystemTime::UNIX_EPOCH + outside.now().since(Timestamp::from_millis(0));
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&aws.region)
        .name("ssm")
        .time(now)
        .settings(SigningSettings::default())
        .build()?
        .into();
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()));
    let signable = SignableRequest::new("POST", aws.ssm.as_str(), headers, SignableBody::Bytes(request.body()))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(&mut request);
    let mut web = outside.web.clone();
    let response = tower::Service::call(&mut web, request).await?;
    if !response.status().is_success() {
        return Err(format!("Systems Manager answered {} for {}", response.status().as_u16(), names.join(", ")).into());
    }
    let answer: Answer = serde_json::from_slice(response.body())?;
    Ok(answer.parameters.into_iter().map(|one| (one.name, SecretString::from(one.value))).collect())
}

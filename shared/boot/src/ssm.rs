//! Makes the one call to AWS Systems Manager. Its SDK would be larger than the rest of a receiver.

use crate::{Aws, Outside, WebError};
use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Response {
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

/// Fetches and decrypts parameters, ten at most, which is the limit of the call.
pub(crate) async fn parameters(
    aws: &Aws,
    outside: &Outside,
    names: &[&str],
) -> Result<BTreeMap<String, SecretString>, WebError> {
    let body = serde_json::json!({ "Names": names, "WithDecryption": true }).to_string();
    let request = http::Request::post(&aws.ssm)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonSSM.GetParameters")
        .body(Bytes::from(body))?;
    let request = aws.signer("ssm", outside)(request)?;
    let mut web = outside.web.clone();
    let response = tower::Service::call(&mut web, request).await?;
    if !response.status().is_success() {
        return Err(format!(
            "Systems Manager responded with {} for {}",
            response.status().as_u16(),
            names.join(", ")
        )
        .into());
    }
    let answer: Response = serde_json::from_slice(response.body())?;
    Ok(answer
        .parameters
        .into_iter()
        .map(|one| (one.name, SecretString::from(one.value)))
        .collect())
}

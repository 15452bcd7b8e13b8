//! One call to AWS Systems Manager, signed by hand: its SDK would weigh more than all the rest of a receiver.

use crate::{Aws, Outside, WebError};
use bytes::Bytes;
use secrecy::SecretString;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    let request = http::Request::post(&aws.ssm)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonSSM.GetParameters")
        .body(Bytes::from(body))?;
    let request = aws.signer("ssm", outside)(request)?;
    let mut web = outside.web.clone();
    let response = tower::Service::call(&mut web, request).await?;
    if !response.status().is_success() {
        return Err(format!(
            "Systems Manager answered {} for {}",
            response.status().as_u16(),
            names.join(", ")
        )
        .into());
    }
    let answer: Answer = serde_json::from_slice(response.body())?;
    Ok(answer
        .parameters
        .into_iter()
        .map(|one| (one.name, SecretString::from(one.value)))
        .collect())
}

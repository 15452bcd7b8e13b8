//! The kinds of requests to Stripe: read, find, list, write.
//!
//! A request is a form with bracketed names, or JSON for the second API, and a response is parsed into a small type of our own.
//! Generated types would parse a whole checkout session for the six fields that callers need, and
//! would fail whenever any field changes.

use crate::error::StripeError;
use crate::transport::{Family, Operation};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

/// The most items on one page.
const PAGE_ITEMS: u64 = 100;
/// A list with more pages than this is an error.
const PAGES_MAX: usize = 20;
const KEY_BYTES_MAX: usize = 255;

/// A page of a list, in Stripe's order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    /// Whether more items follow.
    pub has_more: bool,
}

impl Operation<'_> {
    /// Reads an existing object.
    pub async fn read<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Value,
    ) -> Result<T, StripeError> {
        self.parse(&self.fetch(Family::V1, path, query).await?)
    }

    /// Reads an object that may be absent.
    pub async fn find<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Value,
    ) -> Result<Option<T>, StripeError> {
        match self.find_bytes(Family::V1, path, query).await? {
            Some(body) => self.parse(&body).map(Some),
            None => Ok(None),
        }
    }

    /// Like `find`, without parsing.
    pub async fn find_bytes(
        &self,
        family: Family,
        path: &[&str],
        query: Value,
    ) -> Result<Option<Bytes>, StripeError> {
        unless_missing(self.fetch(family, path, query).await)
    }

    /// Reads a list to its end.
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        mut query: Value,
        id: impl Fn(&T) -> &str,
    ) -> Result<Vec<T>, StripeError> {
        let mut all = Vec::new();
        query["limit"] = Value::from(PAGE_ITEMS);
        for _ in 0..PAGES_MAX {
            let page: Page<T> = self.read(path, query.clone()).await?;
            all.extend(page.data);
            match all.last().filter(|_| page.has_more) {
                Some(last) => query["starting_after"] = Value::from(id(last)),
                None => return Ok(all),
            }
        }
        Err(self.unaskable("the list is too long"))
    }

    /// Writes with the caller's idempotency key.
    pub async fn write<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: Value,
        key: &str,
    ) -> Result<T, StripeError> {
        self.parse(&self.write_bytes(path, form, key).await?)
    }

    /// Like `write`, without parsing.
    pub async fn write_bytes(
        &self,
        path: &[&str],
        form: Value,
        key: &str,
    ) -> Result<Bytes, StripeError> {
        let request = self.build(StripeMethod::Post, path, form)?;
        self.exchange(Family::V1, request, Some(self.checked(key)?))
            .await
    }

    /// Like `write`, to the second API, which takes JSON.
    pub async fn write_json<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: Value,
        key: &str,
    ) -> Result<T, StripeError> {
        let mut request = RequestBuilder::new(StripeMethod::Post, self.path(path)?);
        request.body = Some(filled(body).to_string());
        let answer = self.exchange(Family::V2, request, Some(self.checked(key)?));
        self.parse(&answer.await?)
    }

    fn checked<'k>(&self, key: &'k str) -> Result<&'k str, StripeError> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(self.unaskable("the idempotency key is none"));
        }
        Ok(key)
    }

    /// Sends a POST that only reads.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: Value,
    ) -> Result<T, StripeError> {
        let request = self.build(StripeMethod::Post, path, form)?;
        self.parse(&self.exchange(Family::V1, request, None).await?)
    }

    /// Deletes an object. No idempotency key is needed, because a second call finds nothing.
    pub async fn delete<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: Value,
    ) -> Result<T, StripeError> {
        let request = self.build(StripeMethod::Delete, path, query)?;
        self.parse(&self.exchange(Family::V1, request, None).await?)
    }

    pub async fn fetch(
        &self,
        family: Family,
        path: &[&str],
        query: Value,
    ) -> Result<Bytes, StripeError> {
        let request = self.build(StripeMethod::Get, path, query)?;
        self.exchange(family, request, None).await
    }

    /// The parser's message is dropped, because it quotes the body.
    pub fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, StripeError> {
        serde_json::from_slice(body).map_err(|error| StripeError::Malformed {
            why: format!(
                "asked to {}, it is of another shape at line {} column {}",
                self.name,
                error.line(),
                error.column()
            ),
        })
    }

    pub fn unaskable(&self, why: &'static str) -> StripeError {
        StripeError::Unaskable {
            operation: self.name,
            why,
        }
    }

    fn build(
        &self,
        method: StripeMethod,
        path: &[&str],
        params: Value,
    ) -> Result<RequestBuilder, StripeError> {
        let request = RequestBuilder::new(method, self.path(path)?);
        let params = filled(params);
        Ok(match method {
            _ if is_open(&params) => request,
            StripeMethod::Post => request.form(&params),
            StripeMethod::Get | StripeMethod::Delete => request.query(&params),
        })
    }

    /// Builds a path from its parts. A part that could change the path is an error.
    fn path(&self, parts: &[&str]) -> Result<String, StripeError> {
        let plain = |part: &str| {
            part.bytes().any(|byte| byte != b'.')
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        if !parts.iter().all(|part| plain(part)) {
            return Err(self.unaskable("an id is none"));
        }
        Ok(parts
            .iter()
            .fold(String::new(), |path, part| path + "/" + part))
    }
}

/// Turns "missing" into `None`.
pub(crate) fn unless_missing<T>(answer: Result<T, StripeError>) -> Result<Option<T>, StripeError> {
    match answer {
        Ok(there) => Ok(Some(there)),
        Err(StripeError::Refused { refusal, .. }) if refusal.is_of_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes absent and empty fields, which are not sent. Empty text is sent, because it tells Stripe
/// to clear a field.
fn filled(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, field)| (name, filled(field)));
            fields.filter(|(_, field)| !is_open(field)).collect()
        }
        Value::Array(items) => items.into_iter().map(filled).collect(),
        other => other,
    }
}

fn is_open(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply};
    use domain::retry::{Retry, Retryable};
    use serde_json::json;

    #[tokio::test]
    async fn forms_are_nested_by_brackets() {
        let peer = Peer::script([Reply::ok("{}"), Reply::ok("{}")]);
        let form = json!({ "line_items": [{ "price": "price_1", "quantity": null }, { "price": "price_2", "quantity": 3 }],
            "metadata": { "a][b": "a&b=c [d] é +%" }, "on": true, "none": "", "left": null, "expand": [], "data": { "x": null } });
        let _: Value = peer
            .api()
            .to("try")
            .write(&["things"], form.clone(), "key-1")
            .await
            .expect("an answer");
        let heard = &peer.heard()[0];
        assert_eq!(heard.line, "POST /v1/things");
        assert_eq!(heard.header("idempotency-key"), "key-1");
        assert_eq!(
            heard.header("content-type"),
            "application/x-www-form-urlencoded"
        );
        let expected = [
            "line_items[0][price]=price_1",
            "line_items[1][price]=price_2",
            "line_items[1][quantity]=3",
            "metadata[a%5D%5Bb]=a%26b%3Dc+%5Bd%5D+%C3%A9+%2B%25",
            "none=",
            "on=true",
        ];
        assert_eq!(heard.fields(), expected);
        let _: Value = peer
            .api()
            .to("try")
            .read(&["things", "a.b"], form)
            .await
            .expect("an answer");
        let line = &peer.heard()[1].line;
        assert!(
            line.starts_with("GET /v1/things/a.b?") && line.contains("line_items[1][quantity]=3"),
            "{line}"
        );
    }

    #[tokio::test]
    async fn paths_lead_where_they_say() {
        for part in ["", ".", "..", "a/b", "a?b", "é", "a b", "%2e"] {
            let error = Peer::script([])
                .api()
                .to("try")
                .find::<Value>(&["things", part], json!({}))
                .await;
            assert_eq!(
                error.expect_err("an error").retry(),
                Retry::Never,
                "{part:?}"
            );
        }
    }

    #[tokio::test]
    async fn keys_are_keys() {
        for key in ["", "k\n", "k".repeat(256).as_str()] {
            let error = Peer::script([])
                .api()
                .to("try")
                .write::<Value>(&["things"], json!({}), key)
                .await;
            assert_eq!(
                error.expect_err("an error").retry(),
                Retry::Never,
                "{key:?}"
            );
        }
    }

    #[tokio::test]
    async fn only_stripe_says_that_something_is_missing() {
        let missing = r#"{"error":{"code":"resource_missing","type":"invalid_request_error","message":"No such thing"}}"#;
        for (reply, there) in [
            (Reply::with(404, &[], missing), Some(false)),
            (Reply::with(404, &[], "<html>"), None),
            (Reply::with(400, &[], missing), None),
            (Reply::ok("{}"), Some(true)),
        ] {
            let found = Peer::script([reply])
                .api()
                .to("try")
                .find::<Value>(&["things", "x"], json!({}))
                .await;
            assert_eq!(found.ok().map(|found| found.is_some()), there);
        }
    }

    #[tokio::test]
    async fn lists_are_read_to_their_end() {
        let peer = Peer::script([
            Reply::ok(r#"{"data":["a","b"],"has_more":true}"#),
            Reply::ok(r#"{"data":["c"],"has_more":false}"#),
        ]);
        let all = peer
            .api()
            .to("try")
            .list(&["things"], json!({ "x": 1 }), String::as_str)
            .await
            .expect("a list");
        assert_eq!(all, ["a", "b", "c"]);
        assert_eq!(peer.heard()[0].line, "GET /v1/things?limit=100&x=1");
        assert_eq!(
            peer.heard()[1].line,
            "GET /v1/things?limit=100&starting_after=b&x=1"
        );
    }

    #[tokio::test]
    async fn a_key_that_stands_for_something_else_is_known() {
        let body = r#"{"error":{"type":"idempotency_error","message":"Keys can only be used with the same parameters"}}"#;
        let in_use = r#"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use","message":"wait"}}"#;
        for (status, body, reused, retry) in [
            (400, body, true, Retry::Never),
            (409, in_use, false, Retry::Soon),
        ] {
            let peer = Peer::script([Reply::with(status, &[], body)]);
            let error = peer
                .api()
                .to("try")
                .write::<Value>(&["things"], json!({}), "k")
                .await
                .expect_err("an error");
            assert_eq!(
                (error.key_reused(), error.retry()),
                (reused, retry),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_stored_failure_is_known() {
        for (headers, stored) in [
            (&[][..], false),
            (&[("idempotent-replayed", "true")][..], true),
        ] {
            let peer = Peer::script([Reply::with(500, headers, "{}")]);
            let error = peer
                .api()
                .to("try")
                .write::<Value>(&["things"], json!({}), "k")
                .await
                .expect_err("an error");
            assert_eq!(
                (error.failure_is_stored(), error.retry()),
                (stored, Retry::Outage)
            );
        }
    }

    #[tokio::test]
    async fn a_declined_card_is_not_our_fault() {
        let body = r#"{"error":{"type":"card_error","code":"card_declined","message":"Your card was declined."}}"#;
        let peer = Peer::script([Reply::with(402, &[], body)]);
        let error = peer
            .api()
            .to("try")
            .write::<Value>(&["things"], json!({}), "k")
            .await
            .expect_err("an error");
        assert!(error.card_declined());
        assert_eq!(error.retry(), Retry::Never);
    }

    #[tokio::test]
    async fn an_unreadable_answer_is_not_quoted() {
        let peer = Peer::script([Reply::ok(r#"{"data":"canary","has_more":"canary"}"#)]);
        let error = peer
            .api()
            .to("find it")
            .read::<Page<String>>(&["things"], json!({}))
            .await
            .expect_err("an error");
        let text = error.to_string();
        assert!(
            text.contains("find it") && !format!("{text}{error:?}").contains("canary"),
            "{error:?}"
        );
    }
}

//! A scripted Stripe for this crate's tests. It answers in order and records the requests.

use crate::{StripeApi, StripeConfig};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use secrecy::SecretString;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tower::util::BoxCloneSyncService;

/// Stripe's body, sent with 404, for an unknown id.
pub const MISSING: &str = r#"{"error":{"code":"resource_missing","type":"invalid_request_error","message":"No such thing: 'x'","param":"id"}}"#;

/// How the peer responds to a request.
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The request arrives, but the response is lost.
    Lost,
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        Self::with(200, &[], body)
    }

    pub fn with(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::Answer {
            status,
            headers,
            body: body.to_owned(),
        }
    }
}

/// A request that the peer received.
#[derive(Clone)]
pub struct Heard {
    pub line: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Heard {
    pub fn header(&self, name: &str) -> String {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_owned()
    }

    /// The form's fields, sorted.
    pub fn fields(&self) -> Vec<&str> {
        let mut fields: Vec<_> = self
            .body
            .split('&')
            .filter(|field| !field.is_empty())
            .collect();
        fields.sort_unstable();
        fields
    }
}

#[derive(Clone)]
pub struct Peer {
    script: Arc<Mutex<VecDeque<Reply>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Peer {
    pub fn script<const N: usize>(replies: [Reply; N]) -> Self {
        Self {
            script: Arc::new(Mutex::new(VecDeque::from(replies))),
            heard: Arc::default(),
        }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("one thread").clone()
    }

    pub fn api(&self) -> StripeApi {
        let peer = self.clone();
        let web = BoxCloneSyncService::new(tower::service_fn(move |request| {
            let answer = peer.answer(&request);
            async { answer }
        }));
        let key = SecretString::from("sk_test_canary");
        StripeApi::new(
            StripeConfig {
                url: "https://stripe.test/".to_owned(),
                secret_key: key,
            },
            web,
        )
        .expect("a client")
    }

    fn answer(
        &self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        assert_eq!(
            request.uri().authority().map(http::uri::Authority::as_str),
            Some("stripe.test")
        );
        let target = request
            .uri()
            .path_and_query()
            .map_or("", http::uri::PathAndQuery::as_str);
        self.heard.lock().expect("one thread").push(Heard {
            line: format!("{} {target}", request.method()),
            headers: request.headers().clone(),
            body: String::from_utf8_lossy(request.body()).into_owned(),
        });
        match self
            .script
            .lock()
            .expect("one thread")
            .pop_front()
            .expect("a call the script expects")
        {
            Reply::Lost => Err("the connection was reset".into()),
            Reply::Answer {
                status,
                headers,
                body,
            } => {
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                Ok(response.body(Bytes::from(body)).expect("a response"))
            }
        }
    }
}

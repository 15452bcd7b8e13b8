//! A scripted GitHub for this crate's tests. It answers the expected requests in order and records
//! them. It issues tokens (`ghs_1` and so on) without a script; each is valid for one hour.

use crate::{Access, GithubApi, GithubConfig, GithubError, Repository, Web};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use domain::ids::{InstallationId, RepositoryId};
use domain::time::Timestamp;
use http::{Request, Response};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tower::util::BoxCloneSyncService;

pub const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

/// How the peer responds to a request.
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: Value,
    },
    /// The request arrives, but the response is lost.
    Lost,
}

impl Reply {
    pub fn json(status: u16, body: Value) -> Self {
        Self::with(status, &[], body)
    }

    pub fn with(status: u16, headers: &[(&str, &str)], body: Value) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::Answer {
            status,
            headers,
            body,
        }
    }

    fn not_found() -> Self {
        Self::json(404, json!({ "message": "Not Found" }))
    }
}

/// A request that the peer received.
#[derive(Clone)]
pub struct Heard {
    pub line: String,
    pub authorization: String,
    pub body: Value,
}

#[derive(Clone, Default)]
pub struct Peer {
    script: Arc<Mutex<VecDeque<(&'static str, Reply)>>>,
    heard: Arc<Mutex<Vec<Heard>>>,
    api: Arc<Mutex<Option<GithubApi>>>,
}

pub fn missing(line: &'static str) -> (&'static str, Reply) {
    (line, Reply::not_found())
}

pub fn found(line: &'static str, body: Value) -> (&'static str, Reply) {
    (line, Reply::json(200, body))
}

pub fn made(line: &'static str, body: Value) -> (&'static str, Reply) {
    (line, Reply::json(201, body))
}

pub fn refused(line: &'static str, message: &str) -> (&'static str, Reply) {
    let errors = json!([{ "resource": "X", "code": "custom", "message": message }]);
    (
        line,
        Reply::json(
            422,
            json!({ "message": "Validation Failed", "errors": errors }),
        ),
    )
}

pub fn lost(line: &'static str) -> (&'static str, Reply) {
    (line, Reply::Lost)
}

impl Peer {
    pub fn script<const N: usize>(steps: [(&'static str, Reply); N]) -> Self {
        let peer = Self::default();
        peer.then(steps);
        peer
    }

    pub fn then<const N: usize>(&self, steps: [(&'static str, Reply); N]) {
        self.script.lock().expect("one thread").extend(steps);
    }

    /// The requests received so far with this request line.
    pub fn heard(&self, line: &str) -> Vec<Heard> {
        let heard = self.heard.lock().expect("one thread");
        heard
            .iter()
            .filter(|call| call.line == line)
            .cloned()
            .collect()
    }

    /// Asserts that every expected request has arrived.
    pub fn assert_done(&self) {
        let left: Vec<_> = self
            .script
            .lock()
            .expect("one thread")
            .iter()
            .map(|(line, _)| *line)
            .collect();
        assert!(left.is_empty(), "never called: {left:?}");
    }

    fn web(&self) -> Web {
        let peer = self.clone();
        BoxCloneSyncService::new(tower::service_fn(move |request| {
            let peer = peer.clone();
            async move {
                // As on a real network, let other tasks run while a request is in flight.
                tokio::task::yield_now().await;
                peer.answer(&request)
            }
        }))
    }

    fn answer(
        &self,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
        let authority = request.uri().authority().map_or("", |name| name.as_str());
        let target = request
            .uri()
            .path_and_query()
            .map_or("", http::uri::PathAndQuery::as_str);
        // Another host is part of the line.
        let ours = authority == "github.test";
        let host = if ours { "" } else { authority };
        let line = format!("{} {host}{target}", request.method());
        let header = |name: &str| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let authorization = header("authorization").to_owned();
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        if ours {
            assert_eq!(header("x-github-api-version"), "2022-11-28");
        }
        assert_eq!(header("user-agent").split('/').next(), Some("tallyhook"));
        self.heard.lock().expect("one thread").push(Heard {
            line: line.clone(),
            authorization,
            body,
        });
        match self.reply(&line) {
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
                Ok(response
                    .body(Bytes::from(body.to_string()))
                    .expect("a response"))
            }
        }
    }

    fn reply(&self, line: &str) -> Reply {
        let mut script = self.script.lock().expect("one thread");
        if script
            .front()
            .is_some_and(|(expected, _)| *expected == line)
        {
            return script.pop_front().map_or(Reply::Lost, |(_, reply)| reply);
        }
        drop(script);
        assert_eq!(
            line, "POST /app/installations/7/access_tokens",
            "not the call the script expects next"
        );
        let number = self.heard(line).len();
        let expires_at = NOW
            .plus(Duration::from_secs(3_600))
            .to_string()
            .replace(".000Z", "Z");
        let expires_at = if number == 1 {
            expires_at
        } else {
            "2099-01-01T00:00:00Z".to_owned()
        };
        Reply::json(
            201,
            json!({ "token": format!("ghs_{number}"), "expires_at": expires_at }),
        )
    }
}

pub fn api(peer: &Peer) -> GithubApi {
    let config = GithubConfig {
        url: "https://github.test".to_owned(),
        app_id: 42,
        private_key_pem: SecretString::from(private_key_pem()),
    };
    GithubApi::new(config, peer.web()).expect("a client")
}

pub async fn open(
    api: &GithubApi,
    access: Access,
    now: Timestamp,
) -> Result<Repository, GithubError> {
    api.repository(
        InstallationId::new(7),
        "octo",
        "hello",
        RepositoryId::new(9),
        access,
        now,
    )
    .await
}

/// Opens `octo/hello` for writing, always with the same instance of the client.
pub async fn repository(peer: &Peer) -> Repository {
    let api = peer
        .api
        .lock()
        .expect("one thread")
        .get_or_insert_with(|| api(peer))
        .clone();
    open(&api, Access::WritePulls, NOW)
        .await
        .expect("a repository")
}

static KEY: LazyLock<(String, String)> = LazyLock::new(|| {
    let pem = |label: &str, der: &[u8]| {
        let encoded = BASE64_STANDARD.encode(der);
        let lines: Vec<_> = encoded
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    };
    let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
    let private: Pkcs8V1Der<'_> = key.as_der().expect("a key");
    let public: PublicKeyX509Der<'_> = key.public_key().as_der().expect("a key");
    (
        pem("PRIVATE KEY", private.as_ref()),
        pem("PUBLIC KEY", public.as_ref()),
    )
});

pub fn private_key_pem() -> &'static str {
    &KEY.0
}

pub fn public_key_pem() -> &'static str {
    &KEY.1
}

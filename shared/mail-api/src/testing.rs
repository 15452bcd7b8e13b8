//! A scripted SES for this crate's tests. It answers in order and records the requests.

use crate::{MailApi, Web};
use bytes::Bytes;
use http::{Request, Response};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

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

    /// An error in SES's format.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "message": message }).to_string();
        Self::with(status, &[("x-amzn-errortype", code)], &body)
    }
}

#[derive(Clone)]
pub struct Peer {
    script: Arc<Mutex<VecDeque<Reply>>>,
    heard: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Peer {
    pub fn script<const N: usize>(replies: [Reply; N]) -> Self {
        Self {
            script: Arc::new(Mutex::new(VecDeque::from(replies))),
            heard: Arc::default(),
        }
    }

    pub fn heard(&self) -> Vec<Request<Bytes>> {
        self.heard.lock().expect("one thread").clone()
    }

    pub fn api(&self) -> MailApi {
        let peer = self.clone();
        let web = Web::new(tower::service_fn(move |request| {
            let answer = peer.answer(request);
            async { answer }
        }));
        let sign = Arc::new(|mut request: Request<Bytes>| {
            request
                .headers_mut()
                .insert("authorization", http::HeaderValue::from_static("signed"));
            Ok(request)
        });
        MailApi::new("https://mail.test/", sign, web)
    }

    fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, crate::BoxError> {
        self.heard.lock().expect("one thread").push(request);
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

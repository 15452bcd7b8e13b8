//! An HTTP client whose requests are answered by routers in this process, by host.

use crate::faults::Faults;
use crate::record;
use axum::Router;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower::{Service, ServiceExt};

/// An HTTP request failed.
pub type WebError = Box<dyn std::error::Error + Send + Sync>;

/// Routers by host. Clones share the faults.
#[derive(Clone)]
pub struct StandInWeb {
    hosts: BTreeMap<String, Router>,
    faults: Faults,
}

impl StandInWeb {
    pub fn new(faults: Faults) -> Self {
        Self {
            hosts: BTreeMap::new(),
            faults,
        }
    }

    /// Adds the router of a host.
    #[must_use]
    pub fn host(mut self, name: &str, router: Router) -> Self {
        self.hosts.insert(name.to_owned(), router);
        self
    }

    /// Whether a host has a router.
    pub fn knows(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    async fn answer(
        router: Router,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, WebError> {
        let sent = record::sent(&request);
        let response = router.oneshot(request.map(axum::body::Body::from)).await?;
        let (head, body) = response.into_parts();
        let response = http::Response::from_parts(head, body.collect().await?.to_bytes());
        if let Some(sent) = sent {
            sent.answered(&response);
        }
        Ok(response)
    }
}

impl Service<http::Request<Bytes>> for StandInWeb {
    type Response = http::Response<Bytes>;
    type Error = WebError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, WebError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), WebError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Bytes>) -> Self::Future {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let name = format!("{} {host}{}", request.method(), request.uri().path());
        let (router, faults) = (self.hosts.get(&host).cloned(), self.faults.clone());
        Box::pin(async move {
            let router =
                router.ok_or_else(|| WebError::from(format!("no stand-in serves {host}")))?;
            faults.apply(name, Self::answer(router, request)).await?
        })
    }
}

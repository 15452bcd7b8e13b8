//! The vendors' side of the local stack: stand-ins, and the real services that replace some of them.

use boot::Web;
use stand_in_shared::web::StandInWeb;
use tower::Service;

/// Sends requests to a stand-in if their host has one, and to the real host otherwise.
#[derive(Clone)]
pub struct Hybrid {
    pub stand_ins: StandInWeb,
    pub real: Option<Web>,
}

impl Service<http::Request<bytes::Bytes>> for Hybrid {
    type Response = http::Response<bytes::Bytes>;
    type Error = boot::WebError;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<bytes::Bytes>) -> Self::Future {
        let is_stand_in = request
            .uri()
            .host()
            .is_some_and(|host| self.stand_ins.knows(host));
        match &mut self.real {
            Some(real) if !is_stand_in => Box::pin(real.call(request)),
            Some(_) | None => self.stand_ins.call(request),
        }
    }
}

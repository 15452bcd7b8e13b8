//! The Lambda runtime, wrapped around a door's own function.

#[cfg(feature = "consumer")]
pub use events::serve_events;
#[cfg(feature = "http")]
pub use http_doors::serve_http;
#[cfg(feature = "receiver")]
pub use receivers::serve_webhooks;

/// Says why a door cannot start, in a line of its log, and ends the process.
pub fn refuse(error: &dyn std::fmt::Display) -> ! {
    tracing::error!(alarm = true, "{error}");
    std::process::exit(1)
}

#[cfg(feature = "receiver")]
mod receivers {
    use crate::gateway::{Wrapped, wrap};
    use bytes::Bytes;
    use lambda_runtime::{LambdaEvent, Runtime, service_fn};
    use std::future::Future;

    /// Serves webhooks as API Gateway or a function URL wraps them. Whether the body came as text or base64 is undone here; a
    /// receiver sees the raw bytes.
    pub async fn serve_webhooks<H, F>(handle: H) -> Result<(), lambda_runtime::Error>
    where
        H: Fn(http::Request<Bytes>) -> F + Sync,
        F: Future<Output = http::Response<Bytes>> + Send,
    {
        let handle = &handle;
        let service = service_fn(|event: LambdaEvent<Wrapped>| async move {
            let request = event.payload.unwrap_request()?;
            Ok::<_, lambda_runtime::Error>(wrap(handle(request).await))
        });
        Runtime::new(service).run().await
    }
}

#[cfg(feature = "http")]
mod http_doors {
    use crate::SourceAddress;
    use bytes::Bytes;
    use lambda_http::request::RequestContext;
    use lambda_http::{Body, Request, RequestExt, service_fn};
    use std::future::Future;

    /// Where the gateway has seen the request come from.
    fn source(request: &Request) -> Option<SourceAddress> {
        let RequestContext::ApiGatewayV2(context) = request.request_context_ref()? else {
            return None;
        };
        context
            .http
            .source_ip
            .as_ref()?
            .parse()
            .ok()
            .map(SourceAddress)
    }

    /// Serves HTTP events of API Gateway or a function URL to a door of people and their programs.
    pub async fn serve_http<H, F>(handle: H) -> Result<(), lambda_http::Error>
    where
        H: Fn(http::Request<Bytes>) -> F + Sync,
        F: Future<Output = http::Response<Bytes>> + Send,
    {
        let handle = &handle;
        lambda_http::run(service_fn(|request: Request| async move {
            let source = source(&request);
            let mut request = request.map(|body| match body {
                Body::Text(text) => Bytes::from(text),
                Body::Binary(bytes) => Bytes::from(bytes),
                _ => Bytes::new(),
            });
            if let Some(source) = source {
                request.extensions_mut().insert(source);
            }
            let response =
                handle(request)
                    .await
                    .map(|body| match String::from_utf8(body.to_vec()) {
                        Ok(text) => Body::Text(text),
                        Err(error) => Body::Binary(error.into_bytes()),
                    });
            Ok::<_, std::convert::Infallible>(response)
        }))
        .await
    }
}

#[cfg(feature = "consumer")]
mod events {
    use domain::time::Timestamp;
    use lambda_runtime::{LambdaEvent, service_fn};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use std::future::Future;

    /// Serves events of a queue or a schedule. The handler learns by when this invocation must be over.
    pub async fn serve_events<E, R, H, F>(handle: H) -> Result<(), lambda_runtime::Error>
    where
        E: DeserializeOwned,
        R: Serialize,
        H: Fn(E, Timestamp) -> F,
        F: Future<Output = R>,
    {
        let handle = &handle;
        lambda_runtime::run(service_fn(|event: LambdaEvent<E>| async move {
            let deadline =
                Timestamp::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
            // Boxed, since a door's whole future inlined into the runtime's is deeper than the compiler likes.
            Ok::<_, lambda_runtime::Error>(Box::pin(handle(event.payload, deadline)).await)
        }))
        .await
    }
}

//! The Lambda runtime, wrapped around a door's own function.

#[cfg(any(feature = "receiver", feature = "http"))]
pub use http_doors::serve_http;
#[cfg(feature = "consumer")]
pub use events::serve_events;

/// Says why a door cannot start, in a line of its log, and ends the process.
pub fn refuse(error: &dyn std::fmt::Display) -> ! {
    tracing::error!(alarm = true, "{error}");
    std::process::exit(1)
}

#[cfg(any(feature = "receiver", feature = "http"))]
mod http_doors {
    use bytes::Bytes;
    use lambda_http::{Body, Request, service_fn};
    use std::future::Future;

    /// Serves HTTP events of API Gateway or a function URL. Whether the gateway sent the body as text or base64 is undone
    /// here; a door sees the raw bytes.
    pub async fn serve_http<H, F>(handle: H) -> Result<(), lambda_http::Error>
    where
        H: Fn(http::Request<Bytes>) -> F + Sync,
        F: Future<Output = http::Response<Bytes>> + Send,
    {
        let handle = &handle;
        lambda_http::run(service_fn(|request: Request| async move {
            let request = request.map(|body| match body {
                Body::Text(text) => Bytes::from(text),
                Body::Binary(bytes) => Bytes::from(bytes),
                _ => Bytes::new(),
            });
            let response = handle(request).await.map(|body| match String::from_utf8(body.to_vec()) {
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
            let deadline = Timestamp::from_millis(i64::try_from(event.context.deadline).unwrap_or(i64::MAX));
            Ok::<_, lambda_runtime::Error>(handle(event.payload, deadline).await)
        }))
        .await
    }
}

//! The Lambda runtime, wrapped around a door's own function.

#[cfg(feature = "consumer")]
pub use events::serve_events;
#[cfg(any(feature = "receiver", feature = "http"))]
pub use http_doors::serve_http;

/// Says why a door cannot start, in a line of its log, and ends the process.
pub fn refuse(error: &dyn std::fmt::Display) -> ! {
    tracing::error!(alarm = true, "{error}");
    std::process::exit(1)
}

#[cfg(any(feature = "receiver", feature = "http"))]
mod http_doors {
    use crate::gateway::{Wrapped, wrap};
    use bytes::Bytes;
    use lambda_runtime::{LambdaEvent, Runtime, service_fn};
    use std::future::Future;

    /// Serves HTTP events of API Gateway or a function URL. Whether the gateway sent the body as text or base64 is undone
    /// here; a door sees the raw bytes.
    pub async fn serve_http<H, F>(handle: H) -> Result<(), lambda_runtime::Error>
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
            // Boxed, since a door's whole future inlined into the runtime's is deeper than the compiler likes.
            Ok::<_, lambda_runtime::Error>(Box::pin(handle(event.payload, deadline)).await)
        }))
        .await
    }
}

//! Starts a function and runs it in the Lambda runtime.

use crate::{Env, Outside, Settings, Trust, log_to_stdout};

#[cfg(feature = "consumer")]
pub use events::{run_consumer, serve_events};
#[cfg(feature = "http")]
pub use http_functions::{run_http, serve_http};
#[cfg(feature = "receiver")]
pub use receivers::serve_webhooks;

/// Starts logging, reads the settings and creates the HTTP client. If one of these fails, logs one
/// line and ends the process.
pub fn start<S: Settings>(usual: Trust) -> (S, Outside) {
    let mut env = Env::of_process();
    log_to_stdout(&env);
    let trust = Trust::from_env(&mut env, usual);
    let settings = S::load(env).unwrap_or_else(|error| refuse(&error));
    let outside = Outside::real(trust).unwrap_or_else(|error| refuse(&error));
    (settings, outside)
}

/// Logs why a function cannot start, and ends the process.
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

    /// Serves webhooks from API Gateway or a function URL. A receiver gets the raw bytes of the
    /// body, whether they came as text or in base64.
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
mod http_functions {
    use super::{refuse, start};
    use crate::{Outside, Settings, SourceAddress, Trust};
    use bytes::Bytes;
    use lambda_http::request::RequestContext;
    use lambda_http::{Body, Request, RequestExt, service_fn};
    use std::future::Future;

    /// Runs an HTTP function for people and API clients: connects it, then serves until the sandbox
    /// ends.
    pub async fn run_http<S: Settings, C: Clone + Sync, F>(
        connect: impl FnOnce(S, Outside) -> C,
        respond: impl Fn(C, http::Request<Bytes>) -> F + Sync,
    ) where
        F: Future<Output = http::Response<Bytes>> + Send,
    {
        let (settings, outside) = start(Trust::Public);
        let ctx = connect(settings, outside);
        serve_http(|request| respond(ctx.clone(), request))
            .await
            .unwrap_or_else(|error| refuse(&error));
    }

    /// Returns the address from which the gateway received the request.
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

    /// Serves requests from API Gateway or a function URL.
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
    use super::{refuse, start};
    use crate::{Outside, Settings, Trust};
    use domain::time::Timestamp;
    use lambda_runtime::{LambdaEvent, service_fn};
    use serde::Serialize;
    use serde::de::DeserializeOwned;
    use std::future::Future;

    /// Runs a function that a queue or a schedule invokes: connects it, then serves until the
    /// sandbox ends.
    pub async fn run_consumer<S: Settings, C, E: DeserializeOwned, R: Serialize>(
        connect: impl FnOnce(S, Outside) -> C,
        handle: impl AsyncFn(&C, E, Timestamp) -> R,
    ) {
        let (settings, outside) = start(Trust::Public);
        let ctx = connect(settings, outside);
        serve_events(|event, deadline| handle(&ctx, event, deadline))
            .await
            .unwrap_or_else(|error| refuse(&error));
    }

    /// Serves events from a queue or a schedule. The handler gets the time by which this invocation
    /// must end.
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
            // Boxed, because otherwise a function's whole future would be inlined into the
            // runtime's and nest deeper than the compiler allows.
            Ok::<_, lambda_runtime::Error>(Box::pin(handle(event.payload, deadline)).await)
        }))
        .await
    }
}

//! The front door on 127.0.0.1, and the mappings that run behind it.

use crate::stack::Stack;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::{Html, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use domain::inbox::BODY_BYTES_MAX;
use http_body_util::{BodyExt, Limited};
use stand_in_aws::event_source::Delivery;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Workers that look at each queue.
const WORKERS: usize = 4;
const SWEEP_EVERY: Duration = Duration::from_secs(15);
const SEAL_EVERY: Duration = Duration::from_secs(86_400);
/// The demo is over before that; who keeps his tables has the days sealed in which nothing ran.
const SEAL_AFTER: Duration = Duration::from_secs(60);
const LOOK_SECONDS: i32 = 1;
/// How soon it is told what became of a mail.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How long what is under way may take to finish when we are asked to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Opens the port, or says what to do when it is taken.
pub async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let opened = TcpListener::bind(("127.0.0.1", port)).await;
    opened.with_context(|| {
        format!("cannot listen on 127.0.0.1:{port}; choose another with --port, or --port 0 for any free one")
    })
}

/// A running stack.
pub struct Server {
    /// The stack that runs.
    pub stack: Arc<Stack>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves the doors on the listener and wakes them by their queues and schedules.
    pub fn start(stack: Arc<Stack>, listener: TcpListener) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let app = app(&stack);
        let mut until = stopped.clone();
        tasks.spawn(async move {
            let ended = async move {
                let _ = until.wait_for(|stop| *stop).await;
            };
            let _ = axum::serve(listener, app)
                .with_graceful_shutdown(ended)
                .await;
        });
        for (place, _) in stack.mappings.iter().enumerate() {
            for _ in 0..WORKERS {
                tasks.spawn(work(Arc::clone(&stack), place, stopped.clone()));
            }
        }
        tasks.spawn(sweep(Arc::clone(&stack), stopped.clone()));
        tasks.spawn(mail_events(Arc::clone(&stack), stopped.clone()));
        tasks.spawn(seal(Arc::clone(&stack), stopped));
        Self { stack, stop, tasks }
    }

    /// Lets what is under way finish. What is not done then is still owed by its row.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, finish).await;
    }
}

/// Looks at one queue until it is asked to stop.
async fn work(stack: Arc<Stack>, place: usize, stopped: watch::Receiver<bool>) {
    let (_, mapping) = &stack.mappings[place];
    while !*stopped.borrow() {
        let turned = mapping
            .turn(
                &stack.sqs,
                LOOK_SECONDS,
                Delivery::Once,
                &stack.faults,
                &stack.now,
            )
            .await;
        if turned.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn sweep(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        if let Err(failure) = stack.sweep().await {
            tracing::warn!(error = %failure, "a sweep was cut short");
        }
        let _ = tokio::time::timeout(SWEEP_EVERY, stopped.wait_for(|stop| *stop)).await;
    }
}

async fn mail_events(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    while tokio::time::timeout(TELL_EVERY, stopped.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        if let Err(error) = stack.mail_events().await {
            tracing::warn!(%error, "what became of a mail got lost");
        }
    }
}

async fn seal(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    let mut pause = SEAL_AFTER;
    while tokio::time::timeout(pause, stopped.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        if let Err(failure) = stack.seal().await {
            tracing::warn!(error = %failure, "sealing was cut short");
        }
        pause = SEAL_EVERY;
    }
}

/// All doors and the stand-ins' pages on one port.
fn app(stack: &Arc<Stack>) -> Router {
    let github = {
        let stack = Arc::clone(stack);
        any(move |request: Request| async move {
            // One byte more than the door takes, so that the door itself refuses what is too large.
            match collected(request).await {
                Ok(request) => github_webhook::receive(&stack.github_webhook, request)
                    .await
                    .map(Body::from),
                Err(refusal) => refusal,
            }
        })
    };
    let stripe = {
        let stack = Arc::clone(stack);
        any(move |request: Request| async move {
            match collected(request).await {
                Ok(request) => stripe_webhook::receive(&stack.stripe_webhook, request)
                    .await
                    .map(Body::from),
                Err(refusal) => refusal,
            }
        })
    };
    let mut app = Router::new()
        .route("/", get(|| async { Html(INDEX) }))
        .route("/github/webhook", github);
    for path in stripe_webhook::PATHS {
        app = app.route(path, stripe.clone());
    }
    app.nest("/stand-ins/github", stack.vendors.github.pages())
        .nest("/stand-ins/stripe", stack.vendors.stripe.pages())
        .nest("/stand-ins/mail", stack.vendors.mail.pages())
        .fallback(other_doors(stack))
        .layer(DefaultBodyLimit::disable())
}

/// Operators' requests go to their door and all others to the customers', as the gateway's routes have it.
fn other_doors(stack: &Arc<Stack>) -> axum::routing::MethodRouter {
    let stack = Arc::clone(stack);
    any(move |request: Request| async move {
        let path = request.uri().path();
        let operators = path.starts_with("/api/v1/admin/") || path == "/health";
        match collected(request).await {
            Ok(request) if operators => admin::respond(stack.admin.clone(), request)
                .await
                .map(Body::from),
            Ok(request) => api::respond(stack.api.clone(), request)
                .await
                .map(Body::from),
            Err(refusal) => refusal,
        }
    })
}

async fn collected(request: Request) -> Result<http::Request<Bytes>, Response> {
    let (head, body) = request.into_parts();
    match Limited::new(body, BODY_BYTES_MAX + 1).collect().await {
        Ok(body) => Ok(http::Request::from_parts(head, body.to_bytes())),
        Err(_) => {
            let refusal = Response::builder().status(http::StatusCode::PAYLOAD_TOO_LARGE);
            Err(refusal
                .body(Body::from("the body is larger than 5 MiB"))
                .expect("a plain response"))
        }
    }
}

const INDEX: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tallyhook, local</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
code{font-size:.9em}li{margin:.4rem 0}</style>
<h1>Tallyhook, on this machine</h1>
<ul>
<li><a href="/stand-ins/github">The stand-in GitHub</a>: repositories, branches, pull requests, comments</li>
<li><a href="/stand-ins/stripe">The stand-in Stripe</a>: customers, meters, meter events</li>
<li><a href="/stand-ins/mail">The mailbox</a>: what customers were told by mail</li>
<li><a href="/api/v1/docs">The API</a>, with an example of every route; <a href="/api/v1/plans">what is sold</a></li>
<li><code>POST /api/v1/signup</code> with an address, a name and a plan: the mail leads to the first API key</li>
<li><a href="/signin">Sign in</a> as somebody of the stand-in GitHub; <a href="/api/v1/session">who is signed in</a></li>
<li><code>POST /github/webhook</code>, <code>POST /stripe/webhook</code>: signed with <code>local-secret</code> unless you set others</li>
<li><code>GET /api/v1/admin/events</code> and more, with the operator token that was printed at the start</li>
<li><a href="/health">Health</a></li>
</ul></html>"#;

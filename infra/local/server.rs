//! The HTTP server on 127.0.0.1, and the queues and schedules that invoke the functions.

use crate::demo_sign_in::{self, Link};
use crate::shop;
use crate::stack::Stack;
use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Request};
use axum::response::{Html, Redirect, Response};
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

/// The number of pollers per queue.
const WORKERS: usize = 4;
const SWEEP_EVERY: Duration = Duration::from_secs(15);
const SEAL_EVERY: Duration = Duration::from_secs(86_400);
/// Late enough that the demo is over. Days on which the stack did not run are sealed now, too.
const SEAL_AFTER: Duration = Duration::from_secs(60);
const LOOK_SECONDS: i32 = 1;
/// How often mail feedback and the webhooks of the stand-in GitHub and Stripe are delivered.
const DELIVER_EVERY: Duration = Duration::from_millis(500);
/// How long running work may take to finish after Ctrl-C.
const GRACE: Duration = Duration::from_secs(10);

/// Opens the port.
pub async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let opened = TcpListener::bind(("127.0.0.1", port)).await;
    opened.with_context(|| {
        format!("cannot listen on 127.0.0.1:{port}; choose another with --port, or --port 0 for any free one")
    })
}

/// A running stack.
pub struct Server {
    pub stack: Arc<Stack>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves HTTP on the listener and invokes the functions from their queues and schedules.
    pub fn start(
        stack: Arc<Stack>,
        listener: TcpListener,
        link: Link,
        recover_every_seconds: u32,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let address = listener.local_addr();
        let base = address.map_or_else(|_| String::new(), |address| format!("http://{address}"));
        let app = app(&stack, base, link);
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
        tasks.spawn(webhooks(Arc::clone(&stack), stopped.clone()));
        let every = Duration::from_secs(recover_every_seconds.max(1).into());
        tasks.spawn(recover(Arc::clone(&stack), every, stopped.clone()));
        tasks.spawn(seal(Arc::clone(&stack), stopped));
        Self { stack, stop, tasks }
    }

    /// Lets running work finish. Remaining work stays due in its row for the next start.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let finish = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, finish).await;
    }
}

/// Polls one queue until the server stops.
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
            tracing::warn!(error = %failure, "the sweep failed");
        }
        let _ = tokio::time::timeout(SWEEP_EVERY, stopped.wait_for(|stop| *stop)).await;
    }
}

async fn mail_events(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    while tokio::time::timeout(DELIVER_EVERY, stopped.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        if let Err(error) = stack.mail_events().await {
            tracing::warn!(%error, "feedback about a mail was lost");
        }
    }
}

async fn webhooks(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    while tokio::time::timeout(DELIVER_EVERY, stopped.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        stack.github_webhooks().await;
        shop::deliver(&stack).await;
    }
}

async fn recover(stack: Arc<Stack>, every: Duration, mut stopped: watch::Receiver<bool>) {
    while !*stopped.borrow() {
        stack.recover().await;
        let _ = tokio::time::timeout(every, stopped.wait_for(|stop| *stop)).await;
    }
}

async fn seal(stack: Arc<Stack>, mut stopped: watch::Receiver<bool>) {
    let mut pause = SEAL_AFTER;
    while tokio::time::timeout(pause, stopped.wait_for(|stop| *stop))
        .await
        .is_err()
    {
        if let Err(failure) = stack.seal().await {
            tracing::warn!(error = %failure, "sealing failed");
        }
        pause = SEAL_EVERY;
    }
}

/// All HTTP functions and the stand-ins' pages on one port.
fn app(stack: &Arc<Stack>, base: String, link: Link) -> Router {
    let github = {
        let stack = Arc::clone(stack);
        any(move |request: Request| async move {
            // Reads one byte more than the function accepts, so the function itself refuses an
            // oversized body.
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
    let demo = {
        let (stack, link) = (Arc::clone(stack), Arc::new(link));
        get(move |Path(token): Path<String>| async move {
            demo_sign_in::follow(&stack, &link, &token).await
        })
    };
    let mut app = Router::new()
        .route("/", get(move || async move { Html(index(&base)) }))
        .route("/github/webhook", github);
    for path in stripe_webhook::PATHS {
        app = app.route(path, stripe.clone());
    }
    app.nest("/stand-ins/github", stack.vendors.github.pages())
        .nest("/stand-ins/stripe", stack.vendors.stripe.pages())
        .nest("/stand-ins/stripe/api", stack.vendors.stripe.router())
        .nest("/stand-ins/mail", stack.vendors.mail.pages())
        .route(&format!("{}/{{token}}", demo_sign_in::PATH), demo)
        .route("/stand-ins/{vendor}/", get(without_slash))
        .fallback(other_functions(stack))
        .layer(DefaultBodyLimit::disable())
}

/// Leads people who typed a slash at the end to the page.
async fn without_slash(Path(vendor): Path<String>) -> Redirect {
    Redirect::permanent(&format!("/stand-ins/{vendor}"))
}

/// Routes admin paths to the admin function and all others to the API, like the gateway on AWS.
fn other_functions(stack: &Arc<Stack>) -> axum::routing::MethodRouter {
    let stack = Arc::clone(stack);
    any(move |request: Request| async move {
        let path = request.uri().path();
        let operators = ["/api/v1/admin/", "/api/billing/admin/", "/admin/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
            || ["/health", "/admin"].contains(&path);
        match collected(request).await {
            Ok(request) if operators => admin::respond(stack.admin.clone(), request)
                .await
                .map(Body::from),
            Ok(request) => stack.answer(request).await.map(Body::from),
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
                .body(Body::from("the request body must not be larger than 5 MiB"))
                .expect("a plain response"))
        }
    }
}

/// The overview page. It walks the reader from a sign-up to a pull request.
fn index(base: &str) -> String {
    INDEX.replace("{base}", base)
}

const INDEX: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Tallyhook, local</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}
code,pre{font-size:.9em}pre{overflow-x:auto}li{margin:.4rem 0}</style>
<h1>Tallyhook on this machine</h1>
<h2>From a sign-up to a pull request</h2>
<ol>
<li><a href="/signup">Sign up</a>, for example as <code>me@example.com</code>.</li>
<li>Open the <a href="/stand-ins/mail">mailbox</a>, follow the link in the mail and keep the API key.</li>
<li>Continue to sign in as <code>globex-owner</code>, and enter the key.</li>
<li>Install the App for <code>globex</code>, and let your account pay.</li>
<li>Open an issue in <a href="/stand-ins/github/globex/greeter">globex/greeter</a>, for example with the body
<code>Replace `Helo` with `Hello` in `src/greeting.rs`.</code>, and add the label <code>tallyhook</code>.</li>
<li>Reload the issue: Tallyhook comments with the link to its pull request.</li>
</ol>
<h2 id="buy">Buy credits</h2>
<ol>
<li>Open <a href="/billing/top-up">Top up</a> and buy a pack. It leads to the stand-in Stripe's checkout.</li>
<li>Press "Pay". The stand-in Stripe sends its webhooks, signed as Stripe signs them, and the page shows the credits.</li>
<li>A program does the same with its API key: <code>POST /api/v1/billing/checkout</code>, see the
<a href="/api/v1/docs">documentation</a>.</li>
</ol>
<h2>Everything else</h2>
<ul>
<li><a href="/stand-ins/github">Stand-in GitHub</a>: repositories, issues, pull requests, comments</li>
<li><a href="/stand-ins/stripe">Stand-in Stripe</a>: customers, payments, subscriptions, meters</li>
<li><a href="/stand-ins/mail">Mailbox</a>: every mail that was sent</li>
<li><a href="/api/v1/docs">API documentation</a>; <a href="/api/v1/plans">plans and prices</a></li>
<li><a href="/billing">Dashboard</a>; <a href="/signin">sign in</a> with the stand-in GitHub; <a href="/setup">your accounts</a>; <a href="/api/v1/session">your session</a></li>
<li><code>POST /github/webhook</code>, <code>POST /stripe/webhook</code>: signed with <code>local-secret</code> unless you set other secrets</li>
<li><code>GET /api/v1/admin/events</code> and <a href="/api/v1/admin/openapi.json">other operator routes</a>, with the operator token that was printed at start</li>
<li><a href="/health">Health</a></li>
</ul></html>"#;

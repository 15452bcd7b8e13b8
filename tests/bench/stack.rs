//! Measures the local stack: `cargo bench --bench stack`.
//!
//! Two bounded loads on loopback: signed webhooks that cause no action, through the HTTP server,
//! and whole jobs, from the webhook to the reported usage. Prints rates, latencies, memory and
//! store calls. Fails if anything is lost or doubled, never because it is slow.

use domain::inbox::{EventSource, EventState};
use domain::time::Timestamp;
use local_stack::demo_sign_in::Link;
use local_stack::signing::github_request;
use local_stack::stack::{Parts, Stack};
use local_stack::world::{CUSTOMER, ISSUE_BODY, ISSUE_TITLE, OWNER, REPOSITORY, Vendors};
use local_stack::{demo, server};
use serde_json::{Value, json};
use stand_in_shared::faults::Faults;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tower::Service;

const WEBHOOKS: u64 = 10_000;
const JOBS: u64 = 200;
const SENDERS: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(120);
const SAMPLE: &str = include_str!("../../events/github/issues.opened.json");

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let (stack, base) = start().await?;
    let server = server::Server::start(Arc::clone(&stack), base.0, Link::none(), 300);
    webhooks(&stack, &base.1).await?;
    jobs(&stack, &base.1).await?;
    server.stop().await;
    Ok(())
}

async fn start() -> anyhow::Result<(Arc<Stack>, (tokio::net::TcpListener, String))> {
    let real = boot::Outside::real(boot::Trust::Public).map_err(|error| anyhow::anyhow!(error))?;
    let listener = server::listen(0).await?;
    let base = format!("http://{}", listener.local_addr()?);
    let clock = Arc::clone(&real.clock);
    let vendors = Vendors::new(&base, &base, Arc::new(move || clock().millis()));
    vendors.furnish();
    let parts = Parts {
        vendors,
        faults: Faults::none(),
        clock: real.clock,
        random: real.random,
        tables_file: None,
        real_web: None,
        settings: [("OPERATOR_TOKEN".to_owned(), "bench:bench".to_owned())].into(),
        roles: stand_in_aws::iam::Roles::new(),
    };
    let stack = Arc::new(Stack::start(parts).await?);
    demo::provision(&stack, "bench", Some(&catalogue::built_in())).await?;
    Ok((stack, (listener, base)))
}

/// Signed webhooks of a type that is only recorded.
async fn webhooks(stack: &Arc<Stack>, base: &str) -> anyhow::Result<()> {
    let body: Value = serde_json::from_str(SAMPLE)?;
    let before = memory_kib();
    let began = stack.outside.now();
    let bodies = (0..WEBHOOKS).map(|n| {
        let mut body = body.clone();
        body["action"] = json!("pinned");
        (format!("bench-webhook-{n}"), body)
    });
    let mut waits = send(stack, base, bodies.collect()).await?;
    let took = stack.outside.now().since(began);
    while pending(stack).await? > 0 {
        patience(stack, began)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let drained = stack.outside.now().since(began);
    waits.sort_unstable();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100];
    println!(
        "webhooks: {WEBHOOKS} of 12 KB in {took:?}, {}/s; p50 {} ms, p99 {} ms; all acted on after {drained:?}",
        rate(WEBHOOKS, took),
        at(50),
        at(99)
    );
    println!(
        "memory: {} MiB before, {} MiB after",
        before / 1024,
        memory_kib() / 1024
    );
    Ok(())
}

/// Whole jobs.
async fn jobs(stack: &Arc<Stack>, base: &str) -> anyhow::Result<()> {
    let body: Value = serde_json::from_str(SAMPLE)?;
    let first = stack.vendors.github.next_number(OWNER, REPOSITORY);
    let bodies: Vec<_> = (first..first + JOBS)
        .map(|number| {
            stack
                .vendors
                .github
                .add_issue(OWNER, REPOSITORY, number, ISSUE_TITLE, ISSUE_BODY);
            let mut body = body.clone();
            body["issue"]["number"] = json!(number);
            body["issue"]["id"] = json!(1_000_000 + number);
            (format!("bench-job-{number}"), body)
        })
        .collect();
    let calls = store_calls(stack);
    let began = stack.outside.now();
    send(stack, base, bodies).await?;
    while stack.vendors.stripe.meter_events().len() < usize::try_from(JOBS)? {
        patience(stack, began)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = stack.outside.now().since(began);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pulls = stack.vendors.github.pulls(OWNER, REPOSITORY).len();
    let total = stack.vendors.stripe.total(CUSTOMER, "pull_requests");
    anyhow::ensure!(
        pulls == usize::try_from(JOBS)? && total == i64::try_from(JOBS)?,
        "{pulls} pull requests, {total} charged"
    );
    println!(
        "jobs: {JOBS} from webhook to reported usage in {took:?}, {}/s, none lost or doubled",
        rate(JOBS, took)
    );
    println!(
        "store calls of the functions behind queues: {} a job",
        (store_calls(stack) - calls) / usize::try_from(JOBS)?
    );
    Ok(())
}

/// Sends bodies to the HTTP server from several senders at once. Returns each latency in
/// milliseconds.
async fn send(
    stack: &Arc<Stack>,
    base: &str,
    bodies: Vec<(String, Value)>,
) -> anyhow::Result<Vec<u128>> {
    let web = boot::Outside::real(boot::Trust::Amazon)
        .map_err(|error| anyhow::anyhow!(error))?
        .web;
    let bodies = Arc::new(tokio::sync::Mutex::new(bodies));
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (stack, base, bodies, mut web) = (
            Arc::clone(stack),
            base.to_owned(),
            Arc::clone(&bodies),
            web.clone(),
        );
        senders.spawn(async move {
            let mut waits = Vec::new();
            loop {
                let Some((delivery, body)) = bodies.lock().await.pop() else {
                    return anyhow::Ok(waits);
                };
                let body = serde_json::to_vec(&body)?;
                let request =
                    github_request(&base, &stack.github_secret, "issues", &delivery, &body);
                let began: Timestamp = stack.outside.now();
                let response = web
                    .call(request)
                    .await
                    .map_err(|error| anyhow::anyhow!(error))?;
                anyhow::ensure!(
                    response.status() == http::StatusCode::ACCEPTED,
                    "{}",
                    response.status()
                );
                waits.push(stack.outside.now().since(began).as_millis());
            }
        });
    }
    let mut waits = Vec::new();
    while let Some(sent) = senders.join_next().await {
        waits.extend(sent??);
    }
    Ok(waits)
}

async fn pending(stack: &Stack) -> anyhow::Result<usize> {
    Ok(stack
        .inbox
        .list(EventSource::Github, &[EventState::Pending], None, 1)
        .await?
        .rows
        .len())
}

fn store_calls(stack: &Stack) -> usize {
    stack
        .faults
        .log()
        .iter()
        .filter(|name| name.starts_with("dynamodb"))
        .count()
}

fn patience(stack: &Stack, began: Timestamp) -> anyhow::Result<()> {
    anyhow::ensure!(
        stack.outside.now().since(began) < PATIENCE,
        "nothing more happens"
    );
    Ok(())
}

fn rate(count: u64, took: Duration) -> u128 {
    u128::from(count) * 1_000 / took.as_millis().max(1)
}

/// The resident memory of this process, according to the kernel.
fn memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

//! The demo: sends one signed webhook and follows its job to the charge.

use crate::signing::github_request;
use crate::stack::{Billing, Stack};
use crate::subscribed::subscribe;
use crate::world::{
    CUSTOMER, INSTALLATION_ID, ISSUE_BODY, ISSUE_TITLE, OWNER, OWNER_ID, REPOSITORY,
};
use anyhow::{Context, bail};
use boot::{Outside, Trust};
use domain::billing::plans::Catalogue;
use domain::billing::usage::AccountMeter;
use domain::ids::{JobId, UsageId};
use domain::inbox::{EventKey, EventSource, EventState};
use domain::jobs::{CommentState, Funding, JobRow};
use domain::time::Timestamp;
use serde_json::{Value, json};
use std::fmt;
use std::time::Duration;
use tower::Service;

const SAMPLE: &str = include_str!("../../events/github/issues.labeled.json");
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// The result of the demo.
pub struct Summary {
    job: JobRow,
    reported: bool,
    received: usize,
    finished: usize,
    milliseconds: u128,
}

impl Summary {
    /// The summary for `--json`.
    pub fn json(&self) -> Value {
        json!({
            "job": { "id": self.job.facts.id.as_str(), "state": self.job.state.as_str() },
            "pull": self.job.pull.as_ref().map(|pull| json!({ "number": pull.number, "url": pull.url })),
            "usage": { "records": 1, "reported": u8::from(self.reported) },
            "events": { "received": self.received, "processed": self.finished },
            "milliseconds": u64::try_from(self.milliseconds).unwrap_or(u64::MAX),
        })
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self
            .job
            .pull
            .as_ref()
            .map_or("none", |pull| pull.url.as_str());
        let tokens = self.job.tokens;
        writeln!(f, "  pull request  {url}")?;
        writeln!(
            f,
            "  model         {} tokens in, {} out",
            tokens.input, tokens.output
        )?;
        let reported = if self.reported {
            "reported once"
        } else {
            "not reported, because billing is off"
        };
        writeln!(
            f,
            "  Stripe        1 usage record, {reported}, for {CUSTOMER}"
        )?;
        write!(
            f,
            "  in all        {} ms from the webhook to the charge",
            self.milliseconds
        )
    }
}

/// The plan of the demo's organization.
const PLAN: &str = "payg";

/// Creates the account of the demo's organization, unless it exists. Its plan is billed through a
/// subscription, so its customer gets one if the stand-in Stripe sells this catalogue. At any other
/// Stripe, somebody has to subscribe first.
pub async fn provision(stack: &Stack, token: &str, sold: Option<&Catalogue>) -> anyhow::Result<()> {
    if let Some(sold) = sold {
        let (stripe, now) = (&stack.vendors.stripe, stack.outside.now());
        subscribe(stripe, sold, CUSTOMER, PLAN, now).await?;
        // Provisioning asks Stripe for the subscription, so its events have nothing to say.
        stripe.outbox_take();
    }
    let wanted = json!({ "stripe_customer_id": CUSTOMER, "installation_id": INSTALLATION_ID, "owner_id": OWNER_ID, "plan": PLAN });
    provision_one(stack, token, &wanted).await
}

/// Creates an account through the admin API.
pub async fn provision_one(stack: &Stack, token: &str, wanted: &Value) -> anyhow::Result<()> {
    let request = http::Request::post("/api/v1/admin/accounts")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(bytes::Bytes::from(wanted.to_string()))?;
    let response = admin::respond(stack.admin.clone(), request).await;
    if !response.status().is_success() {
        bail!(
            "cannot create the account {wanted}: {}",
            String::from_utf8_lossy(response.body())
        );
    }
    Ok(())
}

/// Sends the sample and follows its job until the usage is reported. `say` prints each state of the
/// job.
pub async fn play(stack: &Stack, base: &str, say: impl Fn(&str)) -> anyhow::Result<Summary> {
    let number = stack.vendors.github.next_number(OWNER, REPOSITORY).max(7);
    stack
        .vendors
        .github
        .add_issue(OWNER, REPOSITORY, number, ISSUE_TITLE, ISSUE_BODY);
    let (delivery, body) = sample(number, stack)?;
    let started = stack.outside.now();
    send(stack, base, &delivery, &body).await?;
    say(&format!(
        "POST /github/webhook  issues.labeled on {OWNER}/{REPOSITORY}#{number}  202"
    ));
    let key = EventKey::parse(EventSource::Github, &delivery)?;
    let id = job_of(stack, &key, started).await?;
    let job = follow(stack, &id, started, &say).await?;
    let milliseconds = stack.outside.now().since(started).as_millis();
    commented(stack, &id, started).await?;
    let (received, finished) = events(stack).await?;
    let reported = stack.billing == Billing::On;
    Ok(Summary {
        job,
        reported,
        received,
        finished,
        milliseconds,
    })
}

/// The sample event for another issue, under a fresh delivery id.
fn sample(number: u64, stack: &Stack) -> anyhow::Result<(String, Vec<u8>)> {
    let mut event: Value = serde_json::from_str(SAMPLE)?;
    event["issue"]["number"] = json!(number);
    event["issue"]["id"] = json!(70_000 + number);
    event["issue"]["updated_at"] = json!(stack.outside.now().to_string());
    Ok((stack.delivery_id(), serde_json::to_vec(&event)?))
}

async fn send(stack: &Stack, base: &str, delivery: &str, body: &[u8]) -> anyhow::Result<()> {
    let mut web = Outside::real(Trust::Amazon)
        .map_err(|error| anyhow::anyhow!(error))?
        .web;
    let request = github_request(base, &stack.github_secret, "issues", delivery, body);
    let response = web
        .call(request)
        .await
        .map_err(|error| anyhow::anyhow!(error))
        .context("the server does not answer")?;
    if response.status() != http::StatusCode::ACCEPTED {
        bail!(
            "the server answered {}: {}",
            response.status(),
            String::from_utf8_lossy(response.body())
        );
    }
    Ok(())
}

/// The job that the event created, once the event is processed.
async fn job_of(stack: &Stack, key: &EventKey, started: Timestamp) -> anyhow::Result<JobId> {
    loop {
        if let Some(row) = stack.inbox.find_row(key).await?
            && row.state != EventState::Pending
        {
            let outcome = row.outcome.unwrap_or_default();
            let id = outcome
                .strip_prefix("job ")
                .and_then(|id| JobId::parse(id).ok());
            return id.with_context(|| format!("the event created no job: {outcome}"));
        }
        wait(stack, started).await?;
    }
}

/// Prints every state, until the pull request is open and the usage is reported.
async fn follow(
    stack: &Stack,
    id: &JobId,
    started: Timestamp,
    say: &impl Fn(&str),
) -> anyhow::Result<JobRow> {
    let mut said = 0;
    loop {
        let row = stack.store.job_find(id).await?.context("the job is gone")?;
        for moment in row.timeline.iter().skip(said) {
            let after = moment.at.since(row.facts.created_at).as_millis();
            say(&format!("{:>6} ms  {}", after, moment.state.as_str()));
        }
        said = row.timeline.len();
        if row.state.work().is_none() {
            if row.state.notice() != CommentState::Opened {
                bail!(
                    "the job ended as {}: {}",
                    row.state.as_str(),
                    row.reason.unwrap_or_default()
                );
            }
            if stack.billing == Billing::Off {
                say("           billing is off; the usage is not reported");
                return Ok(row);
            }
            if let Some(at) = reported_at(stack, &row).await? {
                say(&format!(
                    "{:>6} ms  usage reported to Stripe",
                    at.since(row.facts.created_at).as_millis()
                ));
                return Ok(row);
            }
        }
        wait(stack, started).await?;
    }
}

async fn reported_at(stack: &Stack, row: &JobRow) -> anyhow::Result<Option<Timestamp>> {
    let Funding::Metered { counts, .. } = &row.facts.terms.funding else {
        return Ok(None);
    };
    let mut last = None;
    for (meter, _) in counts {
        let debts = AccountMeter {
            account: row.facts.account.clone(),
            meter: meter.clone(),
        };
        let Some(at) = stack
            .store
            .usage_find(&debts, &UsageId::of_job(&row.facts.id))
            .await?
        else {
            return Ok(None);
        };
        last = last.max(Some(at));
    }
    Ok(last)
}

/// Waits for the comment on the issue, the last effect of a job.
async fn commented(stack: &Stack, id: &JobId, started: Timestamp) -> anyhow::Result<()> {
    while stack
        .store
        .job_find(id)
        .await?
        .is_some_and(|row| row.untold().is_some())
    {
        wait(stack, started).await?;
    }
    Ok(())
}

async fn wait(stack: &Stack, started: Timestamp) -> anyhow::Result<()> {
    if stack.outside.now().since(started) > PATIENCE {
        bail!(
            "nothing more happened within {} seconds; set RUST_LOG=info to see the logs",
            PATIENCE.as_secs()
        );
    }
    tokio::time::sleep(LOOK_EVERY).await;
    Ok(())
}

/// Counts the events received and processed, up to one page of the log.
async fn events(stack: &Stack) -> anyhow::Result<(usize, usize)> {
    const PAGE: usize = 1_000;
    let (mut received, mut pending) = (0, 0);
    for source in EventSource::ALL {
        received += stack
            .inbox
            .list(source, &EventState::ALL, None, PAGE)
            .await?
            .rows
            .len();
        pending += stack
            .inbox
            .list(source, &[EventState::Pending], None, PAGE)
            .await?
            .rows
            .len();
    }
    Ok((received, received - pending))
}

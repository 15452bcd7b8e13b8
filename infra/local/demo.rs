//! The demo: sends one signed webhook and follows its job to the charge.
//!
//! The stand-in model makes a mistake at first, and a check of the repository finds it. Waiting for
//! checks takes minutes, so the demo sets the clock of this process forward instead.

use crate::signing::github_request;
use crate::skips::Skips;
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
use domain::jobs::{CommentState, Funding, JobRow, JobState};
use domain::time::Timestamp;
use serde_json::{Value, json};
use stand_in_github::Check;
use std::fmt;
use std::time::Duration;
use tower::Service;

const SAMPLE: &str = include_str!("../../events/github/issues.labeled.json");
/// The file that the issue is about.
const FILE: &str = "src/greeting.rs";
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

/// The beginning of the demo, and the clock that it sets forward.
#[derive(Clone, Copy)]
struct Began<'a> {
    at: Timestamp,
    skips: Option<&'a Skips>,
}

impl Began<'_> {
    fn skipped(self) -> Duration {
        self.skips.map(Skips::total).unwrap_or_default()
    }

    /// The time that has really passed.
    fn passed(self, now: Timestamp) -> Duration {
        now.since(self.at).saturating_sub(self.skipped())
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
/// job. Without `skips`, time cannot be skipped, and the repository has no checks.
pub async fn play(
    stack: &Stack,
    base: &str,
    skips: Option<&Skips>,
    say: impl Fn(&str),
) -> anyhow::Result<Summary> {
    if skips.is_some() {
        err_at_first(stack);
    }
    let number = stack.vendors.github.next_number(OWNER, REPOSITORY).max(7);
    stack
        .vendors
        .github
        .add_issue(OWNER, REPOSITORY, number, ISSUE_TITLE, ISSUE_BODY);
    let (delivery, body) = sample(number, stack)?;
    let began = Began {
        at: stack.outside.now(),
        skips,
    };
    send(stack, base, &delivery, &body).await?;
    say(&format!(
        "POST /github/webhook  issues.labeled on {OWNER}/{REPOSITORY}#{number}  202"
    ));
    let key = EventKey::parse(EventSource::Github, &delivery)?;
    let id = job_of(stack, &key, began).await?;
    let job = follow(stack, &id, began, &say).await?;
    let milliseconds = began.passed(stack.outside.now()).as_millis();
    stack
        .vendors
        .github
        .set_checks(OWNER, REPOSITORY, Vec::new());
    commented(stack, &id, began).await?;
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

/// The model's first change has a misspelling, which a check finds.
fn err_at_first(stack: &Stack) {
    let check = |name: &str, branches: &str| Check {
        name: name.to_owned(),
        branches: branches.to_owned(),
        starts_after: 0,
        takes: Some(20),
        result: "success".to_owned(),
        ..Check::default()
    };
    let (wrong, right) = ("Hallo, {name}!", "Hello, {name}!");
    let spelling = Check {
        result: "failure".to_owned(),
        passes_with: Some((FILE.to_owned(), right.to_owned())),
        annotation: Some((
            FILE.to_owned(),
            5,
            format!("Replace `{wrong}` with `{right}`."),
        )),
        ..check("spelling", "tallyhook/")
    };
    let (github, model) = (&stack.vendors.github, &stack.vendors.model);
    github.set_checks(OWNER, REPOSITORY, vec![check("build", ""), spelling]);
    let edit =
        json!({ "name": "edit", "input": { "path": FILE, "old": "Helo, {name}!", "new": wrong } });
    let submit = json!({ "name": "submit", "input": { "title": ISSUE_TITLE, "body": ISSUE_BODY } });
    let answer = json!({ "calls": [edit, submit] }).to_string();
    model.script("code", vec![answer]);
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
async fn job_of(stack: &Stack, key: &EventKey, began: Began<'_>) -> anyhow::Result<JobId> {
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
        wait(stack, began).await?;
    }
}

/// Prints every state, until the pull request is open and the usage is reported.
async fn follow(
    stack: &Stack,
    id: &JobId,
    began: Began<'_>,
    say: &impl Fn(&str),
) -> anyhow::Result<JobRow> {
    let mut said = 0;
    loop {
        let row = stack.store.job_find(id).await?.context("the job is gone")?;
        let skipped = began.skipped();
        let took = |at: Timestamp| at.since(row.facts.created_at).saturating_sub(skipped);
        for moment in row.timeline.iter().skip(said) {
            let after = took(moment.at).as_millis();
            say(&format!("{:>6} ms  {}", after, moment.state.as_str()));
        }
        said = row.timeline.len();
        if let Some(skips) = began.skips
            && row.state == JobState::Validating
        {
            look_now(stack, &row, skips).await?;
        }
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
                    took(at).as_millis()
                ));
                return Ok(row);
            }
        }
        wait(stack, began).await?;
    }
}

/// Skips the time until the checks are looked at.
async fn look_now(stack: &Stack, row: &JobRow, skips: &Skips) -> anyhow::Result<()> {
    let wait = row.wait(stack.outside.now());
    if !wait.is_zero() && row.lease_until.is_none() {
        skips.skip(wait);
        stack
            .sweep()
            .await
            .map_err(|failure| anyhow::anyhow!("{failure}"))?;
    }
    Ok(())
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
async fn commented(stack: &Stack, id: &JobId, began: Began<'_>) -> anyhow::Result<()> {
    while stack
        .store
        .job_find(id)
        .await?
        .is_some_and(|row| row.untold().is_some())
    {
        wait(stack, began).await?;
    }
    Ok(())
}

async fn wait(stack: &Stack, began: Began<'_>) -> anyhow::Result<()> {
    if began.passed(stack.outside.now()) > PATIENCE {
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

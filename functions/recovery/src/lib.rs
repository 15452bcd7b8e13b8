//! Recovery: brings back events that GitHub and Stripe made and that never arrived.
//!
//! A schedule invokes it every five minutes. A pass reads the sender's log (`log.rs`), notes what is
//! not recorded, and then acts on each miss (`acts.rs`): GitHub delivers again, or the event is
//! fetched and recorded as vouched for by the sender's API. It processes nothing itself.
//!
//! Safe to run twice or concurrently: how far the log was read moves only after everything before
//! was noted, each try is a conditional write before its call, and recording an event is the same
//! conditional write as a receiver's. A pass that fails half-way is done again.

mod acts;
mod endpoints;
mod log;

use boot::{Env, Keyed, Outside, Setting, Settings};
use domain::inbox::EventSource;
use domain::inbox::recovery::{OVERDUE_AFTER, Progress};
use domain::retry::{Failure, Retry};
use domain::time::Timestamp;
use github_api::GithubApi;
use queues::{Queue, Queues};
use settings::{
    EventsSettings, GithubSettings, MainSettings, PlatformSettings, QueueSettings, StripeSettings,
};
use std::time::Duration;
use store::{Inbox, Ingest, Recoveries, Written};
use stripe_api::StripeApi;

const STRIPE_WEBHOOK_URLS: Setting = Setting::optional(
    "STRIPE_WEBHOOK_URLS",
    "The addresses at which Stripe's webhooks can arrive, separated by commas. Once a day `recovery` looks whether an \
     enabled endpoint at Stripe sends every event there. Without it, that is not checked.",
);

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    main: MainSettings,
    queues: QueueSettings,
    github: GithubSettings,
    stripe: StripeSettings,
    stripe_webhook_urls: Vec<String>,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        let urls = |list: String| {
            let urls = list.split(',').map(|url| url.trim().trim_end_matches('/'));
            let urls = urls.filter(|url| !url.is_empty());
            urls.map(str::to_owned).collect()
        };
        Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            main: Settings::read(env),
            queues: QueueSettings::read(env, [Queue::GithubEvents, Queue::StripeEvents]),
            github: Settings::read(env),
            stripe: Settings::read(env),
            stripe_webhook_urls: env
                .optional(STRIPE_WEBHOOK_URLS)
                .map(urls)
                .unwrap_or_default(),
        }
    }
}

pub struct Ctx {
    inbox: Inbox,
    github_ingest: Ingest,
    stripe_ingest: Ingest,
    recoveries: Recoveries,
    queues: Queues,
    github: Keyed<GithubApi>,
    stripe: Option<Keyed<StripeApi>>,
    stripe_webhook_urls: Vec<String>,
    outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            github_ingest: config.events.ingest(&platform, EventSource::Github),
            stripe_ingest: config.events.ingest(&platform, EventSource::Stripe),
            recoveries: config.main.recoveries(&platform),
            queues: config.queues.connect(&platform),
            github: config.github.connect(&platform),
            stripe: config.stripe.connect(&platform),
            stripe_webhook_urls: config.stripe_webhook_urls,
            outside,
        }
    }

    const fn ingest(&self, source: EventSource) -> &Ingest {
        match source {
            EventSource::Github => &self.github_ingest,
            EventSource::Stripe => &self.stripe_ingest,
        }
    }

    /// Whether less time is left than a call may take.
    fn is_late(&self, deadline: Timestamp) -> bool {
        deadline.since(self.outside.now()) < MARGIN
    }
}

/// Time to reserve at the end of a run.
const MARGIN: Duration = Duration::from_secs(30);

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovered {
    /// Missing events that were not known before.
    pub missing: usize,
    /// Redeliveries that GitHub was asked for.
    pub redeliveries: usize,
    /// Events that were fetched and recorded.
    pub recorded: usize,
    /// Missing events that are recorded now.
    pub back: usize,
    /// Missing events that wait, because an operator has paused intake.
    pub waiting: usize,
    pub given_up: usize,
    /// Senders whose pass stopped early; the next run does it again.
    pub stopped: usize,
}

/// Handles the schedule. A failed run needs no retry by Lambda, because the next one does its work.
pub async fn on_schedule(
    ctx: &Ctx,
    _: serde_json::Value,
    deadline: Timestamp,
) -> serde_json::Value {
    let run = handle(ctx, deadline).await;
    serde_json::json!({ "missing": run.missing, "redeliveries": run.redeliveries, "recorded": run.recorded })
}

/// Runs one pass for each sender.
pub async fn handle(ctx: &Ctx, deadline: Timestamp) -> Recovered {
    let mut run = Recovered::default();
    for source in EventSource::ALL {
        // Without a key, Stripe cannot be asked.
        if source == EventSource::Stripe && ctx.stripe.is_none() {
            continue;
        }
        if let Err(failure) = pass(ctx, source, &mut run, deadline).await {
            run.stopped += 1;
            let alarm = matches!(failure.retry, Retry::Alarm(_) | Retry::Never);
            tracing::warn!(event.source = %source, error = %failure, alarm, "recovery stopped early; the next run continues");
        }
    }
    tracing::info!(
        recovery.missing = run.missing,
        recovery.redeliveries = run.redeliveries,
        recovery.recorded = run.recorded,
        recovery.back = run.back,
        recovery.waiting = run.waiting,
        recovery.given_up = run.given_up,
        "recovered"
    );
    run
}

async fn pass(
    ctx: &Ctx,
    source: EventSource,
    run: &mut Recovered,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let now = ctx.outside.now();
    let Some(progress) = ctx.recoveries.recovery_progress(source).await? else {
        let beginning = Progress::beginning(now);
        return match ctx.recoveries.recovery_save(source, &beginning).await? {
            Written::Now | Written::Stale => Ok(()),
        };
    };
    if now.since(progress.read_through) >= OVERDUE_AFTER {
        tracing::error!(event.source = %source, alarm = true,
            "no complete reading of what {source} made since {}; what GitHub made 72 hours ago is lost", progress.read_through);
    }
    if progress.wait_until.is_some_and(|until| now < until) {
        return Ok(());
    }
    let done = read_and_act(ctx, source, &progress, run, deadline).await;
    if let Err(failure) = &done {
        wait(ctx, source, failure).await?;
    }
    done
}

async fn read_and_act(
    ctx: &Ctx,
    source: EventSource,
    progress: &Progress,
    run: &mut Recovered,
    deadline: Timestamp,
) -> Result<(), Failure> {
    let read = log::read(ctx, source, progress, run, deadline).await?;
    acts::act(ctx, source, run, deadline).await?;
    match read {
        Some(read) if source == EventSource::Stripe => endpoints::look(ctx, &read).await,
        Some(_) | None => Ok(()),
    }
}

/// Keeps the time for which the sender wants no request.
async fn wait(ctx: &Ctx, source: EventSource, failure: &Failure) -> Result<(), Failure> {
    let Retry::After(time) = failure.retry else {
        return Ok(());
    };
    let Some(mut progress) = ctx.recoveries.recovery_progress(source).await? else {
        return Ok(());
    };
    progress.wait_until = Some(ctx.outside.now().plus(time));
    match ctx.recoveries.recovery_save(source, &progress).await? {
        Written::Now | Written::Stale => Ok(()),
    }
}

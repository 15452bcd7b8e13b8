//! The sweeper: queues every row that is due.
//!
//! A schedule invokes it every minute. A row is due because its message was never sent, was lost,
//! or was received by a sandbox that died; in most minutes no such row is due. Some rows are
//! planned: a hold that expires and a reminder are due at a time that was fixed when they were
//! written. Safe to run twice or concurrently: taking a row postpones it with a conditional write, so
//! only one of two sweepers sends it, and consumers ignore a duplicate message. Work that an operator
//! has stopped stays due and is sent within a minute after it is allowed again.

use boot::{Env, Outside, Settings};
use domain::ids::JobId;
use domain::inbox::{EventSource, OVERDUE_AFTER};
use domain::retry::Failure;
use domain::switches::Switch;
use domain::switches::Switches;
use domain::time::Timestamp;
use queues::{Message, Queue, Queues, Sending};
use settings::{EventsSettings, MainSettings, PlatformSettings, QueueSettings};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Due, DueEvent, DueItem, Inbox, Moved, Store, Switchboard, Taken};

pub struct Config {
    platform: PlatformSettings,
    events: EventsSettings,
    main: MainSettings,
    queues: QueueSettings,
}

impl Settings for Config {
    fn read(env: &mut Env) -> Self {
        Self {
            platform: Settings::read(env),
            events: Settings::read(env),
            main: Settings::read(env),
            queues: QueueSettings::read(env, Queue::OURS),
        }
    }
}

pub struct Ctx {
    inbox: Inbox,
    store: Store,
    switches: Switchboard,
    queues: Queues,
    outside: Outside,
}

impl Ctx {
    pub fn connect(config: Config, outside: Outside) -> Self {
        let platform = config.platform.connect(&outside);
        Self {
            inbox: config.events.connect(&platform),
            store: config.main.connect(&platform),
            switches: config.main.switches(&platform),
            queues: config.queues.connect(&platform),
            outside,
        }
    }
}

/// The most rows to take from one shard in one pass.
const LIMIT: i32 = 25;
/// The most passes in one run. The next run continues.
const PASSES_MAX: u32 = 20;
/// Time to reserve at the end for sending the messages of the rows that were taken.
const MARGIN: Duration = Duration::from_secs(10);

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Messages for rows that were due because something was lost.
    pub sent: usize,
    /// Messages for rows that came due as planned, such as holds that expired.
    pub planned: usize,
    /// Rows that were due but wait because an operator has stopped their work.
    pub waiting: usize,
}

/// Handles the schedule. A failed run needs no retry by Lambda, because the next sweep continues.
pub async fn on_schedule(
    ctx: &Ctx,
    _: serde_json::Value,
    deadline: Timestamp,
) -> serde_json::Value {
    match handle(ctx, deadline).await {
        Ok(swept) => serde_json::json!({ "sent": swept.sent, "planned": swept.planned }),
        Err(failure) => {
            tracing::error!(error = %failure, alarm = true, "the sweep stopped early; the next one continues");
            serde_json::json!({ "error": "stopped early" })
        }
    }
}

/// Sweeps until nothing is due or the time runs out.
pub async fn handle(ctx: &Ctx, deadline: Timestamp) -> Result<Swept, Failure> {
    let mut swept = Swept::default();
    let switches = ctx.switches.switches_fresh(ctx.outside.now()).await;
    for _ in 0..PASSES_MAX {
        let passed = pass(ctx, &switches).await?;
        swept.sent += passed.sent;
        swept.planned += passed.planned;
        swept.waiting += passed.waiting;
        if passed == Swept::default() || deadline.since(ctx.outside.now()) < MARGIN {
            break;
        }
    }
    // An alarm watches this line: many messages mean that a queue loses them or that a function
    // dies.
    tracing::info!(
        sweeper.sent = swept.sent,
        sweeper.planned = swept.planned,
        sweeper.waiting = swept.waiting,
        "swept"
    );
    Ok(swept)
}

async fn pass(ctx: &Ctx, switches: &Switches) -> Result<Swept, Failure> {
    let now = ctx.outside.now();
    let (mut sendings, mut planned, mut waiting) = (Vec::new(), Vec::new(), 0);
    // Events of a stopped source stay due without being postponed, because their list contains
    // nothing else.
    for source in EventSource::ALL
        .into_iter()
        .filter(|source| switches.process(*source) == Switch::On)
    {
        for due in ctx.inbox.due_list(source, now, LIMIT).await? {
            sendings.extend(take_event(ctx, due, now).await?);
        }
    }
    let mut meters = BTreeSet::new();
    for due in ctx.store.due_list(now, LIMIT).await? {
        match ctx.store.due_take(&due, switches, now).await? {
            Moved::On => sendings.extend(row_messages(ctx, &due, &mut meters).await?),
            Moved::AsPlanned => planned.extend(row_messages(ctx, &due, &mut meters).await?),
            Moved::Waiting => waiting += 1,
            Moved::Gone => {}
        }
    }
    ctx.queues.send_all(&sendings).await?;
    ctx.queues.send_all(&planned).await?;
    Ok(Swept {
        sent: sendings.len(),
        planned: planned.len(),
        waiting,
    })
}

async fn take_event(ctx: &Ctx, due: DueEvent, now: Timestamp) -> Result<Option<Sending>, Failure> {
    let Taken::Now { received_at } = ctx.inbox.due_take(&due, now).await? else {
        return Ok(None);
    };
    if now.since(received_at) > OVERDUE_AFTER {
        tracing::error!(event.key = %due.key, alarm = true, "an event has been pending for 60 days; its body will expire");
    }
    Ok(Some(Sending {
        message: Message::Event(due.key),
        account: None,
    }))
}

async fn row_messages(
    ctx: &Ctx,
    due: &Due,
    meters_sent: &mut BTreeSet<domain::billing::usage::AccountMeter>,
) -> Result<Vec<Sending>, Failure> {
    match &due.item {
        DueItem::Job(id) => job_messages(ctx, id).await,
        DueItem::Request(id) => Ok(vec![Sending {
            message: Message::Request(id.clone()),
            account: None,
        }]),
        // One message covers all usage that an account owes on a meter.
        DueItem::Usage(debts) if meters_sent.insert(debts.clone()) => {
            let account = Some(debts.account.clone());
            Ok(vec![Sending {
                message: Message::Usage(debts.clone()),
                account,
            }])
        }
        DueItem::Usage(_) => Ok(Vec::new()),
        DueItem::Assist(id) => {
            let account = ctx.store.assist_account(id).await?;
            Ok(vec![Sending {
                message: Message::Assist(id.clone()),
                account,
            }])
        }
        DueItem::Notice(key) => {
            let account = Some(key.account.clone());
            Ok(vec![Sending {
                message: Message::Notice(key.clone()),
                account,
            }])
        }
        DueItem::SignUp(applicant) => Ok(vec![Sending {
            message: Message::SignUp(applicant.clone()),
            account: None,
        }]),
        DueItem::Hold(key) => Ok(vec![Sending {
            message: Message::Hold(key.clone()),
            account: Some(key.account.clone()),
        }]),
        DueItem::Refund(key) => Ok(vec![Sending {
            message: Message::Refund(key.clone()),
            account: None,
        }]),
        DueItem::CustomerMail(account) => Ok(vec![Sending {
            message: Message::CustomerMail(account.clone()),
            account: Some(account.clone()),
        }]),
        DueItem::TopUp(account) => Ok(vec![Sending {
            message: Message::TopUp(account.clone()),
            account: Some(account.clone()),
        }]),
    }
}

/// Returns the messages that a job needs: for the work of its state, and for its comment if the
/// comment does not show the state yet.
async fn job_messages(ctx: &Ctx, id: &JobId) -> Result<Vec<Sending>, Failure> {
    let Some(row) = ctx.store.job_find(id).await? else {
        return Ok(Vec::new());
    };
    let work = row.state.work().map(|work| Message::Work(work, id.clone()));
    let comment = row.untold().map(|_| Message::Comment(id.clone()));
    let account = Some(row.facts.account);
    let messages = work.into_iter().chain(comment);
    Ok(messages
        .map(|message| Sending {
            message,
            account: account.clone(),
        })
        .collect())
}

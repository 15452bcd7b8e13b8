//! The door that finds work nobody is doing: rows that are due go back to their queues.
//!
//! Woken every minute. What it finds was recorded and not queued, queued and lost, or taken by a sandbox that died; most
//! minutes there is nothing. Safe to run twice or at once: taking a row moves its moment on by a conditional write, so of
//! two sweepers one sends, and what is sent twice is done once. What an operator has stopped is not sent: it goes on waiting,
//! and is sent within a minute of being allowed again.

use boot::{Aws, AwsSettings, Env, EnvError, Outside, Trust};
use domain::ids::JobId;
use domain::inbox::{EventSource, OVERDUE_AFTER};
use domain::retry::Failure;
use domain::switches::Switch;
use domain::switches::Switches;
use domain::time::Timestamp;
use queues::{Message, Queue, Queues, Sending};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Connection, Due, DueEvent, DueItem, Inbox, Moved, Store, Switchboard, Taken};

/// The settings of this door.
///
/// - `EVENTS_TABLE`: the event log
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `GITHUB_EVENTS_QUEUE_URL`, `STRIPE_EVENTS_QUEUE_URL`, `PLAN_QUEUE_URL`, `CODE_QUEUE_URL`, `REVIEW_QUEUE_URL`,
///   `PULLS_QUEUE_URL`, `USAGE_QUEUE_URL`, `NOTICES_QUEUE_URL`, `PROVISIONING_QUEUE_URL`, `ASSISTS_QUEUE_URL`: where work
///   goes back to
pub struct Config {
    events_table: String,
    main_table: String,
    queue_urls: Vec<(Queue, String)>,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let config = Self {
            events_table: env.text("EVENTS_TABLE"),
            main_table: env.text("MAIN_TABLE"),
            queue_urls: Queue::OURS
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            aws: AwsSettings::read(&mut env),
        };
        env.finish().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

/// What this door works with.
pub struct Ctx {
    inbox: Inbox,
    store: Store,
    switches: Switchboard,
    queues: Queues,
    outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        Self {
            inbox: connection.inbox(config.events_table),
            switches: connection.switches(config.main_table.clone()),
            store: connection.store(config.main_table, outside.random.clone()),
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            outside,
        }
    }
}

/// Rows taken from one shard in one pass.
const LIMIT: i32 = 25;
/// Passes in one run; what is left is there in a minute.
const PASSES_MAX: u32 = 20;
/// Time kept at the end, so that what was taken is also sent.
const MARGIN: Duration = Duration::from_secs(10);

/// What one run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Rows that were due and went back to a queue.
    pub sent: usize,
    /// Rows that were due and have to wait, because an operator has stopped their work.
    pub waiting: usize,
}

/// Sweeps until nothing is due or the time is up.
pub async fn handle(ctx: &Ctx, deadline: Timestamp) -> Result<Swept, Failure> {
    let mut swept = Swept::default();
    let switches = ctx.switches.switches_anew(ctx.outside.now()).await;
    for _ in 0..PASSES_MAX {
        let passed = pass(ctx, &switches).await?;
        swept.sent += passed.sent;
        swept.waiting += passed.waiting;
        if passed == Swept::default() || deadline.since(ctx.outside.now()) < MARGIN {
            break;
        }
    }
    // The alarm on this line is how one learns that a queue loses messages or a door dies.
    tracing::info!(
        sweeper.sent = swept.sent,
        sweeper.waiting = swept.waiting,
        "swept"
    );
    Ok(swept)
}

async fn pass(ctx: &Ctx, switches: &Switches) -> Result<Swept, Failure> {
    let now = ctx.outside.now();
    let (mut sendings, mut waiting) = (Vec::new(), 0);
    // Events of a stopped source stay due as they are: nothing else stands in their list.
    for source in EventSource::ALL
        .into_iter()
        .filter(|source| switches.process(*source) == Switch::On)
    {
        for due in ctx.inbox.due_list(source, now, LIMIT).await? {
            sendings.extend(take_event(ctx, due, now).await?);
        }
    }
    let mut debts = BTreeSet::new();
    for due in ctx.store.due_list(now, LIMIT).await? {
        match ctx.store.due_take(&due, switches, now).await? {
            Moved::On => sendings.extend(row_messages(ctx, &due, &mut debts).await?),
            Moved::Waiting => waiting += 1,
            Moved::Gone => {}
        }
    }
    ctx.queues.send_all(&sendings).await?;
    Ok(Swept {
        sent: sendings.len(),
        waiting,
    })
}

async fn take_event(ctx: &Ctx, due: DueEvent, now: Timestamp) -> Result<Option<Sending>, Failure> {
    let Taken::Now { received_at } = ctx.inbox.due_take(&due, now).await? else {
        return Ok(None);
    };
    if now.since(received_at) > OVERDUE_AFTER {
        tracing::error!(event.key = %due.key, alarm = true, "an event has been pending for 60 days; its body will not be kept");
    }
    Ok(Some(Sending {
        message: Message::Event(due.key),
        account: None,
    }))
}

async fn row_messages(
    ctx: &Ctx,
    due: &Due,
    debts_sent: &mut BTreeSet<domain::billing::usage::AccountMeter>,
) -> Result<Vec<Sending>, Failure> {
    match &due.item {
        DueItem::Job(id) => job_messages(ctx, id).await,
        DueItem::Request(id) => Ok(vec![Sending {
            message: Message::Request(id.clone()),
            account: None,
        }]),
        // One message tells of all that an account owes on a meter.
        DueItem::Usage(debts) if debts_sent.insert(debts.clone()) => {
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
        DueItem::SignUp(newcomer) => Ok(vec![Sending {
            message: Message::SignUp(newcomer.clone()),
            account: None,
        }]),
    }
}

/// What a job owes: the work of its state, and its comment if that does not say the state yet.
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

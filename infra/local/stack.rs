//! All doors, joined.

use crate::world::{APP_ID, CLIENT_ID, CLIENT_SECRET, Vendors};
use anyhow::Context;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use axum::Router;
use boot::{Aws, AwsSettings, Clock, Env, Outside, Random, Settings, Web};
use domain::retry::Failure;
use domain::time::Timestamp;
use queues::Queue;
use secrecy::SecretString;
use stand_in_aws::EmbeddedAws;
use stand_in_aws::event_source::{self, Function, Mapping, SqsClient};
use stand_in_github::app_key::app_key;
use stand_in_shared::Now;
use stand_in_shared::faults::Faults;
use stand_in_shared::web::StandInWeb;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::schema;
use store::{Connection, Inbox, KeyRing, KeySource, Store};
use tower::Service;

/// The hosts at which the stand-ins answer.
pub const GITHUB_HOST: &str = "github.stand-in";
/// Its pages.
pub const GITHUB_WEB_HOST: &str = "github.test";
/// Stripe's.
pub const STRIPE_HOST: &str = "stripe.stand-in";
/// The model's.
pub const MODEL_HOST: &str = "model.stand-in";
/// Mail's.
pub const MAIL_HOST: &str = "mail.stand-in";
const EVENTS_TABLE: &str = "tallyhook-events";
/// The local table of accounts, jobs and usage.
pub const MAIN_TABLE: &str = "tallyhook-main";
/// The local table of entries and seals.
pub const LEDGER_TABLE: &str = "tallyhook-ledger";
/// The file of the tables within the folder that keeps everything.
pub const TABLES_FILE: &str = "tables.db";

/// What a stack is made of.
pub struct Parts {
    /// The vendors' stand-ins.
    pub vendors: Vendors,
    /// What goes wrong.
    pub faults: Faults,
    /// The clock.
    pub clock: Clock,
    /// Random numbers.
    pub random: Random,
    /// Where the tables are kept; in memory without it.
    pub tables_file: Option<PathBuf>,
    /// Who carries requests to hosts that have no stand-in.
    pub real_web: Option<Web>,
    /// Settings that differ from the local ones: URLs and credentials of real services.
    pub settings: BTreeMap<String, String>,
}

/// The running doors.
pub struct Stack {
    /// GitHub's door.
    pub github_webhook: Arc<github_webhook::Ctx>,
    /// Stripe's door.
    pub stripe_webhook: Arc<stripe_webhook::Ctx>,
    /// The operators' door.
    pub admin: Router,
    /// The customers' door.
    pub api: Router,
    /// The sweeper.
    pub sweeper: Arc<sweeper::Ctx>,
    /// The door that seals the ledger's days.
    pub reconciliation: Arc<reconciliation::Ctx>,
    /// Queues and the doors they wake.
    pub mappings: Vec<(Queue, Mapping)>,
    /// For looking into the event log.
    pub inbox: Inbox,
    /// For looking into the rest.
    pub store: Store,
    /// For looking into the tables, and for meddling with them.
    pub tables: EmbeddedAws,
    /// For looking into queues.
    pub sqs: SqsClient,
    /// The vendors' stand-ins.
    pub vendors: Vendors,
    /// What goes wrong.
    pub faults: Faults,
    /// The clock, in milliseconds.
    pub now: Now,
    /// The seam of all doors.
    pub outside: Outside,
    /// What GitHub's webhooks are signed with; the newest of several.
    pub github_secret: String,
    /// Whether Stripe is told of debts, or they are kept.
    pub billing: Billing,
}

/// Whether Stripe is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// It is.
    On,
    /// Debts are kept until it is.
    Off,
}

/// How long each function may run, and its queue's visibility, six times as long, as in the template.
const STEP_TIME: Duration = Duration::from_secs(300);
const OTHER_TIME: Duration = Duration::from_secs(60);
const RECEIVES_MAX: u32 = 15;

/// What a door works with.
macro_rules! ctx {
    ($doors:expr, $door:ident) => {
        Arc::new($door::Ctx::connect(
            $door::Config::load($doors.env())?,
            $doors.outside.clone(),
        ))
    };
}

impl Stack {
    /// Opens the tables, creates the queues and joins every door.
    pub async fn start(parts: Parts) -> anyhow::Result<Self> {
        let file = parts
            .tables_file
            .as_ref()
            .map(|path| path.display().to_string());
        let aws = EmbeddedAws::open(file.as_deref(), parts.faults.clone())?;
        let web = Hybrid {
            stand_ins: stand_ins(&parts),
            real: parts.real_web,
        };
        let outside = Outside {
            aws: SharedHttpClient::new(aws.clone()),
            web: Web::new(web),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
        };
        let clients = Aws::new(AwsSettings::embedded(), &outside);
        let connection = Connection::new(&clients.sdk, None);
        connection
            .table_ensure(&schema::EVENTS, EVENTS_TABLE)
            .await?;
        connection.table_ensure(&schema::MAIN, MAIN_TABLE).await?;
        connection
            .table_ensure(&schema::LEDGER, LEDGER_TABLE)
            .await?;
        let sqs = event_source::client(&clients.sdk);
        let mut settings = settings();
        let mut urls = BTreeMap::new();
        for queue in Queue::ALL {
            let url =
                Mapping::queue_create(&sqs, queue.as_str(), time_of(queue) * 6, RECEIVES_MAX).await;
            let url =
                url.map_err(|error| anyhow::anyhow!("cannot create queue {queue}: {error}"))?;
            settings.insert(queue.setting().to_owned(), url.clone());
            urls.insert(queue, url);
        }
        settings.extend(parts.settings);
        let github_secret = settings
            .get("GITHUB_WEBHOOK_SECRETS")
            .and_then(|list| list.split(',').next());
        let github_secret = github_secret.unwrap_or_default().trim().to_owned();
        let off = settings
            .get("BILLING_ENABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("false"));
        let billing = if off { Billing::Off } else { Billing::On };
        let ledger_key = settings.get("LEDGER_KEY").cloned().unwrap_or_default();
        let doors = Doors {
            settings,
            outside: outside.clone(),
        };
        let clock = parts.clock;
        Ok(Self {
            github_webhook: ctx!(doors, github_webhook),
            stripe_webhook: ctx!(doors, stripe_webhook),
            admin: admin::router(admin::Ctx::connect(
                admin::Config::load(doors.env())?,
                outside.clone(),
            )),
            api: api::router(api::Ctx::connect(
                api::Config::load(doors.env())?,
                outside.clone(),
            )),
            sweeper: ctx!(doors, sweeper),
            reconciliation: ctx!(doors, reconciliation),
            mappings: doors.mappings(&urls)?,
            inbox: connection.inbox(EVENTS_TABLE),
            store: connection
                .store(MAIN_TABLE, outside.random.clone())
                .with_ledger(LEDGER_TABLE, ledger_keys(ledger_key)),
            tables: aws,
            sqs,
            vendors: parts.vendors,
            faults: parts.faults,
            now: Arc::new(move || clock().millis()),
            outside,
            github_secret,
            billing,
        })
    }

    /// Runs the sweeper once, as its schedule does.
    pub async fn sweep(&self) -> Result<sweeper::Swept, Failure> {
        let deadline = self.outside.now().plus(OTHER_TIME);
        sweeper::handle(&self.sweeper, deadline).await
    }

    /// Puts what became of mails into its queue, as SES does by way of SNS; how much there was.
    pub async fn mail_events(&self) -> anyhow::Result<usize> {
        let events = self.vendors.mail.outbox_take();
        let mapping = self
            .mappings
            .iter()
            .find(|(queue, _)| *queue == Queue::MailEvents);
        let (_, mapping) = mapping.context("every queue wakes a door")?;
        for event in &events {
            self.sqs
                .send_message()
                .queue_url(&mapping.queue_url)
                .message_body(event.to_string())
                .send()
                .await?;
        }
        Ok(events.len())
    }

    /// Seals what days are over, as the night's schedule does.
    pub async fn seal(&self) -> Result<reconciliation::Reconciled, Failure> {
        let deadline = self.outside.now().plus(STEP_TIME);
        reconciliation::handle(&self.reconciliation, deadline).await
    }
}

fn stand_ins(parts: &Parts) -> StandInWeb {
    StandInWeb::new(parts.faults.clone())
        .host(GITHUB_HOST, parts.vendors.github.router())
        .host(GITHUB_WEB_HOST, parts.vendors.github.pages())
        .host(STRIPE_HOST, parts.vendors.stripe.router())
        .host(MODEL_HOST, parts.vendors.model.router())
        .host(MAIL_HOST, parts.vendors.mail.router())
}

/// The settings that every local stack has; the command line may replace those of real services.
fn settings() -> BTreeMap<String, String> {
    [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIDEMBEDDED"),
        ("AWS_SECRET_ACCESS_KEY", "embedded"),
        ("EVENTS_TABLE", EVENTS_TABLE),
        ("MAIN_TABLE", MAIN_TABLE),
        ("LEDGER_TABLE", LEDGER_TABLE),
        ("LEDGER_KEY", LOCAL_LEDGER_KEY),
        ("GITHUB_URL", &format!("https://{GITHUB_HOST}")),
        ("GITHUB_WEB_URL", &format!("http://{GITHUB_WEB_HOST}")),
        ("GITHUB_CLIENT_ID", CLIENT_ID),
        ("GITHUB_CLIENT_SECRET", CLIENT_SECRET),
        ("GITHUB_APP_ID", &APP_ID.to_string()),
        ("GITHUB_PRIVATE_KEY", &app_key().private_pem),
        ("STRIPE_URL", &format!("https://{STRIPE_HOST}")),
        ("STRIPE_SECRET_KEY", "sk_test_local"),
        ("MODEL_URL", &format!("https://{MODEL_HOST}")),
        ("MODEL_NAME", "stand-in-1"),
        ("MODEL_API_KEY", LOCAL_MODEL_KEY),
        ("MAIL_URL", &format!("https://{MAIL_HOST}")),
        ("MAIL_FROM", "notices@tallyhook.example"),
        ("MAIL_CONFIGURATION_SET", "tallyhook-local"),
        ("GITHUB_WEBHOOK_SECRETS", LOCAL_SECRET),
        ("STRIPE_WEBHOOK_SECRETS", LOCAL_SECRET),
        ("OPERATOR_TOKEN", LOCAL_TOKEN),
        ("DASHBOARD_URL", "http://tallyhook.test/billing"),
        ("PUBLIC_URL", "http://tallyhook.test"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// The ledger's keys by value, for looking into it.
pub fn ledger_keys(setting: String) -> KeySource {
    let setting = SecretString::from(setting);
    Arc::new(move || {
        let ring = KeyRing::read(Some(&setting)).map_err(Failure::from);
        Box::pin(async move { ring })
    })
}

/// What local entries of the ledger are digested with.
pub const LOCAL_LEDGER_KEY: &str = "local-ledger-key-that-is-no-secret";
/// What the stand-in for the model is asked with.
pub const LOCAL_MODEL_KEY: &str = "local-model-key";
/// What local webhooks are signed with.
pub const LOCAL_SECRET: &str = "local-secret";
/// Replaced by a fresh one before anybody outside can use it.
pub const LOCAL_TOKEN: &str = "local:local-token";

const fn time_of(queue: Queue) -> Duration {
    match queue {
        Queue::Plan | Queue::Code | Queue::Review | Queue::Assists => STEP_TIME,
        Queue::GithubEvents
        | Queue::StripeEvents
        | Queue::Pulls
        | Queue::Usage
        | Queue::Notices
        | Queue::MailEvents
        | Queue::Provisioning => OTHER_TIME,
    }
}

const fn batch_of(queue: Queue) -> i32 {
    match queue {
        Queue::Plan | Queue::Code | Queue::Review | Queue::Assists => 1,
        Queue::GithubEvents
        | Queue::StripeEvents
        | Queue::Pulls
        | Queue::Usage
        | Queue::Notices
        | Queue::MailEvents
        | Queue::Provisioning => 10,
    }
}

struct Doors {
    settings: BTreeMap<String, String>,
    outside: Outside,
}

/// Turns a door's `handle` into a function that a mapping can call.
macro_rules! function {
    ($doors:expr, $door:ident) => {{
        let ctx = ctx!($doors, $door);
        let function: Function = Arc::new(move |event, deadline| {
            let ctx = Arc::clone(&ctx);
            Box::pin(
                async move { $door::handle(&ctx, event, Timestamp::from_millis(deadline)).await },
            )
        });
        function
    }};
}

impl Doors {
    fn env(&self) -> Env {
        Env::of(self.settings.clone())
    }

    fn mappings(&self, urls: &BTreeMap<Queue, String>) -> anyhow::Result<Vec<(Queue, Mapping)>> {
        let steps = function!(self, job_steps);
        let github_events = function!(self, github_events);
        let stripe_events = function!(self, stripe_events);
        let pull_requests = function!(self, pull_requests);
        let usage_reports = function!(self, usage_reports);
        let notices = function!(self, notices);
        let provisioning = function!(self, provisioning);
        Queue::ALL
            .into_iter()
            .map(|queue| {
                let function = match queue {
                    Queue::GithubEvents => &github_events,
                    Queue::StripeEvents => &stripe_events,
                    Queue::Plan | Queue::Code | Queue::Review | Queue::Assists => &steps,
                    Queue::Pulls => &pull_requests,
                    Queue::Usage => &usage_reports,
                    Queue::Notices | Queue::MailEvents => &notices,
                    Queue::Provisioning => &provisioning,
                };
                let queue_url = urls
                    .get(&queue)
                    .cloned()
                    .context("every queue was created")?;
                let mapping = Mapping {
                    queue_url,
                    batch: batch_of(queue),
                    timeout: time_of(queue),
                    function: Arc::clone(function),
                };
                Ok((queue, mapping))
            })
            .collect()
    }
}

/// Stand-ins where there are any, the real world elsewhere.
#[derive(Clone)]
struct Hybrid {
    stand_ins: StandInWeb,
    real: Option<Web>,
}

impl Service<http::Request<bytes::Bytes>> for Hybrid {
    type Response = http::Response<bytes::Bytes>;
    type Error = boot::WebError;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<bytes::Bytes>) -> Self::Future {
        let known = request
            .uri()
            .host()
            .is_some_and(|host| self.stand_ins.knows(host));
        match &mut self.real {
            Some(real) if !known => Box::pin(real.call(request)),
            Some(_) | None => self.stand_ins.call(request),
        }
    }
}

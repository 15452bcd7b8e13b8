//! All functions, connected to the queues, tables and stand-ins.

use crate::hybrid::Hybrid;
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
use stand_in_aws::iam::Roles;
use stand_in_github::LOGS_HOST;
use stand_in_github::app_key::app_key;
use stand_in_shared::Now;
use stand_in_shared::faults::Faults;
use stand_in_shared::web::StandInWeb;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::schema;
use store::{Connection, Inbox, KeyRing, KeySource, Recoveries, Store};

/// The hosts of the stand-ins.
pub const GITHUB_HOST: &str = "github.stand-in";
const GITHUB_ARCHIVES_HOST: &str = "codeload.github.stand-in";
pub const GITHUB_WEB_HOST: &str = "github.test";
pub const STRIPE_HOST: &str = "stripe.stand-in";
pub const MODEL_HOST: &str = "model.stand-in";
pub const MAIL_HOST: &str = "mail.stand-in";
pub const EVENTS_TABLE: &str = "tallyhook-events";
pub const MAIN_TABLE: &str = "tallyhook-main";
pub const LEDGER_TABLE: &str = "tallyhook-ledger";
/// The file of the tables in the `--data` folder.
pub const TABLES_FILE: &str = "tables.db";

/// The parts from which a stack starts.
pub struct Parts {
    pub vendors: Vendors,
    pub faults: Faults,
    pub clock: Clock,
    pub random: Random,
    /// The file of the tables. Without it, the tables are in memory.
    pub tables_file: Option<PathBuf>,
    /// Carries requests to hosts that have no stand-in.
    pub real_web: Option<Web>,
    /// Settings that differ from the local ones: URLs and credentials of real services.
    pub settings: BTreeMap<String, String>,
    /// The roles of the functions on AWS. Functions without one may do everything.
    pub roles: Roles,
}

/// The running functions.
pub struct Stack {
    pub github_webhook: Arc<github_webhook::Ctx>,
    pub stripe_webhook: Arc<stripe_webhook::Ctx>,
    pub admin: Router,
    pub api: Router,
    pub web: Router,
    pub sweeper: Arc<sweeper::Ctx>,
    pub reconciliation: Arc<reconciliation::Ctx>,
    pub recovery: Arc<recovery::Ctx>,
    /// The queues and the functions that they invoke.
    pub mappings: Vec<(Queue, Mapping)>,
    /// Reads the event log, for tests and the demo.
    pub inbox: Inbox,
    /// Reads what recovery knows, for tests.
    pub recoveries: Recoveries,
    /// Reads the other tables, for tests and the demo.
    pub store: Store,
    /// Reads and writes rows without conditions, for tests.
    pub tables: EmbeddedAws,
    pub sqs: SqsClient,
    pub vendors: Vendors,
    pub faults: Faults,
    /// The clock, in milliseconds.
    pub now: Now,
    /// The clock, randomness and HTTP client of all functions.
    pub outside: Outside,
    /// The newest secret that signs GitHub's webhooks.
    pub github_secret: String,
    /// The newest secret that signs Stripe's webhooks.
    pub stripe_secret: String,
    pub billing: Billing,
}

/// Whether usage is reported to Stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    On,
    /// Usage stays pending until billing is on.
    Off,
}

/// The timeout of each function. The visibility timeout of its queue is six times as long, as in
/// the template.
const STEP_TIME: Duration = Duration::from_secs(900);
const RECONCILIATION_TIME: Duration = Duration::from_secs(300);
const OTHER_TIME: Duration = Duration::from_secs(60);
const RECOVERY_TIME: Duration = Duration::from_secs(240);
const RECEIVES_MAX: u32 = 15;

/// The context of a function.
macro_rules! ctx {
    ($functions:expr, $function:ident) => {
        Arc::new($function::Ctx::connect(
            $function::Config::load($functions.env(stringify!($function)))?,
            $functions.outside.clone(),
        ))
    };
}

/// The first of the secrets that a setting lists.
fn newest(settings: &BTreeMap<String, String>, name: &str) -> String {
    let first = settings.get(name).and_then(|list| list.split(',').next());
    first.unwrap_or_default().trim().to_owned()
}

async fn tables_ensure(connection: &Connection) -> anyhow::Result<()> {
    for (table, name) in [
        (&schema::EVENTS, EVENTS_TABLE),
        (&schema::MAIN, MAIN_TABLE),
        (&schema::LEDGER, LEDGER_TABLE),
    ] {
        connection.table_ensure(table, name).await?;
    }
    Ok(())
}

/// Creates every queue; its URL is what the functions' settings say.
async fn queues_create(sqs: &SqsClient) -> anyhow::Result<BTreeMap<Queue, String>> {
    let mut urls = BTreeMap::new();
    for queue in Queue::ALL {
        let seconds = time_of(queue) * 6;
        let url = Mapping::queue_create(sqs, queue.as_str(), seconds, RECEIVES_MAX).await;
        let url = url.map_err(|error| anyhow::anyhow!("cannot create queue {queue}: {error}"))?;
        urls.insert(queue, url);
    }
    Ok(urls)
}

impl Stack {
    /// Opens the tables, creates the queues and connects every function.
    pub async fn start(parts: Parts) -> anyhow::Result<Self> {
        let file = parts
            .tables_file
            .as_ref()
            .map(|path| path.display().to_string());
        let aws = EmbeddedAws::open(file.as_deref(), parts.faults.clone())?
            .with_roles(parts.roles.clone());
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
        tables_ensure(&connection).await?;
        let sqs = event_source::client(&clients.sdk);
        let mut settings = settings();
        let urls = queues_create(&sqs).await?;
        for (queue, url) in &urls {
            settings.insert(queue.setting().to_owned(), url.clone());
        }
        settings.extend(parts.settings);
        let github_secret = newest(&settings, "GITHUB_WEBHOOK_SECRETS");
        let stripe_secret = newest(&settings, "STRIPE_WEBHOOK_SECRETS");
        let off = settings
            .get("BILLING_ENABLED")
            .is_some_and(|text| text.eq_ignore_ascii_case("false"));
        let billing = if off { Billing::Off } else { Billing::On };
        let ledger_key = settings.get("LEDGER_KEY").cloned().unwrap_or_default();
        let functions = Functions {
            settings,
            outside: outside.clone(),
        };
        let clock = parts.clock;
        Ok(Self {
            github_webhook: ctx!(functions, github_webhook),
            stripe_webhook: ctx!(functions, stripe_webhook),
            admin: admin::router(admin::Ctx::connect(
                admin::Config::load(functions.env("admin"))?,
                outside.clone(),
            )),
            api: api::router(api::Ctx::connect(
                api::Config::load(functions.env("api"))?,
                outside.clone(),
            )),
            web: web::router(web::Ctx::connect(
                web::Config::load(functions.env("web"))?,
                outside.clone(),
            )),
            sweeper: ctx!(functions, sweeper),
            reconciliation: ctx!(functions, reconciliation),
            recovery: ctx!(functions, recovery),
            mappings: functions.mappings(&urls)?,
            inbox: connection.inbox(EVENTS_TABLE),
            recoveries: connection.recoveries(MAIN_TABLE),
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
            stripe_secret,
            billing,
        })
    }

    /// Answers a customer's request with the function that the gateway's routes name.
    pub async fn answer(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> http::Response<bytes::Bytes> {
        if is_page(request.uri().path()) {
            web::respond(self.web.clone(), request).await
        } else {
            api::respond(self.api.clone(), request).await
        }
    }

    /// Runs the sweeper once, as its schedule does.
    pub async fn sweep(&self) -> Result<sweeper::Swept, Failure> {
        let deadline = self.outside.now().plus(OTHER_TIME);
        sweeper::handle(&self.sweeper, deadline).await
    }

    /// Sends mail feedback to its queue, as SES does through SNS. Returns the number of events.
    pub async fn mail_events(&self) -> anyhow::Result<usize> {
        let events = self.vendors.mail.outbox_take();
        let mapping = self
            .mappings
            .iter()
            .find(|(queue, _)| *queue == Queue::MailEvents);
        let (_, mapping) = mapping.context("every queue wakes a function")?;
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

    /// Brings back events that never arrived, as the schedule does.
    pub async fn recover(&self) -> recovery::Recovered {
        let deadline = self.outside.now().plus(RECOVERY_TIME);
        recovery::handle(&self.recovery, deadline).await
    }

    /// Seals the days that are over, as the nightly schedule does.
    pub async fn seal(&self) -> Result<reconciliation::Reconciled, Failure> {
        let deadline = self.outside.now().plus(RECONCILIATION_TIME);
        reconciliation::handle(&self.reconciliation, deadline).await
    }
}

fn stand_ins(parts: &Parts) -> StandInWeb {
    StandInWeb::new(parts.faults.clone())
        .host(GITHUB_HOST, parts.vendors.github.router())
        .host(GITHUB_ARCHIVES_HOST, parts.vendors.github.archives())
        .host(LOGS_HOST, parts.vendors.github.logs())
        .host(GITHUB_WEB_HOST, parts.vendors.github.pages())
        .host(STRIPE_HOST, parts.vendors.stripe.router())
        .host(MODEL_HOST, parts.vendors.model.router())
        .host(MAIL_HOST, parts.vendors.mail.router())
}

/// Whether a path belongs to `web`, as the template routes it.
fn is_page(path: &str) -> bool {
    let pages = [
        "/",
        "/billing",
        "/jobs",
        "/signin",
        "/signin/callback",
        "/signout",
        "/signup",
        "/setup",
        "/setup/account",
        "/setup/choice",
        "/billing/usage",
        "/status",
        "/billing/top-up",
        "/billing/success",
        "/billing/cancelled",
        "/billing/plan",
        "/billing/transactions",
        "/billing/transactions.csv",
        "/billing/invoices",
    ];
    let folders = [
        "/welcome/",
        "/assets/",
        "/jobs/",
        "/settings/",
        "/billing/top-up/",
        "/billing/success/",
        "/billing/plan/",
        "/billing/transactions/",
        "/billing/usage/",
        "/billing/invoices/",
    ];
    pages.contains(&path) || folders.iter().any(|start| path.starts_with(start))
}

/// The default settings; the command line replaces those of real services.
fn settings() -> BTreeMap<String, String> {
    [
        ("AWS_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", "embedded"),
        ("EVENTS_TABLE", EVENTS_TABLE),
        ("MAIN_TABLE", MAIN_TABLE),
        ("LEDGER_TABLE", LEDGER_TABLE),
        ("LEDGER_KEY", LOCAL_LEDGER_KEY),
        ("GITHUB_URL", &format!("https://{GITHUB_HOST}")),
        ("GITHUB_WEB_URL", &format!("http://{GITHUB_WEB_HOST}")),
        (
            "GITHUB_APP_URL",
            &format!("http://{GITHUB_WEB_HOST}/apps/tallyhook"),
        ),
        ("GITHUB_CLIENT_ID", CLIENT_ID),
        ("GITHUB_CLIENT_SECRET", CLIENT_SECRET),
        ("GITHUB_APP_ID", &APP_ID.to_string()),
        ("GITHUB_PRIVATE_KEY", &app_key().private_pem),
        ("STRIPE_URL", &format!("https://{STRIPE_HOST}")),
        ("STRIPE_SECRET_KEY", STRIPE_KEY),
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

/// The ledger's keys, by value.
pub fn ledger_keys(setting: String) -> KeySource {
    let setting = SecretString::from(setting);
    Arc::new(move || {
        let ring = KeyRing::read(Some(&setting)).map_err(Failure::from);
        Box::pin(async move { ring })
    })
}

pub const LOCAL_LEDGER_KEY: &str = "local-ledger-key-that-is-no-secret";
/// The key of the stand-in Stripe's account.
pub const STRIPE_KEY: &str = "sk_test_local";
pub const LOCAL_MODEL_KEY: &str = "local-model-key";
pub const LOCAL_SECRET: &str = "local-secret";
/// The operator token for tests; `cargo run` replaces it with a random one.
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

struct Functions {
    settings: BTreeMap<String, String>,
    outside: Outside,
}

/// Turns a function's `handle` into one that an event source mapping can call.
macro_rules! function {
    ($functions:expr, $function:ident) => {{
        let ctx = ctx!($functions, $function);
        let function: Function = Arc::new(move |event, deadline| {
            let ctx = Arc::clone(&ctx);
            Box::pin(async move {
                $function::handle(&ctx, event, Timestamp::from_millis(deadline)).await
            })
        });
        function
    }};
}

impl Functions {
    /// The settings of a function. Its name signs its requests to AWS.
    fn env(&self, module: &str) -> Env {
        let name = module.replace('_', "-");
        let mut settings = self.settings.clone();
        settings.insert("AWS_ACCESS_KEY_ID".to_owned(), name);
        Env::of(settings)
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

//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::billing::plans::Catalogue;
use domain::switches::Switch;
use github_api::{GithubApi, GithubConfig};
use queues::{Queue, Queues};
use store::{Connection, Inbox, KeyRing, Store, Switchboard};

/// The settings of this door.
///
/// - `EVENTS_TABLE`: the event log
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger, for what jobs hold and give back
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `CATALOGUE`: the file that says what is sold; the built-in one where it is not set
/// - `DASHBOARD_URL`: where customers buy credits and plans, for the comments that ask them to; none where it is not set
/// - `GITHUB_EVENTS_QUEUE_URL`: its own queue, for events that must wait
/// - `PLAN_QUEUE_URL`: where new jobs go
/// - `PULLS_QUEUE_URL`: where comments are owed
/// - `USAGE_QUEUE_URL`: where usage goes that is billed on merging
/// - `NOTICES_QUEUE_URL`: where customers are told that something comes to its end
/// - `PROVISIONING_QUEUE_URL`: where newcomers are given an account
/// - `AUTO_PROVISION`: `false` lets newcomers wait for an operator
/// - `GITHUB_URL`: GitHub's API
/// - `GITHUB_APP_ID` (or `APP_ID`): the App, by which its own doings are known
/// - `GITHUB_PRIVATE_KEY` (or `PRIVATE_KEY`): the App's key, for reading a repository's policy
pub struct Config {
    events_table: String,
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    catalogue: Catalogue,
    dashboard_url: Option<String>,
    queue_urls: Vec<(Queue, String)>,
    auto_provision: Switch,
    github_url: String,
    app_id: u64,
    private_key: Secret,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let catalogue = catalogue::from_settings(|name| env.find(name)).unwrap_or_else(|errors| {
            env.error(errors.to_string());
            catalogue::built_in()
        });
        let config = Self {
            events_table: env.text("EVENTS_TABLE"),
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            catalogue,
            dashboard_url: env.find("DASHBOARD_URL"),
            queue_urls: [
                Queue::GithubEvents,
                Queue::Plan,
                Queue::Pulls,
                Queue::Usage,
                Queue::Notices,
                Queue::Provisioning,
            ]
            .map(|queue| (queue, env.text(queue.setting())))
            .into(),
            auto_provision: auto_provision(&env),
            github_url: env.text("GITHUB_URL"),
            app_id: env.number_of(&["GITHUB_APP_ID", "APP_ID"]),
            private_key: Secret::read(&mut env, &["GITHUB_PRIVATE_KEY", "PRIVATE_KEY"]),
            aws: AwsSettings::read(&mut env),
        };
        env.finish().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

fn auto_provision(env: &Env) -> Switch {
    Switch::from(
        !env.find("AUTO_PROVISION")
            .is_some_and(|text| text.eq_ignore_ascii_case("false")),
    )
}

/// What this door works with.
pub struct Ctx {
    pub(crate) inbox: Inbox,
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) app_id: u64,
    pub(crate) catalogue: Catalogue,
    pub(crate) dashboard_url: Option<String>,
    pub(crate) auto_provision: Switch,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let (url, app_id, web) = (config.github_url, config.app_id, outside.web.clone());
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let ring = Keyed::new(secrets(config.ledger_key), |values| {
            KeyRing::read(values.first())
        });
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        Self {
            inbox: connection.inbox(config.events_table),
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            switches,
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            github: Keyed::new(secrets(config.private_key), move |values| {
                let private_key_pem = values.first().cloned().unwrap_or_default();
                GithubApi::new(
                    GithubConfig {
                        url: url.clone(),
                        app_id,
                        private_key_pem,
                    },
                    web.clone(),
                )
            }),
            app_id,
            catalogue: config.catalogue,
            dashboard_url: config.dashboard_url,
            auto_provision: config.auto_provision,
            outside,
        }
    }
}

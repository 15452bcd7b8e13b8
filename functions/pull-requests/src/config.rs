//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use github_api::{GithubApi, GithubConfig};
use queues::{Queue, Queues};
use store::{Connection, KeyRing, Store, Switchboard};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger, for what jobs cost and give back
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `PULLS_QUEUE_URL`: its own queue
/// - `USAGE_QUEUE_URL`: where debts to Stripe go
/// - `NOTICES_QUEUE_URL`: where customers are told by mail of a job, if they want it
/// - `GITHUB_URL`: GitHub's API
/// - `GITHUB_APP_ID` (or `APP_ID`): the App
/// - `GITHUB_PRIVATE_KEY` (or `PRIVATE_KEY`): the App's key, for tokens that may write to one repository
pub struct Config {
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    queue_urls: Vec<(Queue, String)>,
    github_url: String,
    app_id: u64,
    private_key: Secret,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            queue_urls: [Queue::Pulls, Queue::Usage, Queue::Notices]
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
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

/// What this door works with.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let ring = Keyed::new(secrets(config.ledger_key), |values| {
            KeyRing::read(values.first())
        });
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        let (url, app_id, web) = (config.github_url, config.app_id, outside.web.clone());
        Self {
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
            outside,
        }
    }
}

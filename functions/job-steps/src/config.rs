//! The settings of this door, and what it works with.

use boot::{Aws, AwsSettings, Env, EnvError, Keyed, Outside, Secret, Secrets, Trust};
use domain::billing::plans::Catalogue;
use github_api::{GithubApi, GithubConfig};
use model_api::{ModelApi, ModelConfig, Wire};
use queues::{Queue, Queues};
use store::{Connection, KeyRing, Store, Switchboard};

/// The settings of this door.
///
/// - `MAIN_TABLE`: accounts, jobs and usage
/// - `LEDGER_TABLE`: the entries of the ledger, for what work costs and gives back
/// - `LEDGER_KEY`: the key entries are digested with; several separated by commas, the newest first
/// - `CATALOGUE`: the file that says what models cost; the built-in one where it is not set
/// - `PLAN_QUEUE_URL`, `CODE_QUEUE_URL`, `REVIEW_QUEUE_URL`: its own queues, one a kind of step
/// - `ASSISTS_QUEUE_URL`: its own, too
/// - `PULLS_QUEUE_URL`: where finished work and comments go
/// - `GITHUB_URL`: GitHub's API
/// - `GITHUB_APP_ID` (or `APP_ID`): the App
/// - `GITHUB_PRIVATE_KEY` (or `PRIVATE_KEY`): the App's key, for tokens that may read one repository
/// - `MODEL_URL`: the model's API
/// - `MODEL_WIRE`: the language spoken there, `anthropic` (so it is when absent) or `openai`
/// - `MODEL_NAME`: which model
/// - `MODEL_API_KEY`: the key to it
pub struct Config {
    main_table: String,
    ledger_table: String,
    ledger_key: Secret,
    catalogue: Catalogue,
    queue_urls: Vec<(Queue, String)>,
    github_url: String,
    app_id: u64,
    model_url: String,
    model_wire: Wire,
    model_name: String,
    private_key: Secret,
    model_key: Secret,
    aws: AwsSettings,
}

impl Config {
    /// Reads the settings, or says everything that is wrong with them.
    pub fn read(mut env: Env) -> Result<Self, EnvError> {
        let queues = [
            Queue::Plan,
            Queue::Code,
            Queue::Review,
            Queue::Pulls,
            Queue::Assists,
        ];
        let catalogue = catalogue::from_settings(|name| env.find(name)).unwrap_or_else(|errors| {
            env.error(errors.to_string());
            catalogue::built_in()
        });
        let config = Self {
            main_table: env.text("MAIN_TABLE"),
            ledger_table: env.text("LEDGER_TABLE"),
            ledger_key: Secret::read(&mut env, &["LEDGER_KEY"]),
            catalogue,
            queue_urls: queues
                .map(|queue| (queue, env.text(queue.setting())))
                .into(),
            github_url: env.text("GITHUB_URL"),
            app_id: env.number_of(&["GITHUB_APP_ID", "APP_ID"]),
            model_url: env.text("MODEL_URL"),
            model_wire: wire(&mut env),
            model_name: env.text("MODEL_NAME"),
            private_key: Secret::read(&mut env, &["GITHUB_PRIVATE_KEY", "PRIVATE_KEY"]),
            model_key: Secret::read(&mut env, &["MODEL_API_KEY"]),
            aws: AwsSettings::read(&mut env),
        };
        env.finish().map(|()| config)
    }

    /// Whose certificates this door believes.
    pub fn trust(&self) -> Trust {
        self.aws.trust(Trust::Public)
    }
}

fn wire(env: &mut Env) -> Wire {
    let Some(word) = env.find("MODEL_WIRE") else {
        return Wire::Anthropic;
    };
    Wire::parse(&word).unwrap_or_else(|| {
        let known = Wire::ALL.map(Wire::as_str).join(" or ");
        env.error(format!("MODEL_WIRE must be {known}"));
        Wire::Anthropic
    })
}

/// What this door works with.
pub struct Ctx {
    pub(crate) store: Store,
    pub(crate) switches: Switchboard,
    pub(crate) queues: Queues,
    pub(crate) github: Keyed<GithubApi>,
    pub(crate) model: Keyed<ModelApi>,
    pub(crate) model_name: String,
    pub(crate) catalogue: Catalogue,
    pub(crate) outside: Outside,
}

impl Ctx {
    /// Joins the walls.
    pub fn connect(config: Config, outside: Outside) -> Self {
        let aws = Aws::new(config.aws, &outside);
        let secrets = |secret| Secrets::new(vec![secret], aws.clone(), outside.clone());
        let (url, app_id, web) = (config.github_url, config.app_id, outside.web.clone());
        let github = Keyed::new(secrets(config.private_key), move |values| {
            let private_key_pem = values.first().cloned().unwrap_or_default();
            GithubApi::new(
                GithubConfig {
                    url: url.clone(),
                    app_id,
                    private_key_pem,
                },
                web.clone(),
            )
        });
        let ring = Keyed::new(secrets(config.ledger_key), |values| {
            KeyRing::read(values.first())
        });
        let connection = Connection::new(&aws.sdk, aws.dynamodb.as_deref());
        let switches = connection.switches(config.main_table.clone());
        let store = connection.store(config.main_table, outside.random.clone());
        let model_name = config.model_name.clone();
        let (url, wire) = (config.model_url, config.model_wire);
        let (model, web) = (config.model_name, outside.web.clone());
        let model = Keyed::new(secrets(config.model_key), move |values| {
            let api_key = values.first().cloned().unwrap_or_default();
            ModelApi::new(
                ModelConfig {
                    url: url.clone(),
                    wire,
                    api_key,
                    model: model.clone(),
                },
                web.clone(),
            )
        });
        Self {
            store: store.with_ledger(config.ledger_table, ring.into_source()),
            switches,
            queues: Queues::new(&aws.sdk, aws.sqs.as_deref(), config.queue_urls),
            github,
            model,
            model_name,
            catalogue: config.catalogue,
            outside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_wire_is_refused_by_naming_the_known() {
        let complaint = |word| {
            Config::read(Env::of([("MODEL_WIRE", word)]))
                .err()
                .expect("much is missing")
                .to_string()
        };
        for word in ["", "anthropic", "openai"] {
            assert!(!complaint(word).contains("MODEL_WIRE"), "{word}");
        }
        let said = complaint("OpenAI!");
        assert!(
            said.contains("MODEL_WIRE must be anthropic or openai"),
            "{said}"
        );
    }
}

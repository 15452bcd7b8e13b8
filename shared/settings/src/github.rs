//! GitHub's API, for the App and for people who sign in.

use crate::{GithubWebUrl, Platform};
use boot::{Env, Keyed, Secret, Setting, Settings};
use github_api::{GithubApi, GithubConfig, SignIn, SignInConfig};

const GITHUB_URL: Setting = Setting::required(
    "GITHUB_URL",
    "The address of GitHub's API. `api` needs it only with `GITHUB_CLIENT_ID`.",
);
const GITHUB_APP_ID: Setting =
    Setting::required("GITHUB_APP_ID", "The number of the GitHub App.").with_alias("APP_ID");
const GITHUB_PRIVATE_KEY: Setting = Setting::required(
    "GITHUB_PRIVATE_KEY",
    "The private key of the GitHub App: the text of its `.pem` file, in which `\\n` may stand for a line break.",
)
.with_alias("PRIVATE_KEY")
.secret();
const GITHUB_CLIENT_ID: Setting = Setting::optional(
    "GITHUB_CLIENT_ID",
    "The client id of the GitHub App. Without it people cannot sign in; API keys and everything else work.",
);
const GITHUB_CLIENT_SECRET: Setting = Setting::optional(
    "GITHUB_CLIENT_SECRET",
    "The client secret of the GitHub App. Required with `GITHUB_CLIENT_ID`.",
)
.secret();

/// The address of GitHub's API and the App's credentials.
pub struct GithubSettings {
    url: String,
    app_id: u64,
    private_key: Secret,
}

impl Settings for GithubSettings {
    fn read(env: &mut Env) -> Self {
        Self {
            url: env.text(GITHUB_URL),
            app_id: env.number(GITHUB_APP_ID),
            private_key: Secret::read(env, GITHUB_PRIVATE_KEY),
        }
    }
}

impl GithubSettings {
    pub const fn app_id(&self) -> u64 {
        self.app_id
    }

    pub fn connect(self, platform: &Platform) -> Keyed<GithubApi> {
        let (url, app_id, web) = (self.url, self.app_id, platform.outside.web.clone());
        Keyed::new(platform.secrets(self.private_key), move |values| {
            let config = GithubConfig {
                url: url.clone(),
                app_id,
                private_key_pem: values.first().cloned().unwrap_or_default(),
            };
            GithubApi::new(config, web.clone())
        })
    }
}

/// The settings for signing in with GitHub, if the App's client id is set.
pub struct SignInSettings(Option<Client>);

struct Client {
    url: String,
    web_url: String,
    id: String,
    secret: Secret,
}

impl Settings for SignInSettings {
    fn read(env: &mut Env) -> Self {
        let id = env.optional(GITHUB_CLIENT_ID);
        let needed = id.is_some();
        let url = env.text_if(needed, GITHUB_URL.when_present());
        let GithubWebUrl(web_url) = GithubWebUrl::read(env);
        let secret = Secret::read_if(needed, env, GITHUB_CLIENT_SECRET);
        Self(id.map(|id| Client {
            url,
            web_url,
            id,
            secret,
        }))
    }
}

impl SignInSettings {
    pub fn connect(self, platform: &Platform) -> Option<Keyed<SignIn>> {
        let client = self.0?;
        let web = platform.outside.web.clone();
        let secrets = platform.secrets(client.secret);
        Some(Keyed::new(secrets, move |values| {
            let config = SignInConfig {
                url: client.url.clone(),
                web_url: client.web_url.clone(),
                client_id: client.id.clone(),
                client_secret: values.first().cloned().unwrap_or_default(),
            };
            SignIn::new(config, web.clone())
        }))
    }
}

//! Addresses that people open. They are stored without a trailing slash.

use boot::{Env, Setting, Settings};

const DASHBOARD_URL: Setting = Setting::optional(
    "DASHBOARD_URL",
    "The address of the dashboard, `https://…/billing`. Checkout returns to its site, comments and mails link to it, and \
     sessions accept requests from no other site. Without it, `api` and `web` use the address of each request, and comments \
     and mails have no link.",
);
const PUBLIC_URL: Setting = Setting::required(
    "PUBLIC_URL",
    "The public address of the API, for the link in the welcome mail.",
);
const GITHUB_WEB_URL: Setting = Setting::optional(
    "GITHUB_WEB_URL",
    "The address of GitHub's pages, where people sign in and pull requests are shown.",
)
.with_default("https://github.com");

const GITHUB_APP_URL: Setting = Setting::optional(
    "GITHUB_APP_URL",
    "The address of the App's page, such as `https://github.com/apps/tallyhook`. With it, pages link to the App's installation.",
);

/// The dashboard's address, if there is one.
pub struct DashboardUrl(pub Option<String>);

impl Settings for DashboardUrl {
    fn read(env: &mut Env) -> Self {
        Self(env.optional(DASHBOARD_URL).map(without_slash))
    }
}

/// The address at which customers reach the API.
pub struct PublicUrl(pub String);

impl Settings for PublicUrl {
    fn read(env: &mut Env) -> Self {
        Self(without_slash(env.text(PUBLIC_URL)))
    }
}

/// The address of GitHub's pages.
pub struct GithubWebUrl(pub String);

impl Settings for GithubWebUrl {
    fn read(env: &mut Env) -> Self {
        Self(without_slash(env.text(GITHUB_WEB_URL)))
    }
}

/// The address of the App's page, if it is known.
pub struct GithubAppUrl(pub Option<String>);

impl Settings for GithubAppUrl {
    fn read(env: &mut Env) -> Self {
        Self(env.optional(GITHUB_APP_URL).map(without_slash))
    }
}

fn without_slash(url: String) -> String {
    url.trim_end_matches('/').to_owned()
}

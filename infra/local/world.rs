//! The little world in which the demo and the tests play: one organization, one repository, one paying account.

use stand_in_github::app_key::app_key;
use stand_in_github::{GitHub, GitHubConfig, OAuthClient};
use stand_in_mail::MailBox;
use stand_in_model::Model;
use stand_in_shared::Now;
use stand_in_stripe::Stripe;

/// GitHub's number for the App.
pub const APP_ID: u64 = 1234;
/// The organization.
pub const OWNER: &str = "acme";
/// Its number.
pub const OWNER_ID: u64 = 9001;
/// People on the stand-in GitHub, and what they are in the organization; `none` reaches its repository as a guest, and who is
/// not of this list reaches nothing.
pub const PEOPLE: [(&str, &str); 3] = [
    ("acme-owner", "admin"),
    ("acme-member", "member"),
    ("acme-guest", "none"),
];
/// Somebody who has nothing to do with the organization.
pub const OUTSIDER: &str = "outsider";
/// What the App is to people who sign in.
pub const CLIENT_ID: &str = "Iv1.tallyhook-local";
/// What it proves itself with.
pub const CLIENT_SECRET: &str = "local-client-secret";
/// The repository.
pub const REPOSITORY: &str = "greeter";
/// Its number.
pub const REPOSITORY_ID: u64 = 5001;
/// Where the App is installed.
pub const INSTALLATION_ID: u64 = 7001;
/// The account's customer at Stripe.
pub const CUSTOMER: &str = "cus_TallyhookDemo1";
/// What an issue of this world says.
pub const ISSUE_TITLE: &str = "The greeting is misspelled";
/// What it asks for.
pub const ISSUE_BODY: &str = "Replace `Helo` with `Hello` in `src/greeting.rs`.";

const FILES: [(&str, &str); 4] = [
    (
        "Cargo.toml",
        "[package]\nname = \"greeter\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("README.md", "# greeter\n\nSays hello to whoever runs it.\n"),
    (
        "src/greeting.rs",
        "//! The greeting.\n\n/// What we say.\npub fn greeting(name: &str) -> String {\n    format!(\"Helo, {name}!\")\n}\n",
    ),
    (
        "src/main.rs",
        "//! Greets.\n\nmod greeting;\n\nfn main() {\n    println!(\"{}\", greeting::greeting(\"world\"));\n}\n",
    ),
];

/// The meters that the built-in catalogue bills by.
const METERS: [&str; 2] = ["pull_requests", "tokens"];

/// The vendors' stand-ins. Clones share their state.
#[derive(Clone)]
pub struct Vendors {
    /// GitHub.
    pub github: GitHub,
    /// Stripe.
    pub stripe: Stripe,
    /// The model.
    pub model: Model,
    /// Mail.
    pub mail: MailBox,
}

impl Vendors {
    /// A world in which nothing has happened yet. Pages of the stand-in GitHub are found below `html_base`; who signs in
    /// there comes back to `base`.
    pub fn new(html_base: &str, base: &str, now: Now) -> Self {
        let config = GitHubConfig {
            app_id: APP_ID,
            app_slug: "tallyhook".to_owned(),
            html_base: html_base.to_owned(),
            now: now.clone(),
        };
        let github = GitHub::new(config);
        github
            .trust_key(&app_key().public_pem)
            .expect("a fresh key can be read");
        github.trust_client(OAuthClient {
            client_id: CLIENT_ID.to_owned(),
            client_secret: CLIENT_SECRET.to_owned(),
            callback_url: format!("{base}/signin/callback"),
        });
        Self {
            github,
            stripe: Stripe::new(now.clone()),
            model: Model::new(),
            mail: MailBox::new(now),
        }
    }

    /// The organization, its repository and its customer. What is there already stays as it is.
    pub fn furnish(&self) {
        self.github.add_repository(
            INSTALLATION_ID,
            OWNER_ID,
            OWNER,
            REPOSITORY_ID,
            REPOSITORY,
            "main",
            &FILES,
        );
        for (login, place) in PEOPLE {
            self.github.set_place(OWNER, login, place);
            if place == "none" {
                self.github.set_role(OWNER, REPOSITORY, login, "write");
            }
        }
        self.github.add_person(OUTSIDER);
        self.stripe.add_customer(CUSTOMER, "billing@acme.example");
        for meter in METERS {
            self.stripe.add_meter(meter);
        }
    }
}

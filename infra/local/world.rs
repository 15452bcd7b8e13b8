//! The initial state of the stand-ins. The demo and the tests get one organization, one repository
//! and one paying account. `serve` also gets an organization that has not installed the App yet.

use stand_in_github::app_key::app_key;
use stand_in_github::{GitHub, GitHubConfig, OAuthClient};
use stand_in_mail::MailBox;
use stand_in_model::Model;
use stand_in_shared::{Now, record};
use stand_in_stripe::Stripe;

pub const APP_ID: u64 = 1234;
/// The organization of the demo.
pub const OWNER: &str = "acme";
pub const OWNER_ID: u64 = 9001;
/// People on the stand-in GitHub with their role in the organization; `none` means an outside
/// collaborator of its repository.
pub const PEOPLE: [(&str, &str); 3] = [
    ("acme-owner", "admin"),
    ("acme-member", "member"),
    ("acme-guest", "none"),
];
/// The author of the sample events, who may write to the repository.
pub const AUTHOR: &str = "acme-dev";
/// A person without any access to the organization.
pub const OUTSIDER: &str = "outsider";
/// The App's OAuth client.
pub const CLIENT_ID: &str = "Iv1.tallyhook-local";
pub const CLIENT_SECRET: &str = "local-client-secret";
pub const REPOSITORY: &str = "greeter";
pub const REPOSITORY_ID: u64 = 5001;
pub const INSTALLATION_ID: u64 = 7001;
pub const CUSTOMER: &str = "cus_TallyhookDemo1";
pub const ISSUE_TITLE: &str = "The greeting is misspelled";
pub const ISSUE_BODY: &str = "Replace `Helo` with `Hello` in `src/greeting.rs`.";

/// An organization without the App, and the person who runs it.
pub const PROSPECT: &str = "globex";
pub const PROSPECT_OWNER: &str = "globex-owner";
const PROSPECT_ID: u64 = 9002;
const PROSPECT_REPOSITORY_ID: u64 = 5002;
const PROSPECT_INSTALLATION_ID: u64 = 7002;

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

/// The meters of the built-in catalogue.
const METERS: [&str; 2] = ["pull_requests", "tokens"];

/// Records what goes over the stand-ins' HTTP in the folder that `CONTRACTS_FOLDER` names, for
/// `.ci/contracts`. Does nothing without it.
pub fn record_contracts() {
    if let Some(folder) = boot::Env::of_process().find("CONTRACTS_FOLDER") {
        record::to(folder.as_ref()).expect("`CONTRACTS_FOLDER` names a folder to write to");
    }
}

/// The stand-ins of the vendors. Clones share their state.
#[derive(Clone)]
pub struct Vendors {
    pub github: GitHub,
    pub stripe: Stripe,
    pub model: Model,
    pub mail: MailBox,
}

impl Vendors {
    /// Empty stand-ins. The pages of GitHub are mounted at `html_base`; sign-in and set-up return
    /// to `base`.
    pub fn new(html_base: &str, base: &str, now: Now) -> Self {
        record_contracts();
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
            setup_url: Some(format!("{base}/setup")),
        });
        Self {
            github,
            stripe: Stripe::new(now.clone()),
            model: Model::new(),
            mail: MailBox::new(now),
        }
    }

    /// Adds the organization, its repository and its customer, unless they exist.
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
        self.github.set_role(OWNER, REPOSITORY, AUTHOR, "write");
        self.github.add_person(OUTSIDER);
        self.stripe.add_customer(CUSTOMER, "billing@acme.example");
        for meter in METERS {
            self.stripe.add_meter(meter);
        }
    }
    /// Adds an organization that has not installed the App, for people who follow the walk from a
    /// sign-up to a pull request.
    pub fn add_prospect(&self) {
        self.github.add_repository_without_app(
            PROSPECT_INSTALLATION_ID,
            PROSPECT_ID,
            PROSPECT,
            PROSPECT_REPOSITORY_ID,
            REPOSITORY,
            "main",
            &FILES,
        );
        self.github.set_place(PROSPECT, PROSPECT_OWNER, "admin");
    }
}

//! The command line of the local stack.

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tallyhook on this machine: webhooks in, pull requests out, every unit billed exactly once.
///
/// Starts every door in one process on an embedded store, with stand-ins for GitHub, Stripe and the model, sends one
/// signed sample webhook through the front door, and shows what becomes of it. Then it keeps serving until Ctrl-C.
#[derive(Parser)]
#[command(
    name = "tallyhook",
    bin_name = "cargo run --",
    version,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do; without it, run the demo and keep serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to run.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Subcommand, Clone)]
pub enum Command {
    /// Run the demo once, print a summary and exit.
    Demo {
        /// End with one line of JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Serve without sending a sample webhook.
    Serve,
    /// Look at what is sold, or bring it to Stripe. Starts nothing.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// The GitHub App: print its manifest, or make one of it. Starts no door.
    #[command(subcommand)]
    App(AppCommand),
    /// Look at the ledger of credits, or write balances anew from it. Starts nothing.
    ///
    /// Looks at the tables in --data, or at those on AWS: MAIN_TABLE, LEDGER_TABLE, LEDGER_KEY, AWS_REGION and credentials in
    /// the environment.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

/// What to do with the GitHub App.
#[derive(Subcommand, Clone)]
pub enum AppCommand {
    /// Print the manifest: what the App may do, which events it hears, and where.
    Show {
        /// The https:// address at which GitHub reaches the deployment.
        #[arg(long, value_name = "URL")]
        url: String,
    },
    /// Make the App: opens a page on this machine whose button takes the manifest to GitHub, and keeps what comes back.
    ///
    /// Talks to `https://github.com`, or to GITHUB_WEB_URL and --github-url.
    Create {
        /// The https:// address at which GitHub reaches the deployment.
        #[arg(long, value_name = "URL")]
        url: String,
        /// The organization whose App it is; without it, it is yours.
        #[arg(long, value_name = "LOGIN")]
        organization: Option<String>,
        /// The file that gets its settings and secrets; it must not be there yet.
        #[arg(long, value_name = "FILE", default_value = "github-app.env")]
        into: PathBuf,
    },
}

/// What to do with the ledger.
#[derive(Subcommand, Clone)]
pub enum LedgerCommand {
    /// Read every entry, seal and balance, and say whether they agree. Changes nothing; exits with 1 if they do not.
    Verify,
    /// Write every balance anew that is not what its entries add up to. Entries and seals are never written.
    Rebuild {
        /// Say what would be written, and write nothing; exits with 1 if anything would.
        #[arg(long)]
        check: bool,
    },
}

/// What to do with the catalogue.
#[derive(Subcommand, Clone)]
pub enum CatalogueCommand {
    /// Print what is sold, or everything that is wrong with the file.
    Check {
        /// The file; without it, the one that CATALOGUE names, or else the built-in one.
        file: Option<PathBuf>,
    },
    /// Make Stripe have the products, prices, meters and portal that the catalogue says. Can be run again and again.
    ///
    /// Talks to `https://api.stripe.com`, or to --stripe-url; needs STRIPE_SECRET_KEY in the environment.
    Push {
        /// The file; without it, the one that CATALOGUE names, or else the built-in one.
        file: Option<PathBuf>,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
        /// Have Stripe send every event that is acted on to this address of the stripe-webhook door, too.
        #[arg(long, value_name = "URL")]
        webhook_url: Option<String>,
    },
}

/// How to run.
#[derive(Args, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = 8420, global = true)]
    pub port: u16,
    /// Keep everything in this folder across restarts; without it, everything is in memory.
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Use this GitHub instead of the stand-in, e.g. `https://api.github.com`. Needs GITHUB_APP_ID, GITHUB_PRIVATE_KEY and
    /// GITHUB_WEBHOOK_SECRETS in the environment; people can sign in if GITHUB_CLIENT_ID and GITHUB_CLIENT_SECRET are there, too.
    #[arg(long, value_name = "URL", global = true)]
    pub github_url: Option<String>,
    /// Use this Stripe instead of the stand-in, e.g. `https://api.stripe.com`. Needs STRIPE_SECRET_KEY and
    /// STRIPE_WEBHOOK_SECRETS in the environment.
    #[arg(long, value_name = "URL", global = true)]
    pub stripe_url: Option<String>,
    /// Use this model API instead of the stand-in, e.g. `https://api.anthropic.com`. Needs MODEL_API_KEY and MODEL_NAME in
    /// the environment; MODEL_WIRE=openai there if it speaks OpenAI's Chat Completions.
    #[arg(long, value_name = "URL", global = true)]
    pub model_url: Option<String>,
    /// Provision the accounts in this JSON file at the start: a list of {"stripe_customer_id", "installation_id",
    /// "owner_id", "plan"}.
    #[arg(long, value_name = "FILE", global = true)]
    pub accounts: Option<PathBuf>,
}

/// Each real service: its URL's setting, and what must be in the environment for it (any of the names in a group).
const CREDENTIALS: [(&str, &str, &[&[&str]]); 3] = [
    (
        "--github-url",
        "GITHUB_URL",
        &[
            &["GITHUB_APP_ID", "APP_ID"],
            &["GITHUB_PRIVATE_KEY", "PRIVATE_KEY"],
            &["GITHUB_WEBHOOK_SECRETS", "GITHUB_WEBHOOK_SECRET"],
        ],
    ),
    (
        "--stripe-url",
        "STRIPE_URL",
        &[
            &["STRIPE_SECRET_KEY"],
            &["STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET"],
        ],
    ),
    (
        "--model-url",
        "MODEL_URL",
        &[&["MODEL_API_KEY"], &["MODEL_NAME"]],
    ),
];

/// Settings of the environment that are taken over whenever they are set; prices that the catalogue knows of, too.
const OPTIONAL: [&str; 13] = [
    catalogue::FILE,
    "OPERATOR_TOKEN",
    "BILLING_ENABLED",
    "AUTO_PROVISION",
    "PUBLIC_URL",
    "GITHUB_CLIENT_ID",
    "GITHUB_CLIENT_SECRET",
    "GITHUB_WEB_URL",
    "GITHUB_WEBHOOK_SECRETS",
    "STRIPE_WEBHOOK_SECRETS",
    "MODEL_NAME",
    "MODEL_WIRE",
    "RATE_LIMIT_PER_MINUTE",
];

/// A single secret may be given under its singular name.
const SINGULAR: [(&str, &str); 2] = [
    ("GITHUB_WEBHOOK_SECRET", "GITHUB_WEBHOOK_SECRETS"),
    ("STRIPE_WEBHOOK_SECRET", "STRIPE_WEBHOOK_SECRETS"),
];

/// How the local stack takes a setting from the environment, if it does.
pub fn local(name: &str) -> Option<String> {
    let price = catalogue::PRICES.iter().any(|(price, _)| *price == name);
    if price || OPTIONAL.contains(&name) || name == "RUST_LOG" {
        return Some("local".to_owned());
    }
    CREDENTIALS
        .iter()
        .find(|(_, url, groups)| *url == name || groups.iter().any(|names| names[0] == name))
        .map(|(flag, url, _)| {
            if *url == name {
                format!("local: {flag}")
            } else {
                format!("local with {flag}")
            }
        })
}

impl Options {
    /// The settings that differ from the local ones, or one line that says what is missing.
    pub fn settings(&self, env: &boot::Env) -> anyhow::Result<BTreeMap<String, String>> {
        let prices = catalogue::PRICES.iter().map(|(setting, _)| setting);
        let mut settings: BTreeMap<String, String> = OPTIONAL
            .iter()
            .chain(prices)
            .filter_map(|name| Some(((*name).to_owned(), env.find(name)?)))
            .collect();
        for (one, several) in SINGULAR {
            if let (Some(value), None) = (env.find(one), env.find(several)) {
                settings.insert(several.to_owned(), value);
            }
        }
        if self.github_url.is_some() {
            // The stand-in's client is none at another GitHub.
            for (setting, usual) in [
                ("GITHUB_CLIENT_ID", ""),
                ("GITHUB_CLIENT_SECRET", ""),
                ("GITHUB_WEB_URL", "https://github.com"),
            ] {
                settings
                    .entry(setting.to_owned())
                    .or_insert_with(|| usual.to_owned());
            }
        }
        for ((flag, setting, groups), url) in
            CREDENTIALS
                .iter()
                .zip([&self.github_url, &self.stripe_url, &self.model_url])
        {
            let Some(url) = url else { continue };
            if !url.starts_with("https://") && !url.starts_with("http://") {
                bail!("{flag} takes a URL that begins with https:// or http://, not {url:?}");
            }
            settings.insert((*setting).to_owned(), url.clone());
            for names in *groups {
                let found = names.iter().find_map(|name| env.find(name));
                let Some(value) = found else {
                    bail!("{flag} needs {} in the environment", names.join(" or "))
                };
                settings.insert(names[0].to_owned(), value);
            }
        }
        Ok(settings)
    }

    /// Whether the demo can be played: it needs the stand-in GitHub for its repository.
    pub const fn has_stand_in_github(&self) -> bool {
        self.github_url.is_none()
    }
}

//! The command line of the local stack.

use anyhow::bail;
use clap::{Args, Parser, Subcommand};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Tallyhook on this machine: webhooks in, pull requests out, every unit billed exactly once.
///
/// Starts every function in one process, on an embedded database and queues, with stand-ins for
/// GitHub, Stripe, the model and mail. Sends one signed sample webhook, shows the job that follows,
/// and serves until Ctrl-C.
#[derive(Parser)]
#[command(
    name = "tallyhook",
    bin_name = "cargo run --",
    version,
    max_term_width = 100
)]
pub struct Cli {
    /// Without a command: run the demo, then serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub options: Options,
}

#[derive(Subcommand, Clone)]
pub enum Command {
    /// Run the demo once, print a summary and exit.
    Demo {
        /// End with one line of JSON, for machines.
        #[arg(long)]
        json: bool,
    },
    /// Serve without running the demo.
    Serve,
    /// Check the catalogue of plans and prices, or push it to Stripe. Starts no functions.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Print the manifest of the GitHub App, or create the App from it. Starts no functions.
    #[command(subcommand)]
    App(AppCommand),
    /// Verify the credit ledger, or rebuild balances from it. Starts no functions.
    ///
    /// Reads the tables in --data, or those on AWS named by MAIN_TABLE, LEDGER_TABLE, LEDGER_KEY,
    /// AWS_REGION and the AWS credentials in the environment.
    #[command(subcommand)]
    Ledger(LedgerCommand),
}

#[derive(Subcommand, Clone)]
pub enum AppCommand {
    /// Print the manifest: permissions, events and addresses.
    Show {
        /// The https:// address of the deployment, as GitHub reaches it.
        #[arg(long, value_name = "URL")]
        url: String,
    },
    /// Create the App: serves a page whose button sends the manifest to GitHub, and saves the App's
    /// credentials.
    ///
    /// Uses `https://github.com`, or GITHUB_WEB_URL and --github-url.
    Create {
        /// The https:// address of the deployment, as GitHub reaches it.
        #[arg(long, value_name = "URL")]
        url: String,
        /// The organization that owns the App; without it, your own account.
        #[arg(long, value_name = "LOGIN")]
        organization: Option<String>,
        /// The file for its settings and secrets; it must not exist yet.
        #[arg(long, value_name = "FILE", default_value = "github-app.env")]
        into: PathBuf,
    },
}

#[derive(Subcommand, Clone)]
pub enum LedgerCommand {
    /// Check that all entries, seals and balances agree. Changes nothing; exits with 1 on a fault.
    Verify,
    /// Explain an entry or a usage record: recompute its amount from what it is for. Changes
    /// nothing; exits with 1 if the amounts differ.
    Explain {
        /// The entry's cause, such as `SETTLEMENT#job_…`, or a usage record's identifier at Stripe,
        /// such as `use_…-pull_requests`.
        cause: String,
    },
    /// Rewrite every balance that differs from the sum of its entries. Never writes entries or
    /// seals.
    Rebuild {
        /// Print what would be written without writing; exits with 1 if there is anything.
        #[arg(long)]
        check: bool,
    },
}

#[derive(Subcommand, Clone)]
pub enum CatalogueCommand {
    /// Print the plans, packs and prices, or every fault in the file.
    Check {
        /// The catalogue file; without it, the file in CATALOGUE or the built-in catalogue.
        file: Option<PathBuf>,
    },
    /// Create or update the catalogue's products, prices, meters and portal at Stripe. Can be
    /// repeated.
    ///
    /// Uses `https://api.stripe.com`, or --stripe-url; needs STRIPE_SECRET_KEY in the environment.
    Push {
        /// The catalogue file; without it, the file in CATALOGUE or the built-in catalogue.
        file: Option<PathBuf>,
        /// Print the changes without making them.
        #[arg(long)]
        dry_run: bool,
        /// Also create a webhook endpoint at Stripe for this address of the stripe-webhook
        /// function.
        #[arg(long, value_name = "URL")]
        webhook_url: Option<String>,
    },
}

#[derive(Args, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 means any free port.
    #[arg(long, default_value_t = 8420, global = true)]
    pub port: u16,
    /// Keep all data in this folder across restarts; without it, in memory.
    #[arg(long, value_name = "DIR", global = true)]
    pub data: Option<PathBuf>,
    /// Use this GitHub instead of the stand-in, e.g. `https://api.github.com`. Needs GITHUB_APP_ID,
    /// GITHUB_PRIVATE_KEY and GITHUB_WEBHOOK_SECRETS in the environment, and GITHUB_CLIENT_ID and
    /// GITHUB_CLIENT_SECRET for sign-in.
    #[arg(long, value_name = "URL", global = true)]
    pub github_url: Option<String>,
    /// Use this Stripe instead of the stand-in, e.g. `https://api.stripe.com`. Needs
    /// STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS in the environment.
    #[arg(long, value_name = "URL", global = true)]
    pub stripe_url: Option<String>,
    /// Use this model API instead of the stand-in, e.g. `https://api.anthropic.com`. Needs
    /// MODEL_API_KEY and MODEL_NAME in the environment, and MODEL_WIRE=openai for OpenAI's Chat
    /// Completions.
    #[arg(long, value_name = "URL", global = true)]
    pub model_url: Option<String>,
    /// Look for webhooks that never arrived each time this many seconds have passed.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, global = true)]
    pub recover_every: u32,
    /// Create the accounts in this JSON file at start: a list of {"stripe_customer_id",
    /// "installation_id", "owner_id", "plan"}.
    #[arg(long, value_name = "FILE", global = true)]
    pub accounts: Option<PathBuf>,
}

/// Each real service: its flag, the setting for its URL, and what the environment must contain (one
/// name of each group).
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

/// Settings that are read from the environment if they are set, in addition to the prices that the
/// catalogue names.
const OPTIONAL: [&str; 14] = [
    catalogue::FILE,
    "OPERATOR_TOKEN",
    "BILLING_ENABLED",
    "AUTO_PROVISION",
    "PUBLIC_URL",
    "GITHUB_CLIENT_ID",
    "GITHUB_CLIENT_SECRET",
    "GITHUB_WEB_URL",
    "GITHUB_APP_URL",
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

/// How the local stack reads a setting from the environment, or `None` if it does not.
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
    /// The settings that differ from the local defaults, or an error that names what is missing.
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
            // A real GitHub does not know the stand-in's OAuth client.
            for (setting, usual) in [
                ("GITHUB_CLIENT_ID", ""),
                ("GITHUB_CLIENT_SECRET", ""),
                ("GITHUB_WEB_URL", "https://github.com"),
                ("GITHUB_APP_URL", ""),
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
                bail!("{flag} must begin with https:// or http://, not {url:?}");
            }
            settings.insert((*setting).to_owned(), url.clone());
            for names in *groups {
                let found = names.iter().find_map(|name| env.find(name));
                let Some(value) = found else {
                    bail!("{flag} requires {} in the environment", names.join(" or "))
                };
                settings.insert(names[0].to_owned(), value);
            }
        }
        Ok(settings)
    }

    /// Whether the stand-in GitHub is in use. Only it has the demo's repository.
    pub const fn has_stand_in_github(&self) -> bool {
        self.github_url.is_none()
    }

    /// Whether the stand-in Stripe is in use. Only it gets the catalogue at start.
    pub const fn has_stand_in_stripe(&self) -> bool {
        self.stripe_url.is_none()
    }

    /// Whether the clock may be set forward: everybody who sees it is in this process, and nothing
    /// of it is kept.
    pub const fn may_skip_time(&self) -> bool {
        self.github_url.is_none()
            && self.stripe_url.is_none()
            && self.model_url.is_none()
            && self.data.is_none()
    }
}

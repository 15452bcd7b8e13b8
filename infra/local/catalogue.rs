//! `catalogue check` and `catalogue push`.
//!
//! `check` prints the catalogue and makes no calls. `push` creates its meters, products and prices
//! at Stripe. A push can be repeated: it compares first, keeps what exists and continues where it
//! was stopped.

mod changes;
mod push;
mod receivers;
mod table;
#[cfg(test)]
mod tests;

pub use changes::PushOptions;
pub use push::{Outcome, Push};

use crate::cli::{CatalogueCommand, Options};
use anyhow::{Context, bail};
use boot::{Env, Outside, Trust};
use domain::billing::plans::Catalogue;
use std::path::Path;
use stripe_api::{StripeApi, StripeConfig};

const STRIPE: &str = "https://api.stripe.com";
const KEY: &str = "STRIPE_SECRET_KEY";
/// For a stand-in on this machine, which accepts any test key.
const KEY_OF_STAND_INS: &str = "sk_test_stand_in";

/// Runs the command; `say` prints a line.
pub async fn run(
    command: &CatalogueCommand,
    options: &Options,
    env: &Env,
    say: &mut dyn FnMut(&str),
) -> anyhow::Result<()> {
    match command {
        CatalogueCommand::Check { file } => {
            let catalogue = read(file.as_deref(), env)?;
            say(&table::of(&catalogue));
            Ok(())
        }
        CatalogueCommand::Push {
            file,
            dry_run,
            webhook_url,
        } => {
            let catalogue = read(file.as_deref(), env)?;
            let url = options.stripe_url.as_deref().unwrap_or(STRIPE);
            let key = key(url, env)?;
            let mode = if key.contains("_live_") {
                "live mode: real money"
            } else {
                "test mode"
            };
            say(&format!("catalogue {} → {url}, {mode}", catalogue.version));
            let outside = Outside::real(Trust::Public).map_err(|error| anyhow::anyhow!(error))?;
            let api = StripeApi::new(
                StripeConfig {
                    url: url.to_owned(),
                    secret_key: key.into(),
                },
                outside.web.clone(),
            )?;
            let push_options = PushOptions {
                webhook_url: webhook_url.clone(),
            };
            let push = Push {
                api: &api,
                catalogue: &catalogue,
                options: &push_options,
                now: outside.now(),
            };
            if *dry_run {
                push.show(say).await?
            } else {
                push.apply(say).await?
            };
            Ok(())
        }
    }
}

/// Reads the catalogue that functions would read with this environment. The error lists every
/// fault, one per line.
pub fn read(file: Option<&Path>, env: &Env) -> anyhow::Result<Catalogue> {
    let file = file
        .map(|path| {
            path.to_str()
                .context("the path of the file is not valid UTF-8")
                .map(str::to_owned)
        })
        .transpose()?;
    let find = |name: &str| match (name, &file) {
        (catalogue::FILE, Some(path)) => Some(path.clone()),
        (name, _) => env.find(name),
    };
    catalogue::from_settings(find).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(|error| format!("\n  {error}")).collect();
        anyhow::anyhow!("the catalogue is invalid:{}", lines.concat())
    })
}

fn key(url: &str, env: &Env) -> anyhow::Result<String> {
    if !url.starts_with("https://") && !url.starts_with("http://") {
        bail!("--stripe-url takes a URL that begins with https:// or http://, not {url:?}");
    }
    let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|host| url.starts_with(host));
    match env.find(KEY) {
        Some(key) if key.starts_with("ssm:") => {
            bail!("{KEY} is a reference to Systems Manager; set it to the key itself, sk_… or rk_…")
        }
        Some(key) => Ok(key),
        None if here => Ok(KEY_OF_STAND_INS.to_owned()),
        None => {
            bail!(
                "set {KEY} in the environment to a secret or restricted key of {url}, sk_… or rk_…"
            )
        }
    }
}

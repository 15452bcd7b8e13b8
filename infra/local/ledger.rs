//! `ledger verify`, `ledger rebuild` and `ledger explain`.
//!
//! Reads the tables of a local stack (`--data`), running or not, or the tables on AWS that the
//! environment names. Only `rebuild` without `--check` changes anything.

mod explain;

use self::explain::explain;
use crate::cli::{LedgerCommand, Options};
use crate::stack::{LEDGER_TABLE, LOCAL_LEDGER_KEY, MAIN_TABLE, TABLES_FILE, ledger_keys};
use anyhow::{Context, bail};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use boot::{Aws, AwsSettings, Env, Outside, Settings, Trust};
use settings::{LedgerSettings, PlatformSettings};
use stand_in_aws::EmbeddedAws;
use stand_in_shared::faults::Faults;
use std::path::Path;
use store::{Audit, Connection, Rebuilt, Store};

/// The most faults to print; the rest are counted.
const LINES_MAX: usize = 20;
/// Entries or accounts between two progress lines.
const PROGRESS_EVERY: u64 = 10_000;

/// The tables that a command reads.
pub struct LedgerTables {
    store: Store,
}

impl LedgerTables {
    /// Opens the tables that the command line or the environment names.
    pub fn open(options: &Options, env: Env) -> anyhow::Result<Self> {
        let store = match &options.data {
            Some(folder) => embedded(folder)?,
            None => {
                let explained = "pass --data DIR, or set MAIN_TABLE, LEDGER_TABLE, LEDGER_KEY and AWS_… in the environment";
                real(env).context(explained)?
            }
        };
        Ok(Self { store })
    }

    /// Runs the command. `say` prints a line, `report` prints progress.
    pub async fn run(
        &self,
        command: &LedgerCommand,
        say: &mut dyn FnMut(&str),
        report: &(dyn Fn(&str) + Sync),
    ) -> anyhow::Result<()> {
        if let LedgerCommand::Explain { cause } = command {
            return explain(&self.store, cause, say).await;
        }
        let audit = self
            .store
            .ledger_audit_told(&|audit| progress(audit, report))
            .await?;
        match command {
            // Handled above, because it needs no audit.
            LedgerCommand::Explain { .. } => Ok(()),
            LedgerCommand::Verify => verify(&audit, say),
            LedgerCommand::Rebuild { check: true } => would_rebuild(&audit, say),
            LedgerCommand::Rebuild { check: false } => self.rebuild(&audit, say).await,
        }
    }

    async fn rebuild(&self, audit: &Audit, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let (mut written, mut left) = (0_u64, others(audit));
        for one in &audit.unbalanced {
            let account = &one.account;
            let why = match self.store.balance_rebuild(account).await? {
                Rebuilt::Now => {
                    written += 1;
                    say(&format!("rebuilt: {}", one.words));
                    continue;
                }
                Rebuilt::Already => continue,
                Rebuilt::EntriesMissing => "it counts entries that are missing in the ledger",
                Rebuilt::EntriesBroken => "its entries cannot be trusted",
            };
            left.push(format!("the balance of {account} was not rebuilt: {why}"));
        }
        say(&match written {
            0 => "No balance was rebuilt.".to_owned(),
            _ => format!(
                "{} rebuilt.",
                counted(written, "balance was", "balances were")
            ),
        });
        if left.is_empty() {
            return Ok(());
        }
        list(&left, say);
        bail!(
            "{} left that a rebuild cannot repair",
            counted_usize(left.len(), "fault is", "faults are")
        )
    }
}

fn verify(audit: &Audit, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    if audit.faults.is_empty() {
        let agree = match audit.entries {
            0 => "The ledger has no entries yet".to_owned(),
            1 => "1 entry agrees with its balance".to_owned(),
            entries => {
                let accounts = counted(audit.accounts, "account", "accounts");
                format!(
                    "{} entries of {accounts} agree with their balances",
                    grouped(entries)
                )
            }
        };
        let sealed = counted(audit.seals, "day is sealed", "days are sealed");
        let waiting = counted(
            audit.unsealed,
            "entry waits for its seal",
            "entries wait for their seal",
        );
        say(&format!("{agree}; {sealed}, {waiting}."));
        return Ok(());
    }
    list(&audit.faults, say);
    bail!(
        "the ledger is inconsistent: {}",
        counted_usize(audit.faults.len(), "fault", "faults")
    )
}

fn would_rebuild(audit: &Audit, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let wrong: Vec<String> = audit
        .unbalanced
        .iter()
        .map(|one| one.words.clone())
        .chain(others(audit))
        .collect();
    list(&wrong, say);
    let balances = audit.unbalanced.len();
    match (balances, wrong.len() - balances) {
        (0, 0) => {
            say("Every balance equals the sum of its entries; nothing to rebuild.");
            Ok(())
        }
        (_, 0) => bail!(
            "{} not the sum of its entries",
            counted_usize(balances, "balance is", "balances are")
        ),
        (_, rest) => bail!(
            "{} not the sum of its entries, and {} that a rebuild cannot repair",
            counted_usize(balances, "balance is", "balances are"),
            counted_usize(rest, "fault remains", "faults remain"),
        ),
    }
}

/// Faults other than incorrect balances.
fn others(audit: &Audit) -> Vec<String> {
    let balance = |fault: &&String| audit.unbalanced.iter().any(|one| one.words == **fault);
    audit
        .faults
        .iter()
        .filter(|fault| !balance(fault))
        .cloned()
        .collect()
}

fn list(lines: &[String], say: &mut dyn FnMut(&str)) {
    for line in lines.iter().take(LINES_MAX) {
        say(line);
    }
    if let Some(more) = lines.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        say(&format!("and {}", counted_usize(more, "more", "more")));
    }
}

fn progress(audit: &Audit, report: &(dyn Fn(&str) + Sync)) {
    if audit.accounts == 0 && audit.entries.is_multiple_of(PROGRESS_EVERY) {
        report(&format!(
            "{} read",
            counted(audit.entries, "entry", "entries")
        ));
    } else if audit.accounts > 0 && audit.accounts.is_multiple_of(PROGRESS_EVERY) {
        report(&format!(
            "{} added up",
            counted(audit.accounts, "account", "accounts")
        ));
    }
}

/// The tables of a local stack, which always uses the same ledger key.
fn embedded(folder: &Path) -> anyhow::Result<Store> {
    let file = folder.join(TABLES_FILE);
    if !file.is_file() {
        bail!(
            "{} has no {TABLES_FILE}; run a stack with --data {0} first",
            folder.display()
        );
    }
    let aws = EmbeddedAws::open(file.to_str(), Faults::none())?;
    let real = Outside::real(Trust::Public).map_err(|error| anyhow::anyhow!(error))?;
    let outside = Outside {
        aws: SharedHttpClient::new(aws),
        ..real
    };
    let clients = Aws::new(AwsSettings::embedded(), &outside);
    let store = Connection::new(&clients.sdk, None).store(MAIN_TABLE, outside.random.clone());
    Ok(store.with_ledger(LEDGER_TABLE, ledger_keys(LOCAL_LEDGER_KEY.to_owned())))
}

/// The tables that the environment names.
fn real(mut env: Env) -> anyhow::Result<Store> {
    let trust = Trust::from_env(&mut env, Trust::Public);
    let platform = PlatformSettings::read(&mut env);
    let ledger = LedgerSettings::read(&mut env);
    env.finish()?;
    let outside = Outside::real(trust).map_err(|error| anyhow::anyhow!(error))?;
    Ok(ledger.connect(&platform.connect(&outside)))
}

fn counted_usize(count: usize, one: &str, several: &str) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX), one, several)
}

/// A number with its noun: `1 entry`, `1,204 entries`, `no entries`.
fn counted(count: u64, one: &str, several: &str) -> String {
    match count {
        0 => format!("no {several}"),
        1 => format!("1 {one}"),
        _ => format!("{} {several}", grouped(count)),
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        for (count, words) in [
            (0, "no entries"),
            (1, "1 entry"),
            (2, "2 entries"),
            (999, "999 entries"),
            (1_000, "1,000 entries"),
            (1_234_567, "1,234,567 entries"),
        ] {
            assert_eq!(counted(count, "entry", "entries"), words);
        }
    }

    #[test]
    fn long_lists_end_in_a_count() {
        let lines: Vec<String> = (0..23).map(|line| line.to_string()).collect();
        let mut said = Vec::new();
        list(&lines, &mut |line| said.push(line.to_owned()));
        assert_eq!(
            (said.len(), said.last().map(String::as_str)),
            (21, Some("and 3 more"))
        );
    }
}

//! `ledger explain`: what an entry or a usage record was computed from, and whether it agrees.

use anyhow::{Context, bail};
use domain::billing::explanations::{Agreement, Evidence, Explanation, UsageProgress};
use domain::billing::usage::{AccountMeter, UsageIdentifier};
use domain::jobs::calls::ModelCall;
use domain::ledger::Cause;
use flows::billing::explanations;
use store::Store;

/// Prints why the amount of a cause or of a usage record is what it is.
pub async fn explain(store: &Store, what: &str, say: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
    let mut wrong = false;
    if let Some(identifier) = UsageIdentifier::parse(what) {
        let UsageIdentifier { usage, meter, .. } = identifier;
        let account = store.usage_account(&usage).await?;
        let account = account.with_context(|| format!("no account has the usage record {what}"))?;
        let debts = AccountMeter { account, meter };
        let found = explanations::of_usage(store, &debts, &usage).await?;
        let found = found.with_context(|| format!("{} has no record {what}", debts.account))?;
        print(&found.explanation, say);
        progress(&found.progress, say);
        wrong |= found.explanation.agreement == Agreement::DoesNotEqual;
    } else {
        let cause = Cause::parse(what).with_context(|| {
            format!("`{what}` is no cause of an entry, such as `SETTLEMENT#job_…`, and no identifier of usage, such as `use_…-pull_requests`")
        })?;
        let accounts = store.entry_accounts(&cause).await?;
        if accounts.is_empty() {
            bail!("the ledger has no entry {cause}");
        }
        for account in accounts {
            let found = explanations::of_entry(store, &account, &cause).await?;
            let Some((entry, explanation)) = found else {
                continue;
            };
            say(&format!("{} of {account} at {}", entry.cause, entry.at));
            print(&explanation, say);
            wrong |= explanation.agreement == Agreement::DoesNotEqual;
        }
    }
    if wrong {
        bail!("an amount does not equal what it was computed from");
    }
    Ok(())
}

fn print(explanation: &Explanation, say: &mut dyn FnMut(&str)) {
    let Explanation {
        sentence,
        amount,
        unit,
        sum,
        recomputed,
        agreement,
        hold,
        evidence,
    } = explanation;
    say(sentence);
    for call in evidence.calls() {
        say(&format!("  {}", call_text(call)));
    }
    for line in sum {
        say(&format!("  {:>20}  {}", line.amount, line.what));
    }
    let again = recomputed.as_deref().unwrap_or("nothing");
    say(&match agreement {
        Agreement::Equals => format!("  {again} {unit} equals the recorded {amount}."),
        Agreement::DoesNotEqual => {
            format!("  {again} {unit} does not equal the recorded {amount}.")
        }
        Agreement::Named => {
            format!("  {amount} {unit} were named, so there is nothing to compute.")
        }
        Agreement::Gone => {
            format!("  {amount} {unit}; what this was computed from is not kept any more.")
        }
    });
    if let Some(hold) = hold {
        let ended = hold.ended.map_or(String::new(), |(spent, returned)| {
            format!(", {spent} spent, {returned} returned")
        });
        say(&format!(
            "  hold {}: {} reserved{ended}",
            hold.id, hold.reserved
        ));
    }
    if let Evidence::Job(row, _) = evidence {
        let by = row.facts.caused_by.as_ref().map(|event| event.id());
        let by = by.map_or(String::new(), |id| format!(", GitHub's delivery {id}"));
        let (trigger, who) = (&row.facts.trigger, &row.facts.asked_by);
        say(&format!("  requested by {who} ({trigger}){by}"));
        for moment in &row.timeline {
            say(&format!("  {} {}", moment.at, moment.state.as_str()));
        }
    }
}

fn call_text(call: &ModelCall) -> String {
    let (input, output) = (call.tokens.input, call.tokens.output);
    let (model, version, cost) = (&call.model, &call.priced_by, call.cost());
    let price = call.price.map_or("no price".to_owned(), |price| {
        format!("{} and {} microcredits each", price.input, price.output)
    });
    let cached = match (call.tokens.cache_read, call.tokens.cache_write) {
        (0, 0) => String::new(),
        (read, write) => {
            let prices = call.price.map_or(String::new(), |price| {
                format!(" at {} and {}", price.cache_read, price.cache_write)
            });
            format!(", of those read {read} cached and {write} put in the cache{prices}")
        }
    };
    format!(
        "{model}: {input} tokens read and {output} written at {price}{cached} (catalogue {version}): {cost}"
    )
}

fn progress(progress: &UsageProgress, say: &mut dyn FnMut(&str)) {
    let usage = &progress.usage;
    let reported = progress
        .reported_at
        .map_or(String::new(), |at| format!(" at {at}"));
    say(&format!(
        "  {} on {}: {}{reported}, counted in the minute of {}",
        usage.identifier, usage.meter, progress.state, progress.reported_with
    ));
}

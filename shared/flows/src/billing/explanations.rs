//! Reads what an amount was computed from, and explains it. Read-only.

use domain::billing::explanations::{self, Evidence, Explanation, TakenOtherwise, UsageProgress};
use domain::billing::payments::Payment;
use domain::billing::usage::{AccountMeter, UsageSource};
use domain::ids::{AccountId, ActionId, AssistId, JobId, PaymentId, UsageId};
use domain::jobs::phases::{PhaseReport, ReportBilling};
use domain::ledger::{Cause, Entry, HoldId};
use store::{Store, StoreError};

/// An explained usage record.
pub struct UsageExplained {
    pub explanation: Explanation,
    pub progress: UsageProgress,
}

/// Explains an entry of an account. Returns `None` if the account has no such entry.
pub async fn of_entry(
    store: &Store,
    account: &AccountId,
    cause: &Cause,
) -> Result<Option<(Entry, Explanation)>, StoreError> {
    let Some(entry) = store.entry_find(account, cause).await? else {
        return Ok(None);
    };
    let evidence = evidence(store, &entry, cause).await?;
    let explanation = explanations::of_entry(&entry, cause, evidence);
    Ok(Some((entry, explanation)))
}

async fn evidence(store: &Store, entry: &Entry, cause: &Cause) -> Result<Evidence, StoreError> {
    let account = &entry.account;
    Ok(match cause {
        Cause::Hold(HoldId::Job(job)) | Cause::Settlement(HoldId::Job(job)) => {
            of_job(store, account, job).await?
        }
        Cause::Hold(HoldId::Assist(assist)) | Cause::Settlement(HoldId::Assist(assist)) => {
            of_assist(store, account, assist).await?
        }
        Cause::Settlement(hold @ HoldId::Own(_)) => {
            Evidence::Named(store.hold_amount(account, hold).await?)
        }
        Cause::Hold(HoldId::Own(_)) | Cause::Debit(_) | Cause::Adjustment(_) => {
            Evidence::Named(None)
        }
        Cause::Payment(id) => of_payment(store, account, id, 0).await?,
        Cause::Reversal(id, nth) => of_payment(store, account, id, *nth).await?,
        Cause::Fix(_) => of_report(store, account, ActionId::parse(&entry.source).ok()).await?,
        Cause::Expiry(lot) => Evidence::Left(store.lot_left_before(lot, entry).await?),
    })
}

async fn of_job(store: &Store, account: &AccountId, id: &JobId) -> Result<Evidence, StoreError> {
    let found = store.job_find_whole(id).await?;
    let own = found.filter(|(row, _)| row.facts.account == *account);
    Ok(own.map_or(Evidence::Gone, |(row, steps)| {
        let calls = steps.0.into_iter().flat_map(|step| step.calls);
        Evidence::Job(Box::new(row), calls.collect())
    }))
}

async fn of_assist(
    store: &Store,
    account: &AccountId,
    id: &AssistId,
) -> Result<Evidence, StoreError> {
    let found = store.assist_find(id).await?;
    let own = found.filter(|assist| assist.row.facts.account == *account);
    Ok(own.map_or(Evidence::Gone, |assist| {
        Evidence::Assist(Box::new(assist.row))
    }))
}

/// Reads a payment, and what its reversals but the `nth` have taken back.
async fn of_payment(
    store: &Store,
    account: &AccountId,
    id: &PaymentId,
    nth: u64,
) -> Result<Evidence, StoreError> {
    let bought_by = |payment: &Payment| {
        let bought = payment.purchase.as_ref();
        bought.is_some_and(|bought| bought.account == *account)
    };
    let found = store.payment_find(id).await?;
    let Some(payment) = found.filter(bought_by) else {
        return Ok(Evidence::Gone);
    };
    let mut taken = 0_i64;
    if nth > 0 {
        for other in (1..=payment.reversals).filter(|other| *other != nth) {
            let cause = Cause::Reversal(id.clone(), other);
            let entry = store.entry_find(account, &cause).await?;
            taken = taken.saturating_sub(entry.map_or(0, |entry| entry.free));
        }
    }
    Ok(Evidence::Payment(Box::new(payment), TakenOtherwise(taken)))
}

async fn of_report(
    store: &Store,
    account: &AccountId,
    id: Option<ActionId>,
) -> Result<Evidence, StoreError> {
    let Some(id) = id else {
        return Ok(Evidence::Gone);
    };
    let found: Option<PhaseReport> = store.phase_find(account, &id).await?;
    let billed = found.filter(|report| report.counted == ReportBilling::Billed);
    Ok(billed.map_or(Evidence::Gone, |report| Evidence::Report(Box::new(report))))
}

/// Explains a usage record. Returns `None` if the account has no such record.
pub async fn of_usage(
    store: &Store,
    debts: &AccountMeter,
    id: &UsageId,
) -> Result<Option<UsageExplained>, StoreError> {
    let Some((state, row)) = store.usage_seen(debts, id).await? else {
        return Ok(None);
    };
    let usage = row.usage;
    let evidence = match &usage.of {
        UsageSource::Job(job) => of_job(store, &debts.account, job).await?,
        UsageSource::Report(act) => of_report(store, &debts.account, Some(act.clone())).await?,
        UsageSource::Assist(assist) => of_assist(store, &debts.account, assist).await?,
    };
    Ok(Some(UsageExplained {
        explanation: explanations::of_usage(&usage, evidence),
        progress: UsageProgress {
            state: state.as_str(),
            reported_with: row.carried_to.unwrap_or(usage.at),
            reported_at: row.reported_at,
            reason: row.reason,
            usage,
        },
    }))
}

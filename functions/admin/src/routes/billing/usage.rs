//! `/api/v1/admin/accounts/{id}/usage`: lists owed, reported, stuck and cancelled usage, resends or
//! writes off stuck usage, and cancels or credits reported usage.

use crate::operator::Authorized;
use crate::reason::{self, Reason};
use crate::routes::accounts::account::existing;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::usage::{AccountMeter, Meter, UsageAmount, UsageIdentifier, UsageSource};
use domain::billing::usage_credits::{CreditProgress, UsageCredit, credited};
use domain::ids::UsageId;
use domain::time::Timestamp;
use domain::units::Money;
use http::StatusCode;
use queues::Message;
use rest::{Body, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use store::{Cancelled, CreditRequested, Decided, UsageRow, UsageState, WriteOff};
use utoipa::{IntoParams, ToSchema};

const PAGE: i32 = 50;

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The state of the records: `owed`, `stuck`, `reported` or `cancelled`.
    #[param(
        required = true,
        pattern = "^(owed|stuck|reported|cancelled)$",
        example = "stuck"
    )]
    state: Option<String>,
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// A page of usage records, by meter and newest first.
#[derive(Serialize, ToSchema)]
pub struct UsageRecords {
    usage: Vec<UsageShown>,
    /// The cursor of the next page; absent on the last page.
    next_cursor: Option<String>,
}

/// A usage record: what Stripe is to bill.
#[derive(Serialize, ToSchema)]
pub struct UsageShown {
    id: String,
    meter: String,
    /// The state: `owed`, `stuck`, `reported` or `cancelled`.
    state: &'static str,
    stripe_customer_id: String,
    value: u64,
    /// What it costs, in minor units, if its rate is known.
    amount_minor: Option<i64>,
    /// Whether the amount is `exact` or, for a rate with tiers, `at_most` this.
    amount_is: Option<&'static str>,
    /// The job that it is for.
    job: Option<String>,
    /// The report of an external agent that it is for.
    report: Option<String>,
    /// The assist that it is for.
    assist: Option<String>,
    /// The identifier under which it is reported.
    identifier: String,
    used_at: String,
    /// The time that it is reported with, if that is not `used_at`.
    carried_to: Option<String>,
    /// When it was first sent, while it is owed.
    first_attempt: Option<String>,
    reported_at: Option<String>,
    stuck_at: Option<String>,
    /// Why it is stuck.
    reason: Option<String>,
    written_off: Option<WrittenOff>,
    cancellation: Option<CancellationShown>,
    credit: Option<CreditShown>,
}

/// An operator's correction of a reported record.
#[derive(Serialize, ToSchema)]
pub struct CancellationShown {
    asked_at: String,
    by: String,
    reason: String,
    /// When Stripe cancelled the report.
    cancelled_at: Option<String>,
    /// Why Stripe refused. The record still counts.
    refused: Option<String>,
}

/// An operator's credit for a reported record.
#[derive(Serialize, ToSchema)]
pub struct CreditShown {
    amount_minor: i64,
    currency: String,
    requested_at: String,
    by: String,
    reason: String,
    /// The state: `requested`, `credited` or `refused`.
    state: &'static str,
    /// The id of the entry on the customer's balance at Stripe.
    stripe_balance_transaction_id: Option<String>,
    /// Why Stripe refused. You can request the credit again.
    refused: Option<String>,
}

/// What to give back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreditWanted {
    /// Why. It is recorded.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A test.")]
    reason: String,
    /// The amount in minor units. Defaults to what the usage cost, if that is known exactly.
    #[schema(minimum = 1)]
    amount_minor: Option<i64>,
}

/// An operator's decision that a record is never reported.
#[derive(Serialize, ToSchema)]
pub struct WrittenOff {
    at: String,
    by: String,
    reason: String,
}

/// Lists an account's usage records in one state, by meter and newest first.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/usage", tag = "billing",
    params(("id" = String, Path, description = "The account's id."), Filter),
    responses((status = 200, body = UsageRecords)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Params(filter): Params<Filter>,
) -> Result<Json<UsageRecords>, ApiError> {
    let state = filter.state.as_deref().and_then(UsageState::parse);
    let state = state.ok_or_else(|| {
        ApiError::bad_request(
            "bad_state",
            "`state` must be `owed`, `stuck`, `reported` or `cancelled`",
        )
    })?;
    let behind = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let behind = behind
        .map(|(_, text)| UsageIdentifier::parse(&text).ok_or_else(cursors::bad))
        .transpose()?;
    let account = existing(&ctx, &id).await?;
    let page = ctx
        .store
        .usage_list(&account, state, behind.as_ref(), PAGE)
        .await?;
    let credits = match state {
        UsageState::Reported => ctx.store.usage_credit_list(&account).await?,
        UsageState::Owed | UsageState::Stuck | UsageState::Cancelled => Vec::new(),
    };
    let next = page
        .rows
        .last()
        .filter(|_| page.next.is_some())
        .map(|row| row.usage.at);
    let next = page
        .next
        .zip(next)
        .map(|(last, at)| cursors::write(at, &last.to_string()));
    Ok(Json(UsageRecords {
        usage: page
            .rows
            .iter()
            .map(|row| UsageShown {
                credit: credits
                    .iter()
                    .find(|credit| {
                        credit.usage == row.usage.id && credit.debts.meter == row.usage.meter
                    })
                    .map(credit_shown),
                ..shown(state, row)
            })
            .collect(),
        next_cursor: next,
    }))
}

/// Makes a stuck record owed again under a new identifier, and queues it.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/resend", tag = "billing",
    params(("id" = String, Path, description = "The account's id."),
        ("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("usage" = String, Path, description = "The record's id.")),
    responses((status = 202, body = UsageShown, description = "Accepted; the record is owed."), (status = 409)))]
pub async fn resend(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
) -> Result<(StatusCode, Json<UsageShown>), ApiError> {
    let (debts, usage) = named(&ctx, path).await?;
    let row = decided(
        ctx.store
            .usage_resend(&debts, &usage, ctx.outside.now())
            .await?,
    )?;
    tracing::info!(operator.name = operator.name, account.id = %debts.account, usage.identifier = %row.usage.identifier, audit = true, "owes stuck usage again");
    ctx.queues
        .send(&Message::Usage(debts.clone()), Some(&debts.account))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(shown(UsageState::Owed, &row))))
}

/// Records that a stuck record will never be reported to Stripe.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/write-off", tag = "billing",
    params(("id" = String, Path, description = "The account's id."),
        ("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("usage" = String, Path, description = "The record's id.")),
    request_body = Reason, responses((status = 200, body = UsageShown), (status = 409)))]
pub async fn write_off(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
    Body(why): Body<Reason>,
) -> Result<Json<UsageShown>, ApiError> {
    let reason = reason::checked(&why.reason)?;
    let (debts, usage) = named(&ctx, path).await?;
    let word = WriteOff {
        at: ctx.outside.now(),
        by: operator.name.clone(),
        reason: reason.to_owned(),
    };
    let row = decided(ctx.store.usage_write_off(&debts, &usage, &word).await?)?;
    tracing::info!(operator.name = operator.name, account.id = %debts.account, usage.identifier = %row.usage.identifier, audit = true, "wrote stuck usage off");
    Ok(Json(shown(UsageState::Stuck, &row)))
}

/// Stripe cancels a meter event within 24 hours of its report; an hour is kept for the call.
const CANCEL_WITHIN: Duration = Duration::from_secs(23 * 3_600);

/// Cancels reported usage that is wrong.
///
/// It no longer counts here at once, and `usage-reports` cancels it at Stripe. This is possible
/// within 23 hours of the report and before the invoice is final.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/cancel", tag = "billing",
    params(("id" = String, Path, description = "The account's id."),
        ("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("usage" = String, Path, description = "The record's id.")),
    request_body = Reason,
    responses((status = 202, body = UsageShown, description = "Accepted; Stripe follows."),
        (status = 200, body = UsageShown, description = "The record was cancelled before."), (status = 409)))]
pub async fn cancel(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
    Body(why): Body<Reason>,
) -> Result<(StatusCode, Json<UsageShown>), ApiError> {
    let reason = reason::checked(&why.reason)?;
    let (debts, usage) = named(&ctx, path).await?;
    let now = ctx.outside.now();
    let reported_at = ctx.store.usage_find(&debts, &usage).await?;
    if reported_at.is_some_and(|at| now.since(at) > CANCEL_WITHIN) {
        let detail = "Stripe cancels usage only within 24 hours of its report; credit it instead.";
        return Err(ApiError::conflict("too_late", detail));
    }
    let word = WriteOff {
        at: now,
        by: operator.name.clone(),
        reason: reason.to_owned(),
    };
    let (status, row) = cancelled(ctx.store.usage_cancel(&debts, &usage, &word).await?)?;
    tracing::info!(operator.name = operator.name, account.id = %debts.account, usage.identifier = %row.usage.identifier, reason, audit = true, "cancels reported usage");
    ctx.queues
        .send(&Message::Usage(debts.clone()), Some(&debts.account))
        .await?;
    Ok((status, Json(shown(UsageState::Cancelled, &row))))
}

fn cancelled(cancelled: Cancelled) -> Result<(StatusCode, UsageRow), ApiError> {
    match cancelled {
        Cancelled::Now(row) => Ok((StatusCode::ACCEPTED, *row)),
        Cancelled::Already(row) => Ok((StatusCode::OK, *row)),
        Cancelled::Invoiced => {
            let detail = "The invoice of this usage is final, and cancelling the usage does not change it; credit it instead.";
            Err(ApiError::conflict("invoiced", detail))
        }
        Cancelled::Credited => {
            let detail = "This usage was credited, so it cannot be cancelled as well.";
            Err(ApiError::conflict("credited", detail))
        }
        Cancelled::NotReported(state) => Err(not_reported(Some(state), "cancelled")),
        Cancelled::Unknown => Err(absent()),
    }
}

/// Credits reported usage that is wrong and that Stripe no longer cancels.
///
/// The amount goes to the customer's balance at Stripe, and the next invoice is lower by it. The
/// record stays reported. A record is credited once, so a repeated request changes nothing.
#[utoipa::path(post, path = "/api/v1/admin/accounts/{id}/usage/{meter}/{usage}/credit", tag = "billing",
    params(("id" = String, Path, description = "The account's id."),
        ("meter" = String, Path, description = "The record's meter.", example = "pull_requests"),
        ("usage" = String, Path, description = "The record's id.")),
    request_body = CreditWanted,
    responses((status = 202, body = UsageShown, description = "Accepted; Stripe follows."),
        (status = 200, body = UsageShown, description = "The record was credited before."), (status = 409)))]
pub async fn credit(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(path): Path<(String, String, String)>,
    Body(wanted): Body<CreditWanted>,
) -> Result<(StatusCode, Json<UsageShown>), ApiError> {
    let reason = reason::checked(&wanted.reason)?;
    let (debts, usage) = named(&ctx, path).await?;
    let (state, row) = ctx
        .store
        .usage_seen(&debts, &usage)
        .await?
        .ok_or_else(absent)?;
    if state != UsageState::Reported {
        return Err(not_reported(Some(state), "credited"));
    }
    let minor = credited(wanted.amount_minor, row.usage.amount())
        .map_err(|bad| ApiError::bad_request("bad_amount", bad.to_string()))?;
    let now = ctx.outside.now();
    let wanted = UsageCredit {
        debts,
        usage,
        customer: row.usage.customer.clone(),
        amount: Money {
            minor,
            currency: ctx.catalogue.currency,
        },
        by: operator.name.clone(),
        reason: reason.to_owned(),
        requested_at: now,
        progress: CreditProgress::Requested,
        key_number: 1,
    };
    // A report that Stripe still cancels is cancelled, unless its invoice is final.
    let is_recent = row
        .reported_at
        .is_none_or(|at| now.since(at) <= CANCEL_WITHIN);
    let moment = row.carried_to.unwrap_or(row.usage.at);
    let requested = ctx
        .store
        .usage_credit_request(&wanted, is_recent.then_some(moment));
    let (status, credit) = match requested.await? {
        CreditRequested::Now => (StatusCode::ACCEPTED, wanted),
        CreditRequested::Already(known) => (StatusCode::OK, *known),
        CreditRequested::StillCancellable => {
            let detail = "The invoice of this usage is not final, and Stripe still cancels the usage; cancel it instead.";
            return Err(ApiError::conflict("still_cancellable", detail));
        }
        CreditRequested::NotReported(state) => return Err(not_reported(state, "credited")),
    };
    tracing::info!(operator.name = operator.name, account.id = %credit.debts.account, usage.id = %credit.usage,
        amount = %credit.amount, reason, audit = true, "credits reported usage");
    let account = credit.debts.account.clone();
    ctx.queues
        .send(&Message::Usage(credit.debts.clone()), Some(&account))
        .await?;
    let shown = UsageShown {
        credit: Some(credit_shown(&credit)),
        ..shown(state, &row)
    };
    Ok((status, Json(shown)))
}

fn not_reported(state: Option<UsageState>, done: &str) -> ApiError {
    state.map_or_else(absent, |state| {
        let detail = format!(
            "This record is {}; only a reported one can be {done}.",
            state.as_str()
        );
        ApiError::conflict("not_reported", detail)
    })
}

fn credit_shown(credit: &UsageCredit) -> CreditShown {
    let (entry, refused) = match &credit.progress {
        CreditProgress::Requested => (None, None),
        CreditProgress::Credited(entry) => (Some(entry.clone()), None),
        CreditProgress::Refused(why) => (None, Some(why.clone())),
    };
    CreditShown {
        amount_minor: credit.amount.minor,
        currency: credit.amount.currency.to_string(),
        requested_at: credit.requested_at.to_string(),
        by: credit.by.clone(),
        reason: credit.reason.clone(),
        state: credit.progress.as_str(),
        stripe_balance_transaction_id: entry,
        refused,
    }
}

/// Parses the path and checks that its account exists.
async fn named(
    ctx: &Ctx,
    (account, meter, usage): (String, String, String),
) -> Result<(AccountMeter, UsageId), ApiError> {
    let (meter, usage) = (
        Meter::parse(&meter).map_err(|_| absent())?,
        UsageId::parse(&usage).map_err(|_| absent())?,
    );
    Ok((
        AccountMeter {
            account: existing(ctx, &account).await?,
            meter,
        },
        usage,
    ))
}

fn decided(decided: Decided) -> Result<UsageRow, ApiError> {
    match decided {
        Decided::Now(row) => Ok(*row),
        Decided::Unknown => Err(absent()),
        Decided::WrittenOff => Err(ApiError::conflict(
            "written_off",
            "This record was written off and will not be reported.",
        )),
        Decided::NotStuck(state) => {
            let detail = format!(
                "This record is {}; only a stuck one can be resent or written off.",
                state.as_str()
            );
            Err(ApiError::conflict("not_stuck", detail))
        }
    }
}

fn absent() -> ApiError {
    ApiError::not_found("There is no such usage record.")
}

fn shown(state: UsageState, row: &UsageRow) -> UsageShown {
    let usage = &row.usage;
    let (job, report, assist) = match &usage.of {
        UsageSource::Job(job) => (Some(job.to_string()), None, None),
        UsageSource::Report(act) => (None, Some(act.to_string()), None),
        UsageSource::Assist(assist) => (None, None, Some(assist.to_string())),
    };
    let when = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let amount = usage.amount();
    UsageShown {
        id: usage.id.to_string(),
        meter: usage.meter.to_string(),
        state: state.as_str(),
        stripe_customer_id: usage.customer.to_string(),
        value: usage.value,
        amount_minor: amount.map(UsageAmount::minor),
        amount_is: amount.map(|amount| match amount {
            UsageAmount::Exactly(_) => "exact",
            UsageAmount::AtMost(_) => "at_most",
        }),
        job,
        report,
        assist,
        identifier: usage.identifier.to_string(),
        used_at: usage.at.to_string(),
        carried_to: when(row.carried_to),
        first_attempt: when(row.first_attempt),
        reported_at: when(row.reported_at),
        stuck_at: when(row.stuck_at),
        reason: row.reason.clone(),
        written_off: row.written_off.as_ref().map(|word| WrittenOff {
            at: word.at.to_string(),
            by: word.by.clone(),
            reason: word.reason.clone(),
        }),
        cancellation: row.cancellation.as_ref().map(|asked| CancellationShown {
            asked_at: asked.word.at.to_string(),
            by: asked.word.by.clone(),
            reason: asked.word.reason.clone(),
            cancelled_at: when(asked.done_at),
            refused: asked.refused.clone(),
        }),
        credit: None,
    }
}

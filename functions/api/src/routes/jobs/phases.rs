//! `/api/v1/phase-data`: an external agent, such as a GitHub Action, reports its work on a fix.
//!
//! One transaction writes a report and its charge: once the report is answered, a delivered fix is
//! owed to Stripe, in the ledger or in the trial's quota. Safe to run twice: a fix counts once.

use crate::caller::{Caller, MayRead, MayRecordUsage};
use crate::routes::jobs::delegated;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::MeteredTo;
use domain::billing::quotas::period_of;
use domain::billing::usage::{Meter, Usage};
use domain::ids::JobId;
use domain::jobs::fixes::Fix;
use domain::jobs::phases::{FixCharge, Phase, PhaseReport, PhaseResult, ReportBilling};
use domain::jobs::repositories::RepositoryName;
use domain::jobs::{Funding, Offer};
use domain::notices::quota_notice;
use domain::refusal::Refusal;
use domain::time::Timestamp;
use flows::accounts::{Entitled, load};
use flows::jobs::assists::no_subscription;
use flows::jobs::obstacles::quota_used;
use http::StatusCode;
use queues::Message;
use rest::{Body, IdempotencyKey, OptionalKey, Params, cursors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use store::{Cursor, Reported};
use utoipa::{IntoParams, ToSchema};

/// A report on a completed phase.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhaseData {
    /// `scan`, `validate` or `mitigate`.
    #[schema(example = "mitigate", pattern = "^(scan|validate|mitigate)$")]
    phase: String,
    /// `success` or `failure`.
    #[schema(example = "success", pattern = "^(success|failure)$")]
    status: String,
    /// The repository, as `owner/name`.
    #[schema(
        example = "acme/greeter",
        max_length = 161,
        pattern = "^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$"
    )]
    repository: String,
    /// The number of the issue being fixed.
    #[schema(example = 12, minimum = 1)]
    issue: Option<u64>,
    /// Your own name for the fix, if it has no issue. Use the same name in all phases of the fix.
    #[schema(max_length = 100, pattern = "^[A-Za-z0-9._:-]+$")]
    fix: Option<String>,
    /// The commit that this phase worked on.
    #[schema(min_length = 7, max_length = 64, pattern = "^[0-9a-f]+$")]
    commit: Option<String>,
    /// The GitHub id of the reporting run.
    #[schema(max_length = 100, pattern = "^[A-Za-z0-9._:-]+$")]
    run_id: Option<String>,
    /// The id of your account, or of its customer at Stripe. It is a check: a report with any other
    /// id is refused.
    #[schema(max_length = 64)]
    customer_id: Option<String>,
    /// The job, if you requested one with `agent` set to `external` in `POST /api/v1/jobs`. A
    /// delivered fix moves the job to `PR_OPENED`; a failed fix fails the job.
    #[schema(max_length = 30, pattern = "^job_[0-9a-z]{26}$")]
    job_id: Option<String>,
    /// The number of the pull request that was opened.
    #[schema(minimum = 1)]
    pull_request: Option<u64>,
    /// Your own fields, at most 4 KiB as JSON.
    data: Option<Map<String, Value>>,
    /// When the phase ended. Defaults to now.
    #[schema(format = DateTime, example = "2026-11-20T21:23:00Z")]
    occurred_at: Option<String>,
}

/// A report on a phase.
#[derive(Serialize, ToSchema)]
pub struct PhaseShown {
    id: String,
    phase: &'static str,
    status: &'static str,
    repository: String,
    issue: Option<u64>,
    /// The identifier that all reports on this fix share.
    fix: String,
    /// The job that the report belongs to.
    job_id: Option<String>,
    pull_request: Option<u64>,
    commit: Option<String>,
    run_id: Option<String>,
    data: Option<Map<String, Value>>,
    occurred_at: String,
    reported_at: String,
    /// `billed`, `already_billed` (by another report or by a job), or `not_billable`.
    billing: &'static str,
}

/// A page of reports, newest first.
#[derive(Serialize, ToSchema)]
pub struct Phases {
    phases: Vec<PhaseShown>,
    /// The cursor of the next page; absent on the last page.
    next_cursor: Option<String>,
}

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
}

const PAGE: usize = 25;
const DATA_BYTES_MAX: usize = 4 * 1024;
const WORD_CHARS_MAX: usize = 100;
/// How far an agent's clock may be ahead of ours.
const CLOCK_AHEAD: Duration = Duration::from_secs(300);

/// Reports a phase of a fix.
///
/// A delivered fix is billed once, at your plan's price of a pull request, however often and in
/// whatever order its phases are reported. It is not billed if a Tallyhook job was already billed
/// for its issue. The work has already happened, so it counts even beyond a quota, and missing
/// credits become a debt. Only a plan that charges nothing, such as a trial, ends with its quota:
/// the report is refused, and you can send it again once another plan pays for the fix. Check
/// `GET /api/v1/billing/quota` before the work.
#[utoipa::path(post, path = "/api/v1/phase-data", tag = "usage", request_body = PhaseData,
    params(OptionalKey),
    responses((status = 201, body = PhaseShown), (status = 200, body = PhaseShown, description = "It was reported before."),
        (status = 402, description = "Nobody would be billed for the fix."),
        (status = 403, description = "`customer_id` is not this key's, the key lacks the scope, or the quota of a free plan is used up."),
        (status = 404, description = "There is no such job."), (status = 409)))]
pub async fn report(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(told): Body<PhaseData>,
) -> Result<(StatusCode, Json<PhaseShown>), ApiError> {
    let now = ctx.outside.now();
    let found = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    let Entitled {
        account,
        entitlements,
    } = &found;
    if told
        .customer_id
        .as_deref()
        .is_some_and(|id| id != account.id.as_str() && id != account.customer.as_str())
    {
        let detail = "`customer_id` is not that of this key's account; leave it out, or use a key of that account.";
        return Err(ApiError::forbidden("other_customer", detail));
    }
    let mut report = read(
        &caller,
        once.act(&caller.account, "phase-data").id(),
        told,
        now,
    )?;
    let offer = Offer::of(&ctx.catalogue, entitlements, &account.customer, now);
    let terms = &offer.terms;
    let billable = report.is_billable(&ctx.catalogue.phase);
    let charge = if billable && entitlements.metered_to == MeteredTo::Missing {
        Err(no_subscription(&entitlements.plan.name, ctx.dashboard()))
    } else {
        Ok(billable.then(|| report.charge(&offer)))
    };
    let reported = match &report.job {
        Some(job) => delegated::report(&ctx, (&report, charge), job, now).await?,
        None => record(&ctx, &report, charge).await?,
    };
    let status = match reported {
        Reported::Now(counted) => {
            report.counted = counted;
            StatusCode::CREATED
        }
        Reported::Already(known) => {
            report = *known;
            StatusCode::OK
        }
        Reported::ActReused => {
            let detail = "This `Idempotency-Key` was used for another report; use a new one for each report.";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
        Reported::QuotaUsed => {
            let meter = Meter::pull_requests();
            return Err(quota_used(entitlements, &meter, ctx.dashboard(), now).into());
        }
    };
    if report.counted == ReportBilling::Billed {
        tracing::info!(account.id = %account.id, report.id = %report.id, by = %caller.by, audit = true, "a fix was reported");
        warn(&ctx, &found, now).await?;
        if matches!(terms.funding, Funding::Prepaid { .. }) {
            ctx.store
                .balance_warn(&account.id, ctx.catalogue.low_balance, now)
                .await?;
        }
        // The job's own terms count what a job spends, and the job's mail carries the warning.
        if let Some(spending) = terms.spending.as_ref().filter(|_| report.job.is_none()) {
            ctx.store
                .spend_warn(&account.id, (spending.unit, &spending.period), now)
                .await?;
        }
    }
    Ok((status, Json(shown(&report))))
}

/// Records a report that no job pays for. `charge` says why it is refused, if it is. A repeat has
/// the answer that it had, whatever the account's plan is by now.
pub async fn record(
    ctx: &Ctx,
    report: &PhaseReport,
    charge: Result<Option<FixCharge>, Refusal>,
) -> Result<Reported, ApiError> {
    match charge {
        Ok(charge) => {
            let reported = ctx.store.phase_record(report, charge.as_ref()).await?;
            if reported == Reported::Now(ReportBilling::Billed) {
                send(ctx, charge.iter().flat_map(|charge| &charge.usage)).await;
            }
            Ok(reported)
        }
        Err(refusal) => {
            let known = ctx.store.phase_known(report).await?;
            known.ok_or_else(|| refusal.into())
        }
    }
}

/// Announces usage. A lost message costs a minute: the records are due, and the sweeper finds them.
async fn send(ctx: &Ctx, usage: impl Iterator<Item = &Usage>) {
    for record in usage {
        let message = Message::Usage(record.debts());
        if let Err(error) = ctx.queues.send(&message, Some(&record.account)).await {
            tracing::warn!(usage.id = %record.id, %error, "could not queue usage; the sweeper will");
        }
    }
}

/// Lists your reports, newest first.
#[utoipa::path(get, path = "/api/v1/phase-data", tag = "usage", params(Filter),
    responses((status = 200, body = Phases)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Phases>, ApiError> {
    let cursor = filter
        .cursor
        .as_deref()
        .map(cursors::read)
        .transpose()?
        .map(Cursor::from);
    let page = ctx
        .store
        .phase_list(&caller.account, cursor.as_ref(), PAGE)
        .await?;
    Ok(Json(Phases {
        phases: page.rows.iter().map(shown).collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

const FIX_DETAIL: &str =
    "Provide exactly one of `issue`, a number, and `fix`, a name of up to 100 plain characters.";

/// The fix that a report is about, if it names exactly one.
fn fix_of(repository: &RepositoryName, told: &PhaseData) -> Option<Fix> {
    match (told.issue, &told.fix) {
        (Some(number), None) if number > 0 => {
            Some(Fix::of_issue(repository.owner(), repository.name(), number))
        }
        (None, Some(name)) => Fix::named(repository, name),
        (Some(_) | None, Some(_) | None) => None,
    }
}

fn read(
    caller: &Caller,
    id: domain::ids::ActionId,
    told: PhaseData,
    now: Timestamp,
) -> Result<PhaseReport, ApiError> {
    let bad = |code, detail: &str| ApiError::bad_request(code, detail);
    let phase = Phase::parse(&told.phase).ok_or_else(|| {
        bad(
            "bad_phase",
            "`phase` must be `scan`, `validate` or `mitigate`.",
        )
    })?;
    let ending = PhaseResult::parse(&told.status)
        .ok_or_else(|| bad("bad_status", "`status` must be `success` or `failure`."))?;
    let repository = RepositoryName::parse(&told.repository).ok_or_else(|| {
        bad(
            "bad_repository",
            "`repository` must be written as `owner/name`.",
        )
    })?;
    let fix = fix_of(&repository, &told).ok_or_else(|| bad("bad_fix", FIX_DETAIL))?;
    let word = |text: &Option<String>, more: &[u8]| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        text.as_ref().is_none_or(|text| {
            (1..=WORD_CHARS_MAX).contains(&text.len()) && text.bytes().all(plain)
        })
    };
    if !word(&told.commit, b"") || !word(&told.run_id, b"._:-") || told.pull_request == Some(0) {
        return Err(bad(
            "bad_reference",
            "`commit`, `run_id` and `pull_request` must be written as GitHub writes them.",
        ));
    }
    let data = told.data.map(|data| Value::Object(data).to_string());
    if data
        .as_ref()
        .is_some_and(|data| data.len() > DATA_BYTES_MAX)
    {
        return Err(bad(
            "bad_data",
            "`data` must have at most 4096 bytes as JSON.",
        ));
    }
    let occurred_at = told
        .occurred_at
        .as_deref()
        .map_or(Some(now), Timestamp::parse);
    let occurred_at = occurred_at
        .filter(|at| *at <= now.plus(CLOCK_AHEAD))
        .ok_or_else(|| {
            bad(
                "bad_occurred_at",
                "`occurred_at` must be a past time in RFC 3339.",
            )
        })?;
    Ok(PhaseReport {
        id,
        account: caller.account.clone(),
        phase,
        ending,
        repository,
        issue_number: told.issue,
        fix,
        job: told
            .job_id
            .as_deref()
            .map(JobId::parse)
            .transpose()
            .map_err(|_| delegated::absent())?,
        pull_request: told.pull_request,
        commit: told.commit,
        run_id: told.run_id,
        data,
        occurred_at,
        at: now,
        counted: ReportBilling::NotBillable,
        fee: None,
    })
}

/// Warns the customer as a job does: a reported fix counts against the same quota.
async fn warn(
    ctx: &Ctx,
    Entitled {
        account,
        entitlements,
    }: &Entitled<'_>,
    now: Timestamp,
) -> Result<(), ApiError> {
    let meter = Meter::pull_requests();
    if !entitlements.plan.quotas.contains_key(&meter) {
        return Ok(());
    }
    let period = period_of(entitlements, &meter, now);
    let used = ctx
        .store
        .quota_used(&account.id, &meter, &period.key)
        .await?;
    if let Some(notice) = quota_notice(&ctx.catalogue, entitlements, (&meter, used), now) {
        ctx.store.notice_owe(&account.id, &notice, now).await?;
    }
    Ok(())
}

fn shown(report: &PhaseReport) -> PhaseShown {
    PhaseShown {
        id: report.id.to_string(),
        phase: report.phase.as_str(),
        status: report.ending.as_str(),
        repository: report.repository.to_string(),
        issue: report.issue_number,
        fix: report.fix.to_string(),
        job_id: report.job.as_ref().map(ToString::to_string),
        pull_request: report.pull_request,
        commit: report.commit.clone(),
        run_id: report.run_id.clone(),
        data: report
            .data
            .as_deref()
            .and_then(|data| serde_json::from_str(data).ok()),
        occurred_at: report.occurred_at.to_string(),
        reported_at: report.at.to_string(),
        billing: report.counted.as_str(),
    }
}

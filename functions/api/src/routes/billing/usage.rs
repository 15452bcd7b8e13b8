//! `POST /api/v1/usage` and `…/usage/check`: count the usage of the account's own service against
//! its quotas.
//!
//! Safe to run twice: a record's identity follows from the idempotency key and its position in the
//! batch.

use crate::caller::MayRecordUsage;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::plans::{Limit, MeterKind, Quota};
use domain::billing::quotas::period_of;
use domain::billing::usage::Meter;
use domain::notices::quota_notice;
use flows::accounts::{Entitled, load};
use http::StatusCode;
use rest::{Act, Body, IdempotencyKey};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{UsageRecord, UsageRecorded};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// Usage of a meter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Used {
    /// A meter of the catalogue, such as `tokens`, `api_calls` or `scraping_tasks`.
    #[schema(example = "tokens")]
    meter: String,
    #[schema(minimum = 1, maximum = 1000000000000_u64, example = 1200)]
    amount: u64,
    /// Your own fields, such as `{"model": "…"}`: at most ten short strings.
    #[serde(default)]
    #[schema(schema_with = short_texts)]
    metadata: BTreeMap<String, String>,
}

fn short_texts() -> ObjectBuilder {
    let short = || {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(METADATA_CHARS_MAX))
    };
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property_names(Some(short()))
        .additional_properties(Some(short()))
        .max_properties(Some(METADATA_MAX))
        .examples([serde_json::json!({ "model": "claude-sonnet-4-5" })])
}

/// One usage record or a batch of them.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Records {
    /// A single record.
    One(Used),
    /// Up to 100 records. Each is recorded separately.
    Several(Batch),
}

/// A batch of usage records.
#[derive(Deserialize, ToSchema)]
#[schema(min_items = 1, max_items = 100)]
pub struct Batch(Vec<Used>);

/// The counters after the request.
#[derive(Serialize, ToSchema)]
pub struct Counters {
    /// One counter per record, in the same order.
    counters: Vec<Counter>,
}

/// The counter of a meter.
#[derive(Serialize, ToSchema)]
pub struct Counter {
    meter: String,
    /// The usage in the period so far.
    used: u64,
    /// The limit of the period; 0 means unlimited.
    limit: u64,
    period: String,
}

const RECORDS_MAX: usize = 100;
const AMOUNT_MAX: u64 = 1_000_000_000_000;
const METADATA_MAX: usize = 10;
const METADATA_CHARS_MAX: usize = 100;

/// Records usage that has already happened.
///
/// It counts even beyond a quota. Each record counts once per Idempotency-Key.
#[utoipa::path(post, path = "/api/v1/usage", tag = "usage", request_body = Records,
    params(IdempotencyKey),
    responses((status = 201, body = Counters), (status = 409), (status = 422)))]
pub async fn record(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(records): Body<Records>,
) -> Result<(StatusCode, Json<Counters>), ApiError> {
    let records = match records {
        Records::One(one) => vec![one],
        Records::Several(Batch(several)) => several,
    };
    if records.is_empty() || records.len() > RECORDS_MAX {
        return Err(ApiError::bad_request(
            "bad_batch",
            format!("a batch has 1 to {RECORDS_MAX} records"),
        ));
    }
    let meters = records
        .iter()
        .map(|used| check_record(&ctx, used))
        .collect::<Result<Vec<_>, _>>()?;
    let found = load(
        &ctx.store,
        &ctx.catalogue,
        &caller.account,
        ctx.outside.now(),
    )
    .await?;
    let mut counters = Vec::new();
    for (place, (used, meter)) in records.iter().zip(meters).enumerate() {
        let act = once.act(&caller.account, &format!("usage#{place}"));
        counters.push(count(&ctx, &found, act, (used, meter), Beyond::Count).await?);
    }
    Ok((StatusCode::CREATED, Json(Counters { counters })))
}

/// Takes units from a quota before the work is done.
///
/// The request is refused if not enough units are left.
#[utoipa::path(post, path = "/api/v1/usage/check", tag = "usage", request_body = Used,
    params(IdempotencyKey),
    responses((status = 201, body = Counter),
        (status = 403, description = "The quota is used up, or the key lacks the scope."),
        (status = 409), (status = 422)))]
pub async fn check(
    MayRecordUsage(caller): MayRecordUsage,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(used): Body<Used>,
) -> Result<(StatusCode, Json<Counter>), ApiError> {
    caller.may_begin(&ctx).await?;
    let meter = check_record(&ctx, &used)?;
    let found = load(
        &ctx.store,
        &ctx.catalogue,
        &caller.account,
        ctx.outside.now(),
    )
    .await?;
    let counter = count(
        &ctx,
        &found,
        once.act(&caller.account, "usage/check"),
        (&used, meter),
        Beyond::Refuse,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(counter)))
}

/// What to do with usage beyond a quota.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beyond {
    /// The usage has already happened, so it counts.
    Count,
    /// The usage has not happened yet, so it is refused.
    Refuse,
}

fn check_record(ctx: &Ctx, used: &Used) -> Result<Meter, ApiError> {
    let unknown = || {
        let known: Vec<_> = ctx.catalogue.meters.keys().map(Meter::as_str).collect();
        ApiError::unprocessable(
            "unknown_meter",
            format!(
                "`meter` must be one of the catalogue's: {}.",
                known.join(", ")
            ),
        )
    };
    let meter = Meter::parse(&used.meter).map_err(|_| unknown())?;
    let info = ctx.catalogue.meters.get(&meter).ok_or_else(unknown)?;
    if info.kind == MeterKind::Level || meter == Meter::pull_requests() {
        let detail = format!("Tallyhook counts {meter} itself, so it cannot be recorded.");
        return Err(ApiError::unprocessable("not_recordable", detail));
    }
    if used.amount == 0 || used.amount > AMOUNT_MAX {
        return Err(ApiError::bad_request(
            "bad_amount",
            format!("`amount` must be 1 to {AMOUNT_MAX}."),
        ));
    }
    let short = |text: &String| text.chars().count() <= METADATA_CHARS_MAX;
    if used.metadata.len() > METADATA_MAX
        || !used
            .metadata
            .iter()
            .all(|(name, value)| short(name) && short(value))
    {
        let detail = format!(
            "`metadata` must have at most {METADATA_MAX} texts of at most {METADATA_CHARS_MAX} characters."
        );
        return Err(ApiError::bad_request("bad_metadata", detail));
    }
    Ok(meter)
}

async fn count(
    ctx: &Ctx,
    Entitled {
        account,
        entitlements,
    }: &Entitled<'_>,
    act: Act,
    (used, meter): (&Used, Meter),
    beyond: Beyond,
) -> Result<Counter, ApiError> {
    let now = ctx.outside.now();
    let quota = entitlements.plan.quotas.get(&meter);
    let period = period_of(entitlements, &meter, now);
    let limit = match beyond {
        Beyond::Count => Limit::Unlimited,
        Beyond::Refuse => quota.map_or(Limit::Unlimited, Quota::hard_limit),
    };
    let record = UsageRecord {
        act: act.id(),
        meter: meter.clone(),
        period: period.key.clone(),
        amount: used.amount,
        metadata: serde_json::to_string(&used.metadata).unwrap_or_default(),
        at: now,
    };
    let outcome = ctx.store.usage_record(&account.id, &record, limit).await?;
    let total = ctx
        .store
        .quota_used(&account.id, &meter, &period.key)
        .await?;
    let most = match quota.map(|quota| quota.limit) {
        Some(Limit::Of(most)) => most,
        Some(Limit::Unlimited) | None => 0,
    };
    match outcome {
        UsageRecorded::Now | UsageRecorded::Already => {}
        UsageRecorded::ActReused => {
            let detail =
                "This `Idempotency-Key` was used for other usage; use a new one for each record.";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
        UsageRecorded::UsedUp => {
            let renews = period
                .end
                .map_or_else(String::new, |end| format!(" It renews at {end}."));
            let detail = format!(
                "{total} of {most} {meter} of the plan {} are used.{renews}",
                entitlements.plan.name
            );
            return Err(ApiError::forbidden("quota_used", detail));
        }
    }
    if let Some(notice) = quota_notice(&ctx.catalogue, entitlements, (&meter, total), now) {
        ctx.store.notice_owe(&account.id, &notice, now).await?;
    }
    Ok(Counter {
        meter: meter.to_string(),
        used: total,
        limit: most,
        period: period.key,
    })
}

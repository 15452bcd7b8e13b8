//! `GET /api/v1/billing/credit-grants`: where the credits of an account come from, and when they
//! expire.

use super::credits::current;
use crate::caller::MayRead;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ledger::{Lot, LotId};
use domain::units::Credits;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// The most grants in one answer. The sums by type cover all of them.
const GRANTS_MAX: usize = 500;

/// The credits that are left, by where they came from.
#[derive(Serialize, ToSchema)]
pub struct CreditGrants {
    /// The credits available to spend.
    balance: String,
    /// The credits reserved for work in progress. Until they are spent, they are also part of
    /// `grants`.
    held: String,
    /// The credits owed. Credits that come in pay them first.
    debt: String,
    /// The sums of all grants by type.
    by_type: Vec<TypeSum>,
    /// What is left of each grant, in the order in which it is spent; at most 500.
    grants: Vec<GrantShown>,
}

/// What is left of all grants of a type.
#[derive(Serialize, ToSchema)]
pub struct TypeSum {
    #[serde(rename = "type")]
    kind: &'static str,
    remaining: String,
    /// When the first of them expire, if any do.
    next_expiry: Option<String>,
}

/// What is left of a grant.
#[derive(Serialize, ToSchema)]
pub struct GrantShown {
    /// The id of its payment or action; absent for a correction without a type.
    id: Option<String>,
    /// `purchased`, `trial`, `promotional`, `goodwill`, or `adjustment` for a correction without a
    /// type.
    #[serde(rename = "type")]
    kind: &'static str,
    description: String,
    remaining: String,
    /// Grants with a lower priority are spent first, of these the one that expires first, and then
    /// the oldest.
    priority: u8,
    granted_at: String,
    /// What is left expires the night after this day (UTC); absent if it never does.
    expires_at: Option<String>,
}

/// Lists your credits by where they came from, with what expires when.
#[utoipa::path(get, path = "/api/v1/billing/credit-grants", tag = "billing",
    responses((status = 200, body = CreditGrants)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<CreditGrants>, ApiError> {
    let balance = current(&ctx, &caller.account).await?;
    let lots = ctx.store.lot_list(&caller.account).await?;
    Ok(Json(CreditGrants {
        balance: balance.available.to_string(),
        held: balance.held.to_string(),
        debt: balance.debt.to_string(),
        by_type: sums(&lots),
        grants: lots.iter().take(GRANTS_MAX).map(shown).collect(),
    }))
}

fn sums(lots: &[Lot]) -> Vec<TypeSum> {
    let mut sums = BTreeMap::new();
    for lot in lots {
        let (sum, next) = sums.entry(kind(lot)).or_insert((Credits::ZERO, lot.end));
        *sum = sum.checked_add(lot.left).unwrap_or(Credits::MAX);
        // Any end comes before none.
        *next = [*next, lot.end].into_iter().flatten().min();
    }
    sums.into_iter()
        .map(|(kind, (sum, next))| TypeSum {
            kind,
            remaining: sum.to_string(),
            next_expiry: next.map(|end| end.to_string()),
        })
        .collect()
}

fn kind(lot: &Lot) -> &'static str {
    match (&lot.id, lot.kind) {
        (_, Some(kind)) => kind.as_str(),
        (Some(LotId::Payment(_)), None) => "purchased",
        (Some(LotId::Grant(_)) | None, None) => "adjustment",
    }
}

fn shown(lot: &Lot) -> GrantShown {
    GrantShown {
        id: lot.id.as_ref().map(ToString::to_string),
        kind: kind(lot),
        description: lot.note.clone(),
        remaining: lot.left.to_string(),
        priority: lot.priority,
        granted_at: lot.since.to_string(),
        expires_at: lot.end.map(|end| end.to_string()),
    }
}

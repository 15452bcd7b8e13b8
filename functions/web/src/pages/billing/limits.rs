//! The spend limit: how much of it is spent, and the form that sets it.

use crate::members::{Member, Standing};
use crate::pages::billing::{decimal, minor_of, typed};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::billing::plans::Pays;
use domain::billing::spending::{SpendLimit, Spent, minor};
use domain::units::{Credits, Money};
use flows::billing::spend_limit::{self, Spending};
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Bar, bar, field, moment, money, post};
use rest::Form;
use rest::browsers::see_other;
use serde::Deserialize;
use std::sync::Arc;

/// Shows what is spent in the billing period, with the reserved part and the limit.
pub async fn bars(
    ctx: &Ctx,
    standing: &Standing<'_>,
    links_to: Option<&str>,
) -> Result<Markup, ApiError> {
    let spending = spending(ctx, standing).await?;
    let resets = html! {
        @match spending.period.end {
            Some(end) => { "Resets " (moment(end)) }
            None => "This period",
        }
        @if let Some(path) = links_to { " · " a href=(path) { "Spend limit" } }
    };
    let pays = standing.entitlements.plan.pays;
    let shows = |unit: Pays, spent: Spent, limited: bool| {
        pays == unit || limited || spent.spent > 0 || spent.reserved > 0
    };
    let limit = &spending.limit;
    Ok(html! {
        @if shows(Pays::Meters, spending.money, limit.money.is_some()) {
            @let currency = limit.money.map_or(ctx.catalogue.currency, |money| money.currency);
            @let cash = |minor: i64| money(Money { minor, currency });
            (one("Metered usage", spending.money, limit.money.map(|money| u128::from(money.minor.unsigned_abs()) * 1_000_000), &html! {
                (cash(minor(spending.money.spent)))
                @if spending.money.reserved > 0 { " and " (cash(minor(spending.money.reserved))) " reserved" }
                @if let Some(limit) = limit.money { " of " (cash(limit.minor)) }
            }, &resets))
        }
        @if shows(Pays::Credits, spending.credits, limit.credits.is_some()) {
            (one("Credits spent", spending.credits, limit.credits.map(|limit| u128::from(limit.micros())), &html! {
                (decimal(of(spending.credits.spent)))
                @if spending.credits.reserved > 0 { " and " (decimal(of(spending.credits.reserved))) " reserved" }
                @if let Some(limit) = limit.credits { " of " (decimal(limit)) }
                " credits"
            }, &resets))
        }
    })
}

fn one(label: &str, spent: Spent, limit: Option<u128>, words: &Markup, resets: &Markup) -> Markup {
    bar(&Bar {
        label,
        used: u128::from(spent.spent),
        reserved: u128::from(spent.reserved),
        limit,
        words,
        resets,
    })
}

fn of(micros: u64) -> Credits {
    Credits::from_micros(micros).unwrap_or(Credits::MAX)
}

async fn spending(ctx: &Ctx, standing: &Standing<'_>) -> Result<Spending, ApiError> {
    let (account, now) = (&standing.account.id, ctx.outside.now());
    let spending = spend_limit::spending(&ctx.store, account, &standing.entitlements, now);
    Ok(spending.await?)
}

/// Returns the card with the limit and its form.
pub async fn card(ctx: &Ctx, member: &Member, standing: &Standing<'_>) -> Result<Markup, ApiError> {
    let known = ctx.store.spend_limit_find(&member.account).await?;
    let csrf = member.csrf();
    let currency = ctx.catalogue.currency.as_str().to_uppercase();
    let cash = known.money.map(typed).unwrap_or_default();
    let own = known.credits.map(|credits| credits.to_string());
    let fields = html! {
        div.fields {
            (field("money", &format!("Metered usage ({currency})"), "text", &cash))
            (field("credits", "Credits", "text", own.as_deref().unwrap_or_default()))
            button { "Save" }
        }
    };
    Ok(html! {
        section.card #limit {
            h2 { "Spend limit" }
            p.quiet {
                "The most that work may spend in a billing period. Work that could exceed it is refused; work in progress continues. \
                 An empty field is no limit."
            }
            (bars(ctx, standing, None).await?)
            @if member.may_bill() {
                (post("/billing/top-up/limit", &csrf, &fields))
                @if known != SpendLimit::default() {
                    (post("/billing/top-up/limit-off", &csrf, &html! { button.danger { "Remove the limit" } }))
                }
            }
        }
    })
}

/// The form that sets the limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitForm {
    money: String,
    credits: String,
    csrf_token: String,
}

/// The form of a button that needs nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonForm {
    pub csrf_token: String,
}

/// Sets the limit. Two empty fields remove it.
pub async fn set(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<LimitForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let (cash, credits) = (form.money.trim(), form.credits.trim());
    if cash.is_empty() && credits.is_empty() {
        return save(&ctx, &member, &SpendLimit::default(), "limit-off").await;
    }
    let currency = ctx.catalogue.currency;
    let minor = match cash {
        "" => None,
        text => Some(minor_of(text, currency).ok_or_else(|| {
            ApiError::bad_request(
                "bad_amount",
                format!("`{text}` is not an amount; enter one such as 50.00."),
            )
        })?),
    };
    let credits = Some(credits).filter(|credits| !credits.is_empty());
    let limit = spend_limit::limit(minor, credits, currency)?;
    save(&ctx, &member, &limit, "limit").await
}

/// Removes the limit.
pub async fn remove(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    save(&ctx, &member, &SpendLimit::default(), "limit-off").await
}

async fn save(
    ctx: &Ctx,
    member: &Member,
    limit: &SpendLimit,
    done: &str,
) -> Result<Response, ApiError> {
    let now = ctx.outside.now();
    ctx.store
        .spend_limit_set(&member.account, limit, now)
        .await?;
    tracing::info!(
        account.id = %member.account, by = member.by(), limit.money = limit.money.map(|money| money.minor),
        limit.credits = limit.credits.map(Credits::micros), audit = true, "changed the spend limit"
    );
    Ok(see_other(&format!("/billing/top-up?done={done}#limit")))
}

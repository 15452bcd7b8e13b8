//! `/billing`: the account's plan, its credits with the arithmetic behind them, its quotas and its
//! newest transactions. Read-only.

use crate::members::{Member, Standing};
use crate::pages::billing::success::missing;
use crate::pages::billing::transactions::line;
use crate::pages::billing::{limits, tab};
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::billing::entitlements::plan_of;
use domain::billing::plans::{Limit, Pays, Renewal};
use domain::billing::quotas::{is_level, period_of};
use domain::billing::subscriptions::Status;
use domain::units::Credits;
use flows::accounts::Entitled;
use flows::billing::subscriptions::live;
use flows::jobs::obstacles::next_job_as_recorded;
use maud::{Markup, html};
use pages::{Bar, Page, bar, credits, empty, grouped, moment, money, table};
use rest::views::Transaction;
use std::sync::Arc;

const RECENT: usize = 5;

/// Shows the overview.
pub async fn show(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let recent = ctx.store.entry_list(&member.account, None, RECENT).await?;
    let rows: Vec<_> = recent
        .rows
        .iter()
        .map(|entry| line(&Transaction::of(entry), None))
        .collect();
    let spends = limits::bars(&ctx, &standing, Some("/billing/top-up#limit")).await?;
    let content = html! {
        (next_fix(&ctx, &standing).await?)
        div.columns {
            (plan(&ctx, &standing))
            (purse(&standing, member.may_bill()))
        }
        section {
            h2 { "This period" }
            (quotas(&ctx, &standing).await?)
            (spends)
            p { a href="/billing/usage" { "Usage of each day" } }
        }
        section {
            h2 { "Recent transactions" }
            @if rows.is_empty() {
                (empty("No transactions yet", &html! {
                    "Credits that come in and go out are listed here. Work that a plan meters is on its invoices instead."
                }))
            } @else {
                (table("Newest first", &["Time", "What", "#Credits"], &rows))
                p { a href="/billing/transactions" { "All transactions" } }
            }
        }
    };
    Ok(tab(&member, &standing, "Billing", "/billing").with(&content))
}

/// Says what the account lacks for its next fix, if anything.
async fn next_fix(ctx: &Ctx, standing: &Standing<'_>) -> Result<Markup, ApiError> {
    let entitled = Entitled {
        account: standing.account.clone(),
        entitlements: standing.entitlements.clone(),
    };
    let now = ctx.outside.now();
    let why = next_job_as_recorded(&ctx.store, &ctx.catalogue, &entitled, now)
        .await
        .map_err(|failure| ApiError::failure(&failure))?;
    Ok(html! {
        @if let Some(why) = why { section.card { h2 { "Before the next fix" } (missing(why, standing)) } }
    })
}

fn plan(ctx: &Ctx, standing: &Standing<'_>) -> Markup {
    let plan = standing.entitlements.plan;
    html! {
        section.card {
            h2 { "Plan" }
            p.figure { (plan.name) }
            p.quiet { (plan.description) }
            p { (next_charge(ctx, standing)) }
            p { a href="/billing/plan" { "Plans and prices" } }
        }
    }
}

/// Says when the account is charged next and how much, as far as that is known.
pub fn next_charge(ctx: &Ctx, standing: &Standing<'_>) -> Markup {
    let Some(one) = live(&ctx.catalogue, &standing.contracts.subscriptions) else {
        return html! {
            @match standing.entitlements.plan.pays {
                Pays::Credits => "Work is paid from credits. There is no regular charge.",
                Pays::Meters => "No subscription, so nothing is charged.",
                Pays::Nothing => "Free. Nothing is charged.",
            }
        };
    };
    let price = plan_of(&ctx.catalogue, one).and_then(|plan| plan.price);
    let end = one.period.map(|period| period.end);
    html! {
        @match (&one.status, one.ends_at, end) {
            (_, Some(ends), _) => { "Ends on " (moment(ends)) ". Nothing is charged after that, except usage until then." }
            (Status::Trialing, None, _) => {
                "Free trial"
                @if let Some(end) = one.trial_end { " until " (moment(end)) }
                @if let Some(price) = price { "; then " (money(price.amount)) " a " (price.every.as_str()) }
                "."
            }
            (Status::Paused, None, _) => "Paused.",
            (_, None, Some(end)) => {
                "Next invoice on " (moment(end)) ": "
                @if let Some(price) = price { (money(price.amount)) " and usage." } @else { "usage." }
            }
            (_, None, None) => "Subscribed.",
        }
    }
}

fn purse(standing: &Standing<'_>, may_bill: bool) -> Markup {
    let balance = &standing.balance;
    let total = balance.available.checked_add(balance.held);
    html! {
        section.card {
            h2 { "Credits" }
            @if total.is_some_and(Credits::is_zero) && balance.debt.is_zero() {
                p {
                    "This account has no credits."
                    @if standing.entitlements.plan.pays != Pays::Credits { " Your plan needs none." }
                }
            } @else {
                p.figure { (credits(balance.available)) }
                @if let Some(total) = total {
                    p.quiet {
                        "Balance " (credits(total)) " − held for work in progress " (credits(balance.held))
                        " = " (credits(balance.available)) " available"
                    }
                }
                @if !balance.debt.is_zero() {
                    p {
                        "You owe " (credits(balance.debt))
                        ": credits were taken back after they had been spent. The next top-up pays this first."
                    }
                }
            }
            @if may_bill { p { a.button href="/billing/top-up" { "Top up" } } }
        }
    }
}

/// Shows how much of each quota is used.
async fn quotas(ctx: &Ctx, standing: &Standing<'_>) -> Result<Markup, ApiError> {
    let mut bars = Vec::new();
    let entitlements = &standing.entitlements;
    for (meter, quota) in &entitlements.plan.quotas {
        let period = period_of(entitlements, meter, ctx.outside.now());
        let used = ctx
            .store
            .quota_used(&standing.account.id, meter, &period.key)
            .await?;
        let info = ctx.catalogue.meters.get(meter);
        let name = info.map_or(meter.as_str(), |info| info.name.as_str());
        let shown = grouped(&used.to_string());
        let (limit, words) = match quota.limit {
            Limit::Unlimited => (None, html! { "Unlimited · " (shown) " used" }),
            Limit::Of(limit) => (
                Some(u128::from(limit)),
                html! { (shown) " of " (grouped(&limit.to_string())) },
            ),
        };
        let resets = html! {
            @if is_level(meter) { "At a time" } @else { @match (quota.renews, period.end) {
                (Renewal::Month, Some(end)) => { "Calendar month (UTC), resets " (moment(end)) }
                (Renewal::Subscription, Some(end)) => { "Your billing period, resets " (moment(end)) }
                (Renewal::Never, _) => "In all",
                (_, None) => "This period",
            } }
        };
        bars.push(bar(&Bar {
            label: name,
            used: u128::from(used),
            reserved: 0,
            limit,
            words: &words,
            resets: &resets,
        }));
    }
    Ok(html! { @for bar in bars { (bar) } })
}

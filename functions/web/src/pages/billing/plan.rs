//! `/billing/plan`: the plans on sale, and the changes of the account's own: buy, preview, change now
//! or when the period ends, cancel and resume.
//!
//! A change of plan is shown with its price first and costs exactly that within an hour. Each form
//! carries the identity of what it does, so a double click does it once.

use crate::members::{Member, Standing};
use crate::pages::billing::home::next_charge;
use crate::pages::billing::top_up::{Done, check_out};
use crate::pages::billing::{amount, flash, fresh, identity, read_only, tab};
use crate::pages::plans::terms;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::billing::entitlements::plan_of;
use domain::billing::plans::Plan;
use domain::billing::subscriptions::{Status, Subscription};
use domain::ids::ActionId;
use domain::time::Timestamp;
use flows::billing::plan_changes;
use flows::billing::purchases::Wish;
use flows::billing::subscriptions::live;
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Page, Tone, badge, moment, once, post, table};
use rest::browsers::see_other;
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;
use stripe_api::Cancel;

/// Shows the plans.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(Done { done }): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let subscription = live(&ctx.catalogue, &standing.contracts.subscriptions);
    let content = html! {
        (flash(done.as_deref()))
        @if !member.may_bill() { (read_only()) }
        section.card {
            h2 { "Your plan" }
            p.figure { (standing.entitlements.plan.name) }
            p { (next_charge(&ctx, &standing)) }
            @if let Some(subscription) = subscription {
                (planned(&ctx, &member, &standing, subscription))
            }
            @if let (Some(subscription), true) = (subscription, member.may_bill()) {
                (ends(&ctx, &member, subscription))
            }
        }
        section {
            h2 { "Plans" }
            div.columns {
                @for plan in &ctx.catalogue.plans {
                    (offer(&ctx, &member, &standing, (plan, subscription)))
                }
            }
            p.quiet { "Prices are without taxes. Stripe charges them and sends the invoices." }
        }
    };
    Ok(tab(&member, &standing, "Plan", "/billing/plan").with(&content))
}

/// Says which change is planned, with the button that withdraws it.
fn planned(
    ctx: &Ctx,
    member: &Member,
    standing: &Standing<'_>,
    subscription: &Subscription,
) -> Markup {
    let now = ctx.outside.now();
    let Some(planned) = standing.contracts.planned(&subscription.id, now) else {
        return html! {};
    };
    let plan = planned.plan.as_ref().and_then(|id| ctx.catalogue.plan(id));
    html! {
        p {
            "Changes to "
            strong { @match plan { Some(plan) => (plan.name), None => "another plan" } }
            " on " (moment(planned.at)) ". Until then nothing changes."
        }
        @if member.may_bill() {
            (post("/billing/plan/keep", &member.csrf(), &html! {
                (once(&fresh(ctx)))
                button { "Keep my plan" }
            }))
        }
    }
}

/// Returns the button that ends the subscription, or the one that continues it.
fn ends(ctx: &Ctx, member: &Member, subscription: &Subscription) -> Markup {
    let csrf = member.csrf();
    let key = once(&fresh(ctx));
    if subscription.ends_at.is_some() || subscription.status == Status::Paused {
        let fields = html! { (key) button.primary { "Resume the subscription" } };
        return post("/billing/plan/resume", &csrf, &fields);
    }
    html! {
        details {
            summary { "Cancel the subscription" }
            p {
                "The plan continues until the end of the paid period, and nothing is charged after that except usage until then. You can \
                 resume it before it ends."
            }
            (post("/billing/plan/cancel", &csrf, &html! { (key) button.danger { "Cancel at the end of the period" } }))
        }
    }
}

fn offer(
    ctx: &Ctx,
    member: &Member,
    standing: &Standing<'_>,
    (plan, subscription): (&Plan, Option<&Subscription>),
) -> Markup {
    let subscribed = subscription.and_then(|one| plan_of(&ctx.catalogue, one));
    let is_mine = standing.entitlements.plan.id == plan.id;
    let is_subscribed = subscribed.is_some_and(|mine| mine.id == plan.id);
    html! {
        div.card {
            h3 { (plan.name) " " @if is_mine { (badge(Tone::Good, "Your plan")) } }
            (terms(ctx, plan))
            @if member.may_bill() && !is_subscribed && Wish::plan(&ctx.catalogue, plan.id.as_str()).is_ok() {
                @if subscription.is_some() {
                    (post("/billing/plan/preview", &member.csrf(), &html! {
                        input type="hidden" name="plan" value=(plan.id);
                        button { "Change to " (plan.name) }
                    }))
                } @else {
                    (post("/billing/plan/buy", &member.csrf(), &html! {
                        (once(&fresh(ctx)))
                        input type="hidden" name="plan" value=(plan.id);
                        button { "Choose " (plan.name) }
                    }))
                }
            }
        }
    }
}

/// The form that buys a plan.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyForm {
    plan: String,
    once: String,
    csrf_token: String,
}

/// Starts the Checkout of a plan and leads to it.
pub async fn buy(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<BuyForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let wish = Wish::plan(&ctx.catalogue, &form.plan)?;
    check_out(&ctx, &member, &headers, (&form.once, wish)).await
}

/// The form that asks what a change would cost.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviewForm {
    plan: String,
    csrf_token: String,
}

/// Shows what a change of plan costs now. Nothing is changed.
pub async fn preview(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<PreviewForm>,
) -> Result<Page, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let stripe = ctx.stripe().await?;
    let shop = ctx.shop(&stripe);
    let preview = plan_changes::preview(&shop, &member.account, &form.plan).await?;
    let standing = member.standing(&ctx).await?;
    let plans = &ctx.catalogue.plans;
    let name = plans.iter().find(|plan| plan.id.as_str() == form.plan);
    let name = name.map_or(form.plan.as_str(), |plan| plan.name.as_str());
    let rows: Vec<_> = preview
        .lines
        .iter()
        .map(|line| {
            vec![
                html! { (line.description.as_deref().unwrap_or("Plan")) },
                amount(line.amount_minor, &preview.currency),
            ]
        })
        .collect();
    let is_credit = preview.amount_due_minor < 0;
    let content = html! {
        section.card {
            @if rows.is_empty() { p { "This changes nothing that is charged now." } } @else {
                (table("What changes now", &["Item", "#Amount"], &rows))
            }
            p {
                @if is_credit { "Credited to your next invoice: " } @else { "Due now: " }
                strong { (amount(preview.amount_due_minor.abs(), &preview.currency)) }
            }
            p.quiet { "This price is good for an hour. Your default payment method is charged." }
            (post("/billing/plan/change", &member.csrf(), &html! {
                (once(&fresh(&ctx)))
                input type="hidden" name="plan" value=(form.plan);
                input type="hidden" name="at" value=(preview.at);
                div.fields {
                    button.primary { "Change to " (name) }
                    a.button href="/billing/plan" { "Keep the present plan" }
                }
            }))
        }
        @if let Some(end) = changes_at(&ctx, &standing) {
            section.card {
                p {
                    "Or keep the present plan until the period ends on " (moment(end))
                    " and change then. Nothing is charged or credited before."
                }
                (post("/billing/plan/change-later", &member.csrf(), &html! {
                    (once(&fresh(&ctx)))
                    input type="hidden" name="plan" value=(form.plan);
                    button { "Change to " (name) " when the period ends" }
                }))
            }
        }
    };
    let heading = format!("Change to {name}");
    Ok(tab(&member, &standing, &heading, "/billing/plan").with(&content))
}

/// When the subscription can change without a charge, if it can.
fn changes_at(ctx: &Ctx, standing: &Standing<'_>) -> Option<Timestamp> {
    let one = live(&ctx.catalogue, &standing.contracts.subscriptions)?;
    let period = one.period.filter(|_| one.ends_at.is_none())?;
    Some(period.end)
}

/// The form that changes the plan at the price of a preview.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeForm {
    plan: String,
    at: i64,
    once: String,
    csrf_token: String,
}

/// Changes the plan.
pub async fn change(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ChangeForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let act = act(&member, &form.once, "pages/plan/change")?;
    let stripe = ctx.stripe().await?;
    let (shop, reporter) = (ctx.shop(&stripe), ctx.reporter(&stripe));
    let wanted = (form.plan.as_str(), Some(form.at));
    let changed = plan_changes::change_plan(&shop, &reporter, &member.account, act, wanted).await?;
    tracing::info!(account.id = %member.account, subscription.id = %changed, plan = form.plan, by = member.by(), audit = true,
        "changed the plan of a subscription");
    Ok(see_other("/billing/plan?done=changed"))
}

/// The form that changes the plan when the period ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaterForm {
    plan: String,
    once: String,
    csrf_token: String,
}

/// Plans a change of plan for the end of the period.
pub async fn change_later(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<LaterForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let act = act(&member, &form.once, "pages/plan/change-later")?;
    let stripe = ctx.stripe().await?;
    let shop = ctx.shop(&stripe);
    let id = plan_changes::change_plan_later(&shop, &member.account, act, &form.plan).await?;
    tracing::info!(account.id = %member.account, subscription.id = %id, plan = form.plan, by = member.by(), audit = true,
        "planned a change of a subscription's plan");
    Ok(see_other("/billing/plan?done=planned"))
}

/// Withdraws a change that is planned for the end of the period.
pub async fn keep(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ActForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let act = act(&member, &form.once, "pages/plan/keep")?;
    let stripe = ctx.stripe().await?;
    let id = plan_changes::keep_plan(&ctx.shop(&stripe), &member.account, act).await?;
    tracing::info!(account.id = %member.account, subscription.id = %id, by = member.by(), audit = true,
        "withdrew a planned change of a subscription's plan");
    Ok(see_other("/billing/plan?done=kept"))
}

/// The form of a button that changes the subscription.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActForm {
    once: String,
    csrf_token: String,
}

/// Cancels the subscription at the end of its period.
pub async fn cancel(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ActForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let act = act(&member, &form.once, "pages/plan/cancel")?;
    let stripe = ctx.stripe().await?;
    let (shop, reporter) = (ctx.shop(&stripe), ctx.reporter(&stripe));
    let how = Cancel::AtPeriodEnd;
    let cancelled = plan_changes::cancel(&shop, &reporter, &member.account, act, how).await?;
    tracing::info!(account.id = %member.account, subscription.id = %cancelled, by = member.by(), audit = true, "cancelled a subscription");
    Ok(see_other("/billing/plan?done=cancelled"))
}

/// Undoes a cancellation, or resumes a paused subscription.
pub async fn resume(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ActForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let act = act(&member, &form.once, "pages/plan/resume")?;
    let stripe = ctx.stripe().await?;
    let resumed = plan_changes::resume(&ctx.shop(&stripe), &member.account, act).await?;
    tracing::info!(account.id = %member.account, subscription.id = %resumed, by = member.by(), audit = true, "resumed a subscription");
    Ok(see_other("/billing/plan?done=resumed"))
}

fn act(member: &Member, once: &str, route: &str) -> Result<ActionId, ApiError> {
    Ok(identity(once)?.act(&member.account, route).id())
}

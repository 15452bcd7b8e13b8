//! `/billing/top-up`: packs of credits, automatic top-up, the spend limit and payment methods.
//!
//! Each form is a plain form. The ones that buy carry an identity that was made with the page, so a
//! double click leads to one Checkout. Nothing is granted here.

use crate::members::{Member, Standing};
use crate::pages::billing::limits::{self, ButtonForm};
use crate::pages::billing::{
    amount, flash, fresh, identity, minor_of, read_only, return_to, tab, typed,
};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::billing::plans::CreditPack;
use domain::billing::top_ups::{OffReason, TopUp};
use domain::units::Money;
use flows::billing::purchases::{QUANTITY_MAX, Wish, purchase};
use flows::billing::{portal, top_ups};
use http::HeaderMap;
use maud::{Markup, html};
use pages::{Page, Tone, badge, credits, field, grouped, moment, money, once, post};
use rest::browsers::see_other;
use rest::{Form, Params};
use serde::Deserialize;
use std::sync::Arc;

/// The query of the page: what a form has done.
#[derive(Deserialize)]
pub struct Done {
    pub done: Option<String>,
}

/// Shows what can be bought and set.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(Done { done }): Params<Done>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let known = ctx.store.top_up_find(&member.account).await?;
    let packs = &ctx.catalogue.packs;
    let content = html! {
        (flash(done.as_deref()))
        @if !member.may_bill() { (read_only()) }
        section {
            h2 { "Credits" }
            @if packs.is_empty() { p { "There are no packs of credits on sale." } }
            div.columns { @for pack in packs { (for_sale(&ctx, &member, pack)) } }
            @if member.may_bill() {
                p.quiet { "You pay on Stripe's page. Credits arrive when Stripe confirms the payment, usually within seconds." }
            }
        }
        (automatic(&ctx, &member, known.as_ref()))
        (limits::card(&ctx, &member, &standing).await?)
        @if member.may_bill() { (methods(&ctx, &member, &standing)) }
    };
    Ok(tab(&member, &standing, "Top up", "/billing/top-up").with(&content))
}

fn for_sale(ctx: &Ctx, member: &Member, pack: &CreditPack) -> Markup {
    html! {
        div.card {
            h3 { (pack.name) }
            p {
                strong { (money(pack.price)) }
                @if pack.name != format!("{} credits", grouped(&pack.credits.to_string())) { " for " (credits(pack.credits)) }
            }
            @if let Some(days) = pack.expires_days { p.quiet { "Expire after " (days) " days" } }
            @if member.may_bill() {
                (post("/billing/top-up", &member.csrf(), &html! {
                    (once(&fresh(ctx)))
                    input type="hidden" name="pack" value=(pack.id);
                    div.fields {
                        label {
                            "Packs"
                            input type="number" name="quantity" value="1" min="1" max=(QUANTITY_MAX) required;
                        }
                        button.primary { "Buy " (pack.name) }
                    }
                }))
            }
        }
    }
}

fn automatic(ctx: &Ctx, member: &Member, known: Option<&TopUp>) -> Markup {
    let on = known.filter(|known| known.switch.is_on());
    let terms = known.map(|known| &known.terms);
    let currency = ctx.catalogue.currency;
    let code = currency.as_str().to_uppercase();
    let cap = terms.map(|terms| {
        let (minor, currency) = (terms.monthly_cap_minor, terms.price.currency);
        typed(Money { minor, currency })
    });
    let threshold = terms.map(|terms| terms.threshold.to_string());
    let chosen = |pack: &CreditPack| terms.is_some_and(|terms| terms.pack == pack.id);
    let fields = html! {
        div.fields {
            (field("threshold", "When fewer credits than", "text", threshold.as_deref().unwrap_or_default()))
            label {
                "Buy"
                select name="pack" {
                    @for pack in &ctx.catalogue.packs {
                        option value=(pack.id) selected[chosen(pack)] { (pack.name) " (" (pack.price.to_string()) ")" }
                    }
                }
            }
            (field("cap", &format!("At most in a month ({code})"), "text", cap.as_deref().unwrap_or_default()))
            button { @if on.is_some() { "Save" } @else { "Switch on" } }
        }
    };
    html! {
        section.card #automatic {
            h2 { "Automatic top-up " (state(known)) }
            p.quiet {
                "Buys a pack with your default payment method each time the balance falls below a threshold, at most up to a sum in a \
                 calendar month (UTC)."
            }
            @if let Some(known) = known { (so_far(ctx, known)) }
            @if member.may_bill() && !ctx.catalogue.packs.is_empty() {
                (post("/billing/top-up/automatic", &member.csrf(), &fields))
                @if on.is_some() {
                    (post("/billing/top-up/automatic-off", &member.csrf(), &html! { button.danger { "Switch off" } }))
                }
            }
        }
    }
}

fn state(known: Option<&TopUp>) -> Markup {
    match known {
        Some(known) if known.switch.is_on() => badge(Tone::Good, "On"),
        _ => badge(Tone::Plain, "Off"),
    }
}

/// Shows what automatic top-up has spent in this month, and what it waits for.
fn so_far(ctx: &Ctx, known: &TopUp) -> Markup {
    let currency = known.terms.price.currency.as_str();
    let why = known.off_because.map(|why| match why {
        OffReason::Declined => "It was switched off because your card was declined several times.",
        OffReason::NotConfirmed => {
            "It was switched off because a payment was not confirmed in time."
        }
        OffReason::PackChanged => {
            "It was switched off because the pack is no longer sold at this price."
        }
        OffReason::Disputed => "It was switched off because a payment was disputed.",
        OffReason::CustomerDeleted => {
            "It was switched off because the customer at Stripe was deleted."
        }
    });
    html! {
        p {
            "Spent in this month: " (amount(known.spent_in_month(ctx.outside.now()), currency))
            " of " (amount(known.terms.monthly_cap_minor, currency))
        }
        @if let Some(why) = why { p { strong { (why) } } }
        @if let Some(charge) = &known.charge {
            p {
                "A top-up is in progress"
                @if charge.declines > 0 { "; the card was declined and is tried again " (moment(charge.next_at)) }
                "."
            }
        }
    }
}

fn methods(ctx: &Ctx, member: &Member, standing: &Standing<'_>) -> Markup {
    let csrf = member.csrf();
    html! {
        section.card #methods {
            h2 { "Payment methods" }
            p.quiet {
                "Only Stripe sees card numbers. Nothing is charged when you add a payment method."
                @if standing.entitlements.plan.converts_to.is_some() {
                    " With one, your account continues on the plan after the trial."
                }
            }
            div.fields {
                (post("/billing/top-up/method", &csrf, &html! { (once(&fresh(ctx))) button.primary { "Add a payment method" } }))
                (post("/billing/top-up/portal", &csrf, &html! { (once(&fresh(ctx))) button { "Manage at Stripe" } }))
            }
        }
    }
}

/// The form that buys packs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuyForm {
    pack: String,
    quantity: u64,
    once: String,
    csrf_token: String,
}

/// Starts the Checkout of a purchase and leads to it.
pub async fn buy(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<BuyForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let wish = Wish::packs(&ctx.catalogue, &form.pack, form.quantity)?;
    check_out(&ctx, &member, &headers, (&form.once, wish)).await
}

/// The form of a button that leads to Stripe.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaveForm {
    once: String,
    csrf_token: String,
}

/// Starts a Checkout that adds a payment method and leads to it.
pub async fn add_method(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<LeaveForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    check_out(&ctx, &member, &headers, (&form.once, Wish::Method)).await
}

/// Leads to the Checkout of a purchase. The same form leads to the same Checkout.
pub async fn check_out(
    ctx: &Ctx,
    member: &Member,
    headers: &HeaderMap,
    (once, wish): (&str, Wish<'_>),
) -> Result<Response, ApiError> {
    let stripe = ctx.stripe().await?;
    let act = identity(once)?.act(&member.account, "pages/checkout").id();
    let back = return_to(ctx, headers);
    let session = purchase(&ctx.shop(&stripe), &member.account, &act, wish, back).await?;
    let url = session.url.ok_or_else(|| {
        ApiError::conflict(
            "checkout_complete",
            "This checkout is complete; reload the page.",
        )
    })?;
    Ok(see_other(&url))
}

/// Leads to Stripe's customer portal.
pub async fn leave_to_portal(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<LeaveForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let stripe = ctx.stripe().await?;
    let customer = member.standing(&ctx).await?.account.customer;
    let key = identity(&form.once)?
        .act(&member.account, "pages/portal")
        .key();
    let back = ctx.page(&headers, "/billing");
    Ok(see_other(
        &portal::open(&stripe, &customer, &back, &key).await?,
    ))
}

/// The form of automatic top-up.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AutomaticForm {
    threshold: String,
    pack: String,
    cap: String,
    csrf_token: String,
}

/// Switches automatic top-up on, or changes its terms.
pub async fn automate(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<AutomaticForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    let cap = minor_of(&form.cap, ctx.catalogue.currency).ok_or_else(|| {
        let detail = "The most in a month must be an amount such as 50.00.";
        ApiError::bad_request("bad_amount", detail)
    })?;
    let terms = top_ups::terms(&ctx.catalogue, form.threshold.trim(), &form.pack, cap)?;
    let stripe = ctx.stripe().await?;
    top_ups::set(&ctx.shop(&stripe), &member.account, &terms).await?;
    tracing::info!(account.id = %member.account, by = member.by(), audit = true, "switched automatic top-up on");
    Ok(see_other("/billing/top-up?done=automatic#automatic"))
}

/// Switches automatic top-up off.
pub async fn stop_automatic(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Form(form): Form<ButtonForm>,
) -> Result<Response, ApiError> {
    member.bills(&ctx, &headers, &form.csrf_token)?;
    top_ups::stop(&ctx.store, &member.account, ctx.outside.now()).await?;
    tracing::info!(account.id = %member.account, by = member.by(), audit = true, "switched automatic top-up off");
    Ok(see_other("/billing/top-up?done=automatic-off#automatic"))
}

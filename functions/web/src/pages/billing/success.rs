//! `/billing/success` and `/billing/cancelled`: where Checkout sends people back.
//!
//! The page grants nothing. It asks Stripe once what the session is for, and then shows what our own
//! rows say, so it is right however late Stripe's event is. A session of another account looks
//! absent.

use crate::members::{Member, Standing};
use crate::pages::billing::{decimal, tab};
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::Response;
use domain::billing::entitlements::plan_of;
use domain::ids::{CheckoutSessionId, PaymentId};
use domain::jobs::admission::Obstacle;
use domain::units::Credits;
use flows::accounts::Entitled;
use flows::billing::prices::from_stripe;
use flows::billing::subscriptions::is_alive;
use flows::jobs::obstacles::next_job_as_recorded;
use http::{HeaderMap, header};
use maud::{Markup, html};
use pages::{Page, Tone, credits, fragment, grouped, notice, with_balance};
use rest::Params;
use serde::Deserialize;
use std::sync::Arc;
use stripe_api::{CheckoutSession, PaymentStatus, SessionMode, SessionStatus};

/// The query with which Stripe sends people back.
#[derive(Deserialize)]
pub struct Returned {
    session_id: String,
}

/// What has come of a Checkout.
enum Outcome {
    /// The credits of a purchase are there.
    Granted(Credits),
    /// It is paid, and our record of it is on its way.
    Arriving(&'static str),
    /// The bank has not sent the money yet.
    SlowPayment,
    /// The subscription to this plan is there.
    Subscribed(String),
    MethodAdded,
    /// It can still be paid on Stripe's page.
    Open(Option<String>),
    Expired,
}

impl Outcome {
    const fn is_final(&self) -> bool {
        !matches!(self, Self::Arriving(_) | Self::SlowPayment)
    }
}

/// Shows what has come of a Checkout.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(returned): Params<Returned>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let session = session(&ctx, &standing, &returned.session_id).await?;
    let outcome = outcome(&ctx, &standing, &session).await?;
    let heading = match session.mode {
        SessionMode::Setup => "Payment method",
        SessionMode::Subscription => "Your plan",
        SessionMode::Payment | SessionMode::Other(_) => "Your purchase",
    };
    let live = format!("/billing/success/progress?session_id={}", session.id);
    let live = (!outcome.is_final()).then_some(live);
    let content = html! {
        div data-live=[live] { (part(&ctx, &standing, &outcome).await?) }
    };
    let page = tab(&member, &standing, heading, "/billing/success").with(&content);
    Ok(if outcome.is_final() {
        page
    } else {
        page.unfinished()
    })
}

/// Returns the part of the page that changes when Stripe's event arrives.
pub async fn progress(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    headers: HeaderMap,
    Params(returned): Params<Returned>,
) -> Result<Response, ApiError> {
    let standing = member.standing(&ctx).await?;
    let session = session(&ctx, &standing, &returned.session_id).await?;
    let outcome = outcome(&ctx, &standing, &session).await?;
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let part = part(&ctx, &standing, &outcome).await?;
    let answer = fragment(&part, known, outcome.is_final());
    let balance = format!(
        "{} credits",
        grouped(&standing.balance.available.to_string())
    );
    Ok(with_balance(answer, &balance))
}

/// Finds the account's own session. A complete one is remembered for a minute, because the page asks
/// every few seconds.
async fn session(
    ctx: &Ctx,
    standing: &Standing<'_>,
    id: &str,
) -> Result<CheckoutSession, ApiError> {
    let absent = || ApiError::not_found("There is no such checkout.");
    let id = CheckoutSessionId::parse(id).map_err(|_| absent())?;
    let now = ctx.outside.now();
    let found = match ctx.checkouts.get(id.as_str(), now) {
        Some(known) => known,
        None => {
            let stripe = ctx.stripe().await?;
            let found = stripe.checkout_find(&id).await.map_err(from_stripe)?;
            if found.as_ref().is_some_and(is_settled) {
                ctx.checkouts.put(id.as_str(), found.clone(), now);
            }
            found
        }
    };
    found
        .filter(|found| found.customer.as_ref() == Some(&standing.account.customer))
        .ok_or_else(absent)
}

fn is_settled(session: &CheckoutSession) -> bool {
    session.status == Some(SessionStatus::Complete)
        && session.payment_status != PaymentStatus::Unpaid
}

async fn outcome(
    ctx: &Ctx,
    standing: &Standing<'_>,
    session: &CheckoutSession,
) -> Result<Outcome, ApiError> {
    match &session.status {
        Some(SessionStatus::Complete) => {}
        Some(SessionStatus::Expired) => return Ok(Outcome::Expired),
        Some(SessionStatus::Open | SessionStatus::Other(_)) | None => {
            return Ok(Outcome::Open(session.url.clone()));
        }
    }
    match session.mode {
        SessionMode::Subscription => {
            let mine = standing.contracts.subscriptions.iter();
            let mut mine = mine.filter(|one| Some(&one.id) == session.subscription.as_ref());
            let live = mine.find(|one| is_alive(&one.status));
            let plan = live.and_then(|live| plan_of(&ctx.catalogue, live));
            Ok(plan.map_or(
                Outcome::Arriving("Payment received. Your plan is about to start."),
                |plan| Outcome::Subscribed(plan.name.clone()),
            ))
        }
        SessionMode::Setup => {
            let stripe = ctx.stripe().await?;
            let customer = stripe.customer_find(&standing.account.customer).await;
            let customer = customer.map_err(from_stripe)?;
            let usual = customer.and_then(|customer| customer.default_payment_method);
            Ok(usual.map_or(
                Outcome::Arriving("Payment method received. It is about to be ready."),
                |_| Outcome::MethodAdded,
            ))
        }
        SessionMode::Payment | SessionMode::Other(_) => bought(ctx, standing, session).await,
    }
}

async fn bought(
    ctx: &Ctx,
    standing: &Standing<'_>,
    session: &CheckoutSession,
) -> Result<Outcome, ApiError> {
    // A session with nothing to pay has no payment; its own id identifies the purchase.
    let payment = session.payment_intent.as_ref().map_or_else(
        || PaymentId::parse(session.id.as_str()),
        |payment| PaymentId::parse(payment.as_str()),
    );
    let found = match payment {
        Ok(payment) => ctx.store.payment_find(&payment).await?,
        Err(_) => None,
    };
    let purchase = found.and_then(|payment| payment.purchase);
    let ours = purchase.filter(|purchase| purchase.account == standing.account.id);
    Ok(match ours {
        Some(purchase) => Outcome::Granted(purchase.credits),
        None if session.payment_status == PaymentStatus::Unpaid => Outcome::SlowPayment,
        None => Outcome::Arriving("Payment received. Your credits are about to arrive."),
    })
}

async fn part(ctx: &Ctx, standing: &Standing<'_>, outcome: &Outcome) -> Result<Markup, ApiError> {
    let next = if outcome.is_final() {
        next_step(ctx, standing).await?
    } else {
        html! { p { button disabled { "Run your first fix" } } }
    };
    let state = match outcome {
        Outcome::Granted(amount) => notice(
            Tone::Good,
            &html! {
                "Payment received. " strong { "+" (credits(*amount)) } ", so "
                (credits(standing.balance.available)) " are available."
            },
        ),
        Outcome::Arriving(what) => {
            html! {
                (notice(Tone::Plain, &html! { strong { (what) } }))
                p.quiet {
                    "This usually takes seconds and can take some minutes. You need not pay again, and you can leave this page."
                }
            }
        }
        Outcome::SlowPayment => notice(
            Tone::Plain,
            &html! {
                strong { "The payment is on its way. " }
                "A bank transfer can take days. Your credits arrive when it does; you need not pay again."
            },
        ),
        Outcome::Subscribed(plan) => notice(
            Tone::Good,
            &html! { "Payment received. You are on the plan " strong { (plan) } "." },
        ),
        Outcome::MethodAdded => notice(
            Tone::Good,
            &html! { strong { "Payment method added. " } "Nothing was charged. It pays your invoices from now on." },
        ),
        Outcome::Open(url) => html! {
            (notice(Tone::Warn, &html! { "This checkout is not paid yet." }))
            @if let Some(url) = url { p { a.button.primary href=(url) { "Continue to payment" } } }
        },
        Outcome::Expired => html! {
            (notice(Tone::Warn, &html! { "This checkout has expired. Nothing was paid." }))
            p { a.button href="/billing/top-up" { "Top up" } }
        },
    };
    Ok(html! { (state) (next) })
}

/// Returns what the account can do next: its first fix, or what it still lacks.
async fn next_step(ctx: &Ctx, standing: &Standing<'_>) -> Result<Markup, ApiError> {
    let entitled = Entitled {
        account: standing.account.clone(),
        entitlements: standing.entitlements.clone(),
    };
    let now = ctx.outside.now();
    let obstacle = next_job_as_recorded(&ctx.store, &ctx.catalogue, &entitled, now)
        .await
        .map_err(|failure| ApiError::failure(&failure))?;
    let has_jobs = !ctx
        .store
        .job_list(&standing.account.id, None, 1)
        .await?
        .rows
        .is_empty();
    Ok(match obstacle {
        None if has_jobs => html! { p { a.button.primary href="/jobs" { "See your jobs" } } },
        None => html! {
            p { a.button.primary href="/jobs#run" { "Run your first fix" } }
            p.quiet { "Add the label " code { "tallyhook" } " to an issue of a repository with the App." }
        },
        Some(why) => missing(why, standing),
    })
}

/// Returns what an account has to do before it can run a fix.
pub fn missing(why: Obstacle, standing: &Standing<'_>) -> Markup {
    let (text, path, label) = match why {
        Obstacle::NoSubscription => (
            "Fixes of your plan are billed through a subscription, and there is none yet.",
            "/billing/plan",
            "Choose a plan",
        ),
        Obstacle::InsufficientCredits => (
            "There are too few credits for the next fix.",
            "/billing/top-up",
            "Top up",
        ),
        Obstacle::QuotaUsed => (
            "The fixes of your plan are used up.",
            "/billing/plan",
            "Choose a plan",
        ),
        Obstacle::AgentsBusy => (
            "All agents of your plan are at work. The next fix can begin when one of them has ended.",
            "/jobs",
            "See your jobs",
        ),
        Obstacle::SpendLimitReached => (
            "The next fix could exceed your spend limit.",
            "/billing/top-up",
            "Change the limit",
        ),
        Obstacle::TooMuchUnbilled => (
            "Delivered fixes wait to be reported to Stripe. Work continues automatically when they are.",
            "/billing",
            "Billing",
        ),
        Obstacle::AccountClosed => (
            "This account is closed, because its owner uses another one.",
            "/setup",
            "Your accounts",
        ),
    };
    let budget = standing.entitlements.plan.budget;
    html! {
        p {
            (text)
            @if why == Obstacle::InsufficientCredits {
                " A fix reserves up to " (decimal(budget)) " credits and gives back what it does not need."
            }
        }
        p { a.button.primary href=(path) { (label) } }
    }
}

/// Shows that a Checkout was left without paying.
pub async fn cancelled(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let content = html! {
        (notice(Tone::Plain, &html! { "You left the checkout. Nothing was paid and nothing has changed." }))
        p {
            a.button.primary href="/billing/top-up" { "Top up" } " "
            a.button href="/billing/plan" { "Plans" }
        }
    };
    Ok(tab(
        &member,
        &standing,
        "Checkout was cancelled",
        "/billing/cancelled",
    )
    .with(&content))
}

//! Asking for assists: what an account's plan offers for one, and the order for it.
//!
//! This door never talks to a model. It writes the row, with the credits reserved for it in the same write, and sends a
//! pointer; a pointer that is lost is sent again by the sweeper.

use crate::caller::Caller;
use crate::routes::account::{Found, load};
use crate::routes::spend_limit;
use crate::{ApiError, Ctx};
use domain::billing::plans::{Limit, Plan};
use domain::billing::spending::SpendUnit;
use domain::billing::usage::Meter;
use domain::ids::AssistId;
use domain::jobs::assists::{Assist, AssistFacts, AssistTask, FREE_A_DAY_MAX};
use domain::jobs::{Funding, Offer};
use domain::ledger::HoldId;
use queues::Message;
use store::{AssistCreated, NewAssist, SummaryPlace, WholeAssist};

/// An assist that is wanted.
pub struct Wanted {
    /// Its id, which follows from the act.
    pub id: AssistId,
    /// What is asked.
    pub task: AssistTask,
    /// The place it takes, where there is one.
    pub place: Option<SummaryPlace>,
    /// What it is for, in words.
    pub what: String,
    /// The most bytes that its prompt has, from which its price follows; none if nobody pays for it.
    pub prompt_bytes_max: Option<usize>,
}

/// Asks for it; none if somebody else has taken its place.
pub async fn order(
    ctx: &Ctx,
    caller: &Caller,
    wanted: Wanted,
) -> Result<Option<WholeAssist>, ApiError> {
    let Wanted {
        id,
        task,
        place,
        what,
        prompt_bytes_max,
    } = wanted;
    let now = ctx.outside.now();
    let Found {
        account,
        entitlements,
    } = load(ctx, caller, now).await?;
    let offer = Offer::of_assist(
        &ctx.catalogue,
        &entitlements,
        &account.customer,
        prompt_bytes_max,
        now,
    );
    may_be_billed(ctx, caller, entitlements.plan, &offer.terms.funding).await?;
    let hold = offer.hold(&account.id, HoldId::Assist(id.clone()), &what, now);
    let free = matches!(offer.terms.funding, Funding::Free);
    let needed = offer.terms.budget.unwrap_or_default();
    let facts = AssistFacts {
        id,
        account: account.id,
        kind: task.kind(),
        terms: offer.terms,
        created_at: now,
    };
    let counts = free.then(|| (Meter::free_assists(), now.day(), Limit::Of(FREE_A_DAY_MAX)));
    let spends = facts
        .terms
        .spending
        .as_ref()
        .map(|spending| (spending.unit, spending.period.clone()));
    let new = NewAssist {
        row: Assist::queued(facts),
        task,
        place,
        counts,
        hold,
    };
    match ctx.store.assist_create(&new).await? {
        AssistCreated::New => {
            send(ctx, &new.row.facts).await;
            if let Some((unit, period)) = &spends {
                ctx.store
                    .spend_warn(&caller.account, (*unit, period), now)
                    .await?;
            }
            Ok(Some(WholeAssist {
                row: new.row,
                task: new.task,
                answer: None,
            }))
        }
        AssistCreated::Existing => existing(ctx, new).await.map(Some),
        AssistCreated::Taken => Ok(None),
        AssistCreated::OutOfCredits(balance) => {
            let detail = format!(
                "up to {needed} credits are reserved for {what} and {} are available; top up at {}",
                balance.available, ctx.dashboard_url
            );
            Err(ApiError::payment_required("insufficient_credits", detail))
        }
        AssistCreated::SpendLimitReached => {
            let (unit, period) = spends
                .as_ref()
                .map_or((SpendUnit::Money, ""), |(unit, period)| {
                    (*unit, period.as_str())
                });
            Err(spend_limit::reached(ctx, caller, (unit, period), now).await?)
        }
        AssistCreated::UsedUp => {
            let free_at = now.next_day();
            let detail = format!(
                "an account has {FREE_A_DAY_MAX} of these a day that cost nothing; there are new ones from {free_at} on"
            );
            Err(ApiError::too_many(
                detail,
                free_at.since(now).as_secs().saturating_add(1),
            ))
        }
    }
}

/// When Stripe cannot be told for long, an account asks for no more than its plan trusts it with.
async fn may_be_billed(
    ctx: &Ctx,
    caller: &Caller,
    plan: &Plan,
    funding: &Funding,
) -> Result<(), ApiError> {
    let (Funding::Metered { .. }, Limit::Of(most)) = (funding, plan.unbilled_max) else {
        return Ok(());
    };
    if ctx.store.owed_count(&caller.account, most).await? < most {
        return Ok(());
    }
    let detail = format!(
        "{most} records of what you have used wait to be billed; ask again when they are, or ask us"
    );
    Err(ApiError::conflict("too_much_unbilled", detail))
}

/// What the same act has asked for before.
async fn existing(ctx: &Ctx, new: NewAssist) -> Result<WholeAssist, ApiError> {
    let facts = &new.row.facts;
    let mine = ctx
        .store
        .assist_find(&facts.id)
        .await?
        .filter(|whole| whole.row.facts.account == facts.account);
    let whole = mine.ok_or_else(|| ApiError::not_found("there is no such assist"))?;
    if whole.task != new.task {
        let detail =
            "this Idempotency-Key has asked for something else; take a new one for something new";
        return Err(ApiError::conflict("idempotency_key_reused", detail));
    }
    Ok(whole)
}

/// Its row owes the work, so a pointer that cannot be sent costs a minute and no more.
async fn send(ctx: &Ctx, facts: &AssistFacts) {
    let message = Message::Assist(facts.id.clone());
    if let Err(error) = ctx.queues.send(&message, Some(&facts.account)).await {
        tracing::warn!(assist.id = %facts.id, %error, "an assist could not be queued; the sweeper will");
    }
}

/// How an assist is paid for, and what it came to where that is credits.
pub fn paid(row: &Assist) -> (&'static str, Option<String>) {
    match row.facts.terms.funding {
        Funding::Prepaid { .. } => (
            "credits",
            row.used.as_ref().map(|_| row.price().to_string()),
        ),
        Funding::Metered { .. } => ("meters", None),
        Funding::Free => ("nothing", None),
    }
}

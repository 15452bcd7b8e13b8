//! Orders an assist on the terms of the account's plan.
//!
//! No model is called here. One write creates the row and reserves its credits; then a pointer is
//! sent. Safe to run twice: the assist's id follows from the act.

use crate::accounts::load;
use crate::billing::spend_limit;
use crate::jobs::obstacles::quota_used;
use domain::billing::entitlements::{Entitlements, MeteredTo};
use domain::billing::plans::{Catalogue, Limit};
use domain::billing::quotas;
use domain::billing::spending::SpendUnit;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, AssistId};
use domain::jobs::assists::{Assist, AssistFacts, AssistTask, FREE_A_DAY_MAX};
use domain::jobs::{Funding, Offer};
use domain::ledger::{Balance, HoldId};
use domain::refusal::{FlowError, Grounds, Refusal};
use domain::time::Timestamp;
use domain::units::Credits;
use queues::{Message, Queues};
use store::{AssistCreated, NewAssist, Store, SummaryPlace, WholeAssist};

/// What [`order`] needs.
pub struct Desk<'a> {
    pub store: &'a Store,
    pub queues: &'a Queues,
    pub catalogue: &'a Catalogue,
    pub dashboard_url: &'a str,
    pub now: Timestamp,
}

/// An assist that an account requests.
pub struct Wanted {
    /// The id, which follows from the act.
    pub id: AssistId,
    pub task: AssistTask,
    /// The place that only one assist can take.
    pub place: Option<SummaryPlace>,
    /// The purpose, for the ledger entry and for errors.
    pub what: String,
    /// The maximum size of the prompt, which bounds the price. `None` if the assist is free.
    pub prompt_bytes_max: Option<usize>,
}

/// Orders an assist. Returns `None` if another assist has taken its place.
pub async fn order(
    desk: &Desk<'_>,
    account: &AccountId,
    wanted: Wanted,
) -> Result<Option<WholeAssist>, FlowError> {
    let Wanted {
        id,
        task,
        place,
        what,
        prompt_bytes_max,
    } = wanted;
    let now = desk.now;
    let entitled = load(desk.store, desk.catalogue, account, now).await?;
    let (account, entitlements) = (entitled.account, entitled.entitlements);
    let offer = Offer::of_assist(
        desk.catalogue,
        &entitlements,
        &account.customer,
        prompt_bytes_max,
        now,
    );
    may_be_billed(desk, &account.id, &entitlements, &offer.terms.funding).await?;
    let hold = offer.hold(&account.id, HoldId::Assist(id.clone()), &what, now);
    let free = matches!(offer.terms.funding, Funding::Free);
    let needed = offer.terms.budget.unwrap_or_default();
    let facts = AssistFacts {
        id,
        account: account.id.clone(),
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
    let call = quotas::api_call(&entitlements, now);
    let new = NewAssist {
        uses: offer.uses.into_iter().chain(call).collect(),
        row: Assist::queued(facts),
        task,
        place,
        counts,
        hold,
    };
    match desk.store.assist_create(&new).await? {
        AssistCreated::New => {
            send(desk.queues, &new.row.facts).await;
            warn(desk, &new, spends.as_ref()).await?;
            Ok(Some(WholeAssist {
                row: new.row,
                task: new.task,
                answer: None,
            }))
        }
        AssistCreated::Existing => existing(desk.store, new).await.map(Some),
        AssistCreated::Taken => Ok(None),
        AssistCreated::OutOfCredits(balance) => {
            let url = desk.dashboard_url;
            Err(out_of_credits(needed, &what, balance, url).into())
        }
        AssistCreated::SpendLimitReached => {
            let (unit, period) = spends.unwrap_or((SpendUnit::Money, String::new()));
            let refusal = spend_limit::reached(desk.store, &account.id, unit, &period, now);
            Err(refusal.await?.into())
        }
        AssistCreated::UsedUp => Err(used_up(now).into()),
        AssistCreated::QuotaUsed(meter) => {
            Err(quota_used(&entitlements, &meter, desk.dashboard_url, now).into())
        }
    }
}

/// Records the warnings that a new assist may cause. The sweeper queues their mails.
async fn warn(
    desk: &Desk<'_>,
    new: &NewAssist,
    spends: Option<&(SpendUnit, String)>,
) -> Result<(), FlowError> {
    let account = &new.row.facts.account;
    if let Some((unit, period)) = spends {
        let limit = (*unit, period.as_str());
        desk.store.spend_warn(account, limit, desk.now).await?;
    }
    if new.hold.is_some() {
        let usual = desk.catalogue.low_balance;
        desk.store.balance_warn(account, usual, desk.now).await?;
    }
    Ok(())
}

/// The refusal of metered work for which nobody would be billed.
pub fn no_subscription(plan: &str, url: &str) -> Refusal {
    let detail = format!(
        "The plan {plan} is billed through a subscription, and the account has none; add a payment method or subscribe at {url}."
    );
    Refusal::payment_required("no_subscription", detail)
}

fn out_of_credits(needed: Credits, what: &str, balance: Balance, url: &str) -> Refusal {
    let detail = format!(
        "Up to {needed} credits are reserved for {what}, and {} are available; top up at {url}.",
        balance.available
    );
    Refusal::payment_required("insufficient_credits", detail)
}

fn used_up(now: Timestamp) -> Refusal {
    let free_at = now.next_day();
    let detail = format!(
        "An account has {FREE_A_DAY_MAX} free assists a day; the next ones are available at {free_at}."
    );
    let grounds = Grounds::TooMany {
        retry_after_seconds: free_at.since(now).as_secs().saturating_add(1),
    };
    Refusal::new(grounds, "too_many_requests", detail)
}

/// Refuses new metered work if nobody would be billed for it, or while the account has as many
/// unreported usage records as its plan allows unbilled.
async fn may_be_billed(
    desk: &Desk<'_>,
    account: &AccountId,
    entitlements: &Entitlements<'_>,
    funding: &Funding,
) -> Result<(), FlowError> {
    if !matches!(funding, Funding::Metered { .. }) {
        return Ok(());
    }
    let plan = entitlements.plan;
    if entitlements.metered_to == MeteredTo::Missing {
        return Err(no_subscription(&plan.name, desk.dashboard_url).into());
    }
    let Limit::Of(most) = plan.unbilled_max else {
        return Ok(());
    };
    if desk.store.owed_count(account, most).await? < most {
        return Ok(());
    }
    let detail = format!(
        "{most} usage records are waiting to be billed; retry when they are, or contact support."
    );
    Err(Refusal::conflict("too_much_unbilled", detail).into())
}

/// Returns the assist that the same act ordered before.
async fn existing(store: &Store, new: NewAssist) -> Result<WholeAssist, FlowError> {
    let facts = &new.row.facts;
    let mine = store
        .assist_find(&facts.id)
        .await?
        .filter(|whole| whole.row.facts.account == facts.account);
    let whole = mine.ok_or_else(|| Refusal::not_found("There is no such assist."))?;
    if whole.task != new.task {
        let detail =
            "This `Idempotency-Key` was used for another assist; use a new one for each act.";
        return Err(Refusal::conflict("idempotency_key_reused", detail).into());
    }
    Ok(whole)
}

/// Sends the pointer to the assist. The row is due anyway, so a lost pointer costs only a minute.
async fn send(queues: &Queues, facts: &AssistFacts) {
    let message = Message::Assist(facts.id.clone());
    if let Err(error) = queues.send(&message, Some(&facts.account)).await {
        tracing::warn!(assist.id = %facts.id, %error, "could not queue an assist; the sweeper will");
    }
}

/// Returns what pays for an assist, and its price if credits pay for it.
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

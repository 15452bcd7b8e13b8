//! Customers' requests to create something at Stripe. Each is recorded with all parameters before
//! Stripe is called.
//!
//! A resumed action therefore sends the same request under the same idempotency key, and
//! Stripe creates only one object. A cart row maps an item to the action that is currently buying
//! it, so that two concurrent actions for the same item lead to one purchase.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use domain::ids::{AccountId, ActionId};
use domain::time::Timestamp;

/// The request of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The caller's request, which distinguishes it from others.
    pub what: String,
    /// The parameters for Stripe, fixed by the first attempt.
    pub params: String,
    /// The result, once it is known.
    pub answer: Option<String>,
    /// When the request was first made.
    pub begun_at: Timestamp,
}

/// The result of starting an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The intent was recorded.
    New,
    /// The same action already recorded this request. The stored parameters apply, not the new
    /// ones.
    Same(Intent),
    /// The action already belongs to a different request.
    Other,
}

/// The result of taking the lock of an account's subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionLock {
    Taken,
    /// Another action has it.
    Busy,
}

/// What the lock of a subscription is called among the carts.
const SUBSCRIPTION: &str = "subscription";

/// The action was already started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Begun,
}

impl Store {
    /// Records what an action is going to request from Stripe, unless it is already recorded.
    pub async fn intent_begin(
        &self,
        account: &AccountId,
        act: &ActionId,
        intent: &Intent,
    ) -> Result<Begun, StoreError> {
        self.while_contended(|| self.intent_begin_once(account, act, intent))
            .await
    }

    async fn intent_begin_once(
        &self,
        account: &AccountId,
        act: &ActionId,
        intent: &Intent,
    ) -> Result<Begun, StoreError> {
        const BEGIN: &str = "begin an intent";
        let mut item = keys::intent(account, act).attributes();
        let more = [
            ("what", text(&intent.what)),
            ("params", text(&intent.params)),
            ("begun_at", time(intent.begun_at)),
        ];
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        let mut tx = self.table.transaction(BEGIN);
        tx.add(put_new(&self.table, item)).or(Refusal::Begun);
        // A closed account cannot start anything. If it was closed a moment ago, this is a
        // conflict, and the next attempt finds the account closed.
        tx.add(self.begun(account, intent.begun_at).item(&self.table));
        match tx.commit().await? {
            Committed::Written => Ok(Begun::New),
            Committed::Refused(Refusal::Begun, old) => {
                let known = intent_of(&old)?;
                Ok(if known.what == intent.what {
                    Begun::Same(known)
                } else {
                    Begun::Other
                })
            }
        }
    }

    /// Finds the request of an action.
    pub async fn intent_find(
        &self,
        account: &AccountId,
        act: &ActionId,
    ) -> Result<Option<Intent>, StoreError> {
        let found = self
            .table
            .get("find an intent", &keys::intent(account, act))
            .await?;
        found.as_ref().map(intent_of).transpose()
    }

    /// Records the result. The first result is final.
    pub async fn intent_done(
        &self,
        account: &AccountId,
        act: &ActionId,
        answer: &str,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::intent(account, act))
            .set("answer", text(answer))
            .when(
                "attribute_exists(pk) AND attribute_not_exists(#answer)",
                vec![],
            );
        self.table
            .update("finish an intent", change)
            .await
            .map(drop)
    }

    /// Takes the lock under which an account's subscription is created and changed, until `until`.
    /// The same action may take it again.
    pub async fn subscription_lock(
        &self,
        account: &AccountId,
        act: &ActionId,
        (now, until): (Timestamp, Timestamp),
    ) -> Result<SubscriptionLock, StoreError> {
        let change = Change::of(keys::cart(account, SUBSCRIPTION))
            .set("act", text(act.as_str()))
            .set("until", time(until))
            .when(
                "attribute_not_exists(#act) OR #act = :act OR #until <= :now",
                vec![("now", time(now))],
            );
        Ok(
            match self.table.update("lock a subscription", change).await? {
                Updated::Done(()) => SubscriptionLock::Taken,
                Updated::Refused(_) => SubscriptionLock::Busy,
            },
        )
    }

    /// Gives the lock back, unless another action has taken it since.
    pub async fn subscription_unlock(
        &self,
        account: &AccountId,
        act: &ActionId,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::cart(account, SUBSCRIPTION))
            .set("until", time(Timestamp::from_millis(0)))
            .when("#act = :act", vec![("act", text(act.as_str()))]);
        self.table
            .update("unlock a subscription", change)
            .await
            .map(drop)
    }

    /// Claims an item for this action and returns the action that is buying it. The claim succeeds
    /// if no action holds the item, or if `instead_of` does.
    pub async fn cart_claim(
        &self,
        account: &AccountId,
        what: &str,
        act: &ActionId,
        instead_of: Option<&ActionId>,
    ) -> Result<ActionId, StoreError> {
        const CLAIM: &str = "claim a cart";
        let before = instead_of.unwrap_or(act);
        let change = Change::of(keys::cart(account, what))
            .set("act", text(act.as_str()))
            .when(
                "attribute_not_exists(#act) OR #act = :before",
                vec![("before", text(before.as_str()))],
            );
        match self.table.update(CLAIM, change).await? {
            Updated::Done(()) => Ok(act.clone()),
            Updated::Refused(held) => Item::new(&held, CLAIM).parsed("act", ActionId::parse),
        }
    }
}

fn intent_of(attributes: &Attributes) -> Result<Intent, StoreError> {
    let item = Item::new(attributes, "read an intent");
    Ok(Intent {
        what: item.text("what")?.to_owned(),
        params: item.text("params")?.to_owned(),
        answer: item.find_text("answer")?.map(str::to_owned),
        begun_at: item.time("begun_at")?,
    })
}

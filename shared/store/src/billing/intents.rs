//! What customers asked to have made at Stripe: written down, with everything Stripe is told, before Stripe is.
//!
//! So whoever takes an act up again says the same thing under the same name, and Stripe makes one. A cart leads from a
//! thing to the act that buys it just now, so that two acts for the same thing at once lead to one.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, text, time};
use crate::db::keys;
use crate::db::tx::{Change, Committed, put_new};
use domain::ids::{AccountId, ActionId};
use domain::time::Timestamp;

/// What an act asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// What tells it from other wishes: what was asked, as the caller said it.
    pub what: String,
    /// What Stripe is told, fixed when it was first asked.
    pub params: String,
    /// What came of it, once that is known.
    pub answer: Option<String>,
    /// When it was first asked.
    pub begun_at: Timestamp,
}

/// What became of the wish to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It begins now.
    New,
    /// The act has begun with this before; its parameters count, not those of now.
    Same(Intent),
    /// The act stands for something else.
    Other,
}

/// The act has begun before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Begun,
}

impl Store {
    /// Writes down what an act is going to ask of Stripe, if it has not been written down before.
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
        // An account that was closed a moment ago begins nothing. The next attempt finds it closed.
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

    /// What an act asked for, if it did.
    pub async fn intent_find(
        &self,
        account: &AccountId,
        act: &ActionId,
    ) -> Result<Option<Intent>, StoreError> {
        let get = self
            .table
            .client
            .get_item()
            .table_name(&self.table.name)
            .set_key(Some(keys::intent(account, act).attributes()));
        let found = get
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| StoreError::sdk("find an intent", e))?;
        found.item.as_ref().map(intent_of).transpose()
    }

    /// Writes down what came of it. The first answer stands.
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
        self.quietly("finish an intent", change).await
    }

    /// The act that buys this thing now: this one, if there is none yet or `instead_of` did until now.
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
        match change.call(&self.table).send().await {
            Ok(_) => Ok(act.clone()),
            Err(error) => match error.as_service_error() {
                Some(aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(
                    held,
                )) => {
                    let nothing = Attributes::new();
                    Item::new(held.item.as_ref().unwrap_or(&nothing), CLAIM).parsed("act", ActionId::parse)
                }
                _ => Err(StoreError::sdk(CLAIM, error)),
            },
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

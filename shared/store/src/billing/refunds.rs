//! Refunds that operators request: one row for each request, due until Stripe has created the
//! refund or has refused it. Each change is conditional on the row being due, so a repeated call
//! changes nothing.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::{Finished, Store};
use domain::billing::refunds::{RefundKey, RefundProgress, RequestedRefund, Share};
use domain::ids::{AccountId, PaymentId, RefundId};
use domain::units::{Currency, Money};

const REQUEST: &str = "request a refund";
const READ: &str = "read a requested refund";
const DUE: &str = "attribute_exists(dx)";

/// The result of requesting a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundRequested {
    Now,
    /// This request was recorded before; contains it as it is now.
    Already(Box<RequestedRefund>),
}

impl Store {
    /// Records a request for a refund, and makes it due.
    pub async fn refund_request(
        &self,
        refund: &RequestedRefund,
    ) -> Result<RefundRequested, StoreError> {
        match self.table.put_new(REQUEST, attributes(refund)).await? {
            Updated::Done(()) => Ok(RefundRequested::Now),
            Updated::Refused(_) => match self.refund_find(&refund.key).await? {
                Some(known) => Ok(RefundRequested::Already(Box::new(known))),
                None => Err(StoreError::contended(REQUEST)),
            },
        }
    }

    /// Reads a requested refund; strongly consistent.
    pub async fn refund_find(
        &self,
        key: &RefundKey,
    ) -> Result<Option<RequestedRefund>, StoreError> {
        let found = self.table.get(READ, &keys::refund(key)).await?;
        found.as_ref().map(refund_of).transpose()
    }

    /// Lists the refunds of a payment that operators requested.
    pub async fn refund_list(
        &self,
        payment: &PaymentId,
    ) -> Result<Vec<RequestedRefund>, StoreError> {
        let pk = keys::payment(payment).pk;
        let found = self.table.query_prefix(READ, pk, keys::REFUND).await?;
        found.iter().map(refund_of).collect()
    }

    /// Moves on to the next idempotency key, unless another run has done that.
    pub async fn refund_next_key(&self, refund: &RequestedRefund) -> Result<Finished, StoreError> {
        let seen = vec![("seen", number(refund.key_number))];
        let change = Change::of(keys::refund(&refund.key))
            .set("key_number", number(refund.key_number + 1))
            .when("#key_number = :seen", seen);
        self.refund_change(change).await
    }

    /// Records the refund that Stripe created.
    pub async fn refund_created(
        &self,
        key: &RefundKey,
        refund: &RefundId,
    ) -> Result<Finished, StoreError> {
        let change = Change::of(keys::refund(key)).set("refund", text(refund.as_str()));
        self.refund_change(ended(change)).await
    }

    /// Records that Stripe refuses the refund.
    pub async fn refund_refused(&self, key: &RefundKey, why: &str) -> Result<Finished, StoreError> {
        let change = Change::of(keys::refund(key)).set("refused", text(why));
        self.refund_change(ended(change)).await
    }

    async fn refund_change(&self, change: Change) -> Result<Finished, StoreError> {
        let changed = self.table.update("move a refund on", change);
        Ok(match changed.await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }
}

fn ended(change: Change) -> Change {
    change.remove("dx").remove("due_at").when(DUE, vec![])
}

fn attributes(refund: &RequestedRefund) -> Attributes {
    let key = keys::refund(&refund.key);
    let mut item = key.attributes();
    let share = match refund.share {
        Share::Rest => "rest",
        Share::Part => "part",
    };
    let more = [
        ("account", text(refund.account.as_str())),
        ("payment", text(refund.key.payment.as_str())),
        ("act", text(refund.key.act.as_str())),
        ("amount_minor", number(refund.amount.minor)),
        ("currency", text(refund.amount.currency.as_str())),
        ("share", text(share)),
        ("by", text(&refund.by)),
        ("reason", text(&refund.reason)),
        ("requested_at", time(refund.requested_at)),
        ("key_number", number(refund.key_number)),
        ("dx", text(keys::due(&key))),
        ("due_at", time(refund.requested_at)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item
}

fn refund_of(attributes: &Attributes) -> Result<RequestedRefund, StoreError> {
    let item = Item::new(attributes, READ);
    let progress = match (item.find_text("refund")?, item.find_text("refused")?) {
        (Some(refund), _) => {
            RefundProgress::Created(RefundId::parse(refund).map_err(|_| item.bad("refund"))?)
        }
        (None, Some(why)) => RefundProgress::Refused(why.to_owned()),
        (None, None) => RefundProgress::Requested,
    };
    Ok(RequestedRefund {
        key: RefundKey {
            payment: item.parsed("payment", PaymentId::parse)?,
            act: item.parsed("act", domain::ids::ActionId::parse)?,
        },
        account: item.parsed("account", AccountId::parse)?,
        amount: Money {
            minor: item.number("amount_minor")?,
            currency: item.parsed("currency", |code| Currency::parse(code).ok_or(()))?,
        },
        share: match item.text("share")? {
            "rest" => Share::Rest,
            "part" => Share::Part,
            _ => return Err(item.bad("share")),
        },
        by: item.text("by")?.to_owned(),
        reason: item.text("reason")?.to_owned(),
        requested_at: item.time("requested_at")?,
        progress,
        key_number: item.number("key_number")?,
    })
}

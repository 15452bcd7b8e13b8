//! Payments for credits: what is known about each, and the postings that follow from it, written in
//! one transaction.
//!
//! The stored payment decides what to post, so the row is read first. Both are written only if
//! nobody changed the row in between. A fact that was already recorded changes nothing.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::keys;
use crate::db::tx::{Committed, put_new, put_when};
use crate::ledger::postings::PostingRefused;
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::billing::payments::{
    Contradiction, CreditPurchase, Dispute, DisputePhase, ExpiredCredits, Observed, Payment,
    PaymentFact, Refund, RefundOutcome,
};
use domain::ids::{AccountId, DisputeId, PaymentId, RefundId};
use domain::ledger::{Entry, LotId, Posting};
use domain::time::Timestamp;
use domain::units::Credits;

/// The result of recording a fact about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentRecorded {
    /// The fact is new. Contains the entries posted with it, possibly none.
    News(Vec<Entry>),
    /// The fact was already known.
    Known,
    /// The fact contradicts what is known.
    Contradicts(Contradiction),
}

/// Reasons to refuse a fact, in order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Changed,
    Posting(PostingRefused),
    Expiry,
}

const LEARN: &str = "take in a payment";

impl Store {
    /// Records a fact about a payment, together with the postings that follow from it.
    pub async fn payment_record(
        &self,
        id: &PaymentId,
        fact: &PaymentFact,
        source: &str,
        now: Timestamp,
    ) -> Result<PaymentRecorded, StoreError> {
        self.while_contended(|| self.payment_learn_once(id, fact, source, now))
            .await
    }

    async fn payment_learn_once(
        &self,
        id: &PaymentId,
        fact: &PaymentFact,
        source: &str,
        now: Timestamp,
    ) -> Result<PaymentRecorded, StoreError> {
        let known = self
            .payment_find(id)
            .await?
            .unwrap_or_else(|| Payment::unknown(id.clone()));
        let learned = match known.learn(fact.clone(), source, now) {
            Ok(Some(learned)) => learned,
            Ok(None) => return Ok(PaymentRecorded::Known),
            Err(contradiction) => return Ok(PaymentRecorded::Contradicts(contradiction)),
        };
        let written = self.postings(LEARN, &learned.postings).await?;
        let mut tx = self.table.transaction(LEARN);
        tx.add(self.payment_put(&learned.payment, known.version))
            .or(Refusal::Changed);
        tx.join(&written.items, Refusal::Posting);
        if let Some(expiry) = self.expiry_put(&known, &learned.payment) {
            tx.add(expiry).or(Refusal::Expiry);
        }
        let wrong = |what: &str| StoreError::inconsistent(LEARN, format!("payment {id}: {what}"));
        match tx.commit().await? {
            Committed::Written => Ok(PaymentRecorded::News(
                learned
                    .postings
                    .iter()
                    .map(Posting::entry)
                    .cloned()
                    .collect(),
            )),
            // Another fact was recorded in the meantime, or this one was written and its response
            // was lost.
            Committed::Refused(Refusal::Changed, _) => Err(StoreError::contended(LEARN)),
            Committed::Refused(Refusal::Posting(refused), old) => {
                let post = written.post(refused, &old)?;
                Err(wrong(&format!("{post:?}")))
            }
            Committed::Refused(Refusal::Expiry, _) => Err(wrong("it expires already")),
        }
    }

    /// Reads what is known about a payment; strongly consistent.
    pub async fn payment_find(&self, id: &PaymentId) -> Result<Option<Payment>, StoreError> {
        let found = self.table.get("read a payment", &keys::payment(id)).await?;
        found.as_ref().map(|item| payment_of(id, item)).transpose()
    }

    /// Builds the row with the expiry day of the purchase, if this fact is the one that revealed
    /// the purchase.
    fn expiry_put(&self, known: &Payment, learned: &Payment) -> Option<TransactWriteItem> {
        let bought = learned
            .purchase
            .as_ref()
            .filter(|_| known.purchase.is_none())?;
        let day = bought.expires_at?.day();
        Some(put_new(
            &self.table,
            keys::expiry(&day, &LotId::Payment(learned.id.clone())).attributes(),
        ))
    }

    pub(crate) fn payment_put(&self, payment: &Payment, was: u64) -> TransactWriteItem {
        let item = payment_attributes(payment);
        match was {
            0 => put_when(&self.table, item, "attribute_not_exists(pk)", vec![]),
            _ => put_when(
                &self.table,
                item,
                "#version = :version",
                vec![("version", number(was))],
            ),
        }
    }
}

fn payment_attributes(payment: &Payment) -> Attributes {
    let mut item = keys::payment(&payment.id).attributes();
    let refund = |(id, refund): (&RefundId, &Refund)| {
        let outcome = if refund.outcome == RefundOutcome::Failed {
            "failed"
        } else {
            "made"
        };
        format!("{id} {} {outcome}", refund.minor)
    };
    let told = |told: Observed| if told == Observed::Yes { "yes" } else { "no" };
    let dispute = |(id, dispute): (&DisputeId, &Dispute)| {
        let Dispute {
            minor,
            phase,
            withdrawn,
            reinstated,
        } = dispute;
        format!(
            "{id} {minor} {} {} {}",
            phase.as_str(),
            told(*withdrawn),
            told(*reinstated)
        )
    };
    let more = [
        ("refunded_minor", number(payment.refunded_minor)),
        ("refunds", texts(payment.refunds.iter().map(refund))),
        ("disputes", texts(payment.disputes.iter().map(dispute))),
        ("taken", number(payment.taken.micros())),
        ("reversals", number(payment.reversals)),
        ("version", number(payment.version)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if let Some(bought) = &payment.purchase {
        let more = [
            ("account", text(bought.account.as_str())),
            ("credits", number(bought.credits.micros())),
            ("paid_minor", number(bought.paid_minor)),
            ("currency", text(&bought.currency)),
            ("what", text(&bought.what)),
            ("priced_by", text(&bought.priced_by)),
        ];
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
        item.extend(
            bought
                .expires_at
                .map(|end| ("expires_at".to_owned(), time(end))),
        );
    }
    if let Some(ExpiredCredits { credits, taken }) = payment.expired {
        let more = [
            ("expired", number(credits.micros())),
            ("expired_taken", number(taken.micros())),
        ];
        item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    item
}

fn payment_of(id: &PaymentId, attributes: &Attributes) -> Result<Payment, StoreError> {
    let item = Item::new(attributes, "read a payment");
    let refunds = item
        .texts("refunds")?
        .into_iter()
        .map(refund_of)
        .collect::<Option<_>>();
    let disputes = item
        .texts("disputes")?
        .into_iter()
        .map(dispute_of)
        .collect::<Option<_>>();
    let purchase = match item.find_text("account")? {
        None => None,
        Some(account) => Some(CreditPurchase {
            account: AccountId::parse(account).map_err(|_| item.bad("account"))?,
            credits: item.parsed_number("credits", Credits::from_micros)?,
            paid_minor: item.number("paid_minor")?,
            currency: item.text("currency")?.to_owned(),
            what: item.text("what")?.to_owned(),
            priced_by: item.text("priced_by")?.to_owned(),
            expires_at: item.find_time("expires_at")?,
        }),
    };
    let expired = match item.find_number("expired")? {
        None => None,
        Some(micros) => Some(ExpiredCredits {
            credits: Credits::from_micros(micros).ok_or_else(|| item.bad("expired"))?,
            taken: item.parsed_number("expired_taken", Credits::from_micros)?,
        }),
    };
    Ok(Payment {
        id: id.clone(),
        purchase,
        refunded_minor: item.number("refunded_minor")?,
        refunds: refunds.ok_or_else(|| item.bad("refunds"))?,
        disputes: disputes.ok_or_else(|| item.bad("disputes"))?,
        taken: item.parsed_number("taken", Credits::from_micros)?,
        reversals: item.number("reversals")?,
        expired,
        version: item.number("version")?,
    })
}

fn refund_of(line: &str) -> Option<(RefundId, Refund)> {
    let mut words = line.split(' ');
    let id = RefundId::parse(words.next()?).ok()?;
    let minor = words.next()?.parse().ok()?;
    let outcome = match words.next()? {
        "made" => RefundOutcome::Made,
        "failed" => RefundOutcome::Failed,
        _ => return None,
    };
    Some((id, Refund { minor, outcome }))
}

fn dispute_of(line: &str) -> Option<(DisputeId, Dispute)> {
    let told = |word: &str| match word {
        "yes" => Some(Observed::Yes),
        "no" => Some(Observed::No),
        _ => None,
    };
    let mut words = line.split(' ');
    let id = DisputeId::parse(words.next()?).ok()?;
    let minor = words.next()?.parse().ok()?;
    let phase = DisputePhase::parse(words.next()?)?;
    Some((
        id,
        Dispute {
            minor,
            phase,
            withdrawn: told(words.next()?)?,
            reinstated: told(words.next()?)?,
        },
    ))
}

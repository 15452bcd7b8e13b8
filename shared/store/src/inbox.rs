//! The event log: record once, act, finish once.
//!
//! Recording is one conditional put. Body parts stored separately are written first, so a head
//! never points to a missing body. If the put fails, the existing item shows whether the delivery
//! is a repeat or a forgery, without another read. A pending event is listed in index `state` at
//! the time it is due; a change of state removes it from that list.

pub(crate) mod bodies;
pub(crate) mod ingest;
pub(crate) mod pending;
pub(crate) mod recovery;

use crate::Inbox;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, bytes, number, text, time};
use crate::db::keys;
use crate::db::pages;
use crate::db::pages::{Cursor, Page, Placed};
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::inbox::bodies::{INLINE_BYTES_MAX, PART_BYTES};
use crate::inbox::pending::{DueEvent, due_event_of};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::ids::AccountId;
use domain::inbox::Provenance;
use domain::inbox::{
    Delivery, Digest, EventKey, EventRow, EventSource, EventState, Finish, KEPT_FOR, RESEND_AFTER,
    Verified,
};
use domain::time::Timestamp;
use domain::work::Lifecycle;

/// The result of recording a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// The event is new.
    New,
    /// The event exists and is still pending, so it has to be queued again.
    Pending,
    /// The event had failed, and is pending again because its sender delivers it again.
    Reopened,
    /// The event exists and is no longer pending.
    Settled,
    /// Another signed body is already stored under this id. The new one is quarantined under the
    /// given key.
    Quarantined(EventKey),
}

/// A recorded event with its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub row: EventRow,
    /// The exact bytes of the body.
    pub body: Vec<u8>,
}

/// Whether this call finished the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// This call finished the event.
    Now,
    /// The event was already finished.
    Already,
}

/// What an event that is pending again no longer has: its end and its failed attempts.
const REOPENED: [&str; 6] = ["fin", "out", "t", "nb", "os", "ttl"];
const RECORD: &str = "record an event";
const REOPEN: &str = "reopen an event";
const REPLAY: &str = "replay an event";

impl Inbox {
    /// Records a verified delivery.
    pub async fn record(
        &self,
        verified: &Verified<Delivery>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let delivery = verified.get();
        let head = self.put_body(delivery, &delivery.key, now).await?;
        let head = head_attributes(
            head,
            delivery,
            verified.provenance(),
            &delivery.key,
            EventState::Pending,
            now,
        );
        let Some(attributes) = self.put_new(head).await? else {
            return Ok(Recorded::New);
        };
        let old = Item::new(&attributes, RECORD);
        if old.bytes("d")? != delivery.digest.0 && !self.is_twin(verified, &old, now).await? {
            return self.quarantine(verified, now).await;
        }
        Ok(match state_of(&old)? {
            EventState::Pending => Recorded::Pending,
            // What we fetched ourselves is no new delivery.
            EventState::Failed if verified.provenance() == Provenance::ProviderApi => {
                Recorded::Settled
            }
            EventState::Failed => self.reopen(&delivery.key, attributes, now).await?,
            EventState::Processed
            | EventState::Ignored
            | EventState::Quarantined
            | EventState::Unattributed => Recorded::Settled,
        })
    }

    /// Makes a failed event pending again, with everything else that its row says. The put replaces
    /// exactly the failure that was found: of two deliveries one reopens the event, and a late one
    /// changes nothing if the event has failed again.
    async fn reopen(
        &self,
        key: &EventKey,
        mut item: Attributes,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let failed = ("failed", text(keys::state(key, EventState::Failed)));
        let fin = Item::new(&item, REOPEN).find_time("fin")?;
        let (condition, values) = match fin {
            Some(fin) => (
                "#sx = :failed AND #fin = :fin",
                vec![failed, ("fin", time(fin))],
            ),
            None => ("#sx = :failed AND attribute_not_exists(#fin)", vec![failed]),
        };
        for name in REOPENED {
            item.remove(name);
        }
        item.insert("sx".to_owned(), text(keys::state(key, EventState::Pending)));
        item.insert("at".to_owned(), time(now.plus(RESEND_AFTER)));
        let put = self.table.put_when(REOPEN, item, condition, values);
        Ok(match put.await? {
            Updated::Done(()) => Recorded::Reopened,
            Updated::Refused(_) => Recorded::Pending,
        })
    }

    /// Whether another body under a recorded id is the same event. A row that was fetched from the
    /// sender's API says nothing about the signed bytes, so the digest of the first signed body is
    /// kept beside it: the second one has to be equal.
    async fn is_twin(
        &self,
        verified: &Verified<Delivery>,
        old: &Item<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let first = provenance_of(old)?;
        let delivery = verified.get();
        if !verified.provenance().is_twin_of(first) {
            return Ok(false);
        }
        if verified.provenance() != Provenance::Signature {
            return Ok(true);
        }
        let mut signed = keys::signed(&delivery.key).attributes();
        signed.insert("d".to_owned(), bytes(delivery.digest.0));
        signed.insert("ttl".to_owned(), number(now.plus(KEPT_FOR).seconds()));
        match self.put_new(signed).await? {
            None => Ok(true),
            Some(kept) => Ok(Item::new(&kept, RECORD).bytes("d")? == delivery.digest.0),
        }
    }

    async fn quarantine(
        &self,
        verified: &Verified<Delivery>,
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        let delivery = verified.get();
        let digest = delivery.digest.to_string();
        let key = EventKey::parse(
            delivery.key.source(),
            &format!("{}#{}", delivery.key.id(), &digest[..16]),
        )
        .map_err(|_| StoreError::bad_item("quarantine an event", delivery.key.id(), "pk"))?;
        let head = self.put_body(delivery, &key, now).await?;
        let head = head_attributes(
            head,
            delivery,
            verified.provenance(),
            &key,
            EventState::Quarantined,
            now,
        );
        self.put_new(head).await?;
        Ok(Recorded::Quarantined(key))
    }

    /// Puts the parts of a body that is too large for its head. Returns the body attributes of the
    /// head.
    async fn put_body(
        &self,
        delivery: &Delivery,
        key: &EventKey,
        now: Timestamp,
    ) -> Result<Attributes, StoreError> {
        let (codec, packed) = bodies::pack_from(delivery.key.source(), &delivery.body);
        let mut head = Attributes::from([("c".to_owned(), number(codec))]);
        if packed.len() <= INLINE_BYTES_MAX {
            head.insert("b".to_owned(), bytes(packed));
            return Ok(head);
        }
        for (part, chunk) in packed.chunks(PART_BYTES).enumerate() {
            let mut item = keys::body(key, delivery.digest, part).attributes();
            item.insert("b".to_owned(), bytes(chunk));
            item.insert("ttl".to_owned(), number(now.plus(KEPT_FOR).seconds()));
            self.put_new(item).await?;
        }
        Ok(head)
    }

    /// Puts an item that must not exist yet. Returns the existing item if there is one.
    async fn put_new(&self, item: Attributes) -> Result<Option<Attributes>, StoreError> {
        Ok(match self.table.put_new(RECORD, item).await? {
            Updated::Done(()) => None,
            Updated::Refused(old) => Some(old),
        })
    }

    /// Reads an event with its body.
    pub async fn find(&self, key: &EventKey) -> Result<Option<Event>, StoreError> {
        let Some(head) = self.head(key).await? else {
            return Ok(None);
        };
        let item = Item::new(&head, "read an event");
        let row = row_of(key.clone(), &item)?;
        let packed = match item.find_bytes("b")? {
            Some(inline) => inline.to_vec(),
            None => self.parts(key, &item).await?,
        };
        let length = usize::try_from(row.body_bytes).map_err(|_| item.bad("len"))?;
        let body = bodies::unpack(item.number("c")?, &packed, length)?;
        Ok(Some(Event { row, body }))
    }

    /// Reads an event without its body.
    pub async fn find_row(&self, key: &EventKey) -> Result<Option<EventRow>, StoreError> {
        let Some(head) = self.head(key).await? else {
            return Ok(None);
        };
        row_of(key.clone(), &Item::new(&head, "read an event")).map(Some)
    }

    async fn head(&self, key: &EventKey) -> Result<Option<Attributes>, StoreError> {
        let found = self.table.get("read an event", &keys::event(key)).await?;
        Ok(found)
    }

    async fn parts(&self, key: &EventKey, head: &Item<'_>) -> Result<Vec<u8>, StoreError> {
        let digest: [u8; 32] = head.bytes("d")?.try_into().map_err(|_| head.bad("d"))?;
        let mut packed = Vec::new();
        for part in self
            .table
            .query_prefix(
                "read a body",
                keys::event(key).pk,
                keys::body_prefix(Digest(digest)),
            )
            .await?
        {
            packed.extend_from_slice(Item::new(&part, "read a body").bytes("b")?);
        }
        Ok(packed)
    }

    /// Finishes a pending event. Only the function that acted on it calls this.
    pub async fn finish(
        &self,
        key: &EventKey,
        finish: &Finish,
        now: Timestamp,
    ) -> Result<Finished, StoreError> {
        let outcome = domain::text::truncate(finish.outcome(), 200);
        let mut change = Change::of(keys::event(key))
            .set("sx", text(keys::state(key, finish.state())))
            .set_expression("#at = #rx", vec![])
            .set("fin", time(now))
            .set("out", text(outcome))
            .when(
                "#sx = :pending",
                vec![("pending", text(keys::state(key, EventState::Pending)))],
            );
        // An event that waits for an operator is kept until they have looked at it.
        if !matches!(
            finish.state(),
            EventState::Failed | EventState::Unattributed
        ) {
            change = change.set("ttl", number(now.plus(KEPT_FOR).seconds()));
        }
        Ok(match self.table.update("finish an event", change).await? {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }

    /// Makes an event pending again, whatever its state. The caller must then queue it.
    pub async fn replay(
        &self,
        key: &EventKey,
        now: Timestamp,
    ) -> Result<Option<EventRow>, StoreError> {
        self.pending_again(
            pending_again(key, now).when("attribute_exists(pk)", vec![]),
            key,
        )
        .await
    }

    /// Assigns an event to an account and makes it pending again. Returns `None` if the event does
    /// not exist or already belongs to another account.
    pub async fn attribute(
        &self,
        key: &EventKey,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Option<EventRow>, StoreError> {
        let change = pending_again(key, now)
            .set("acct", text(account.as_str()))
            .when(
                "attribute_exists(pk) AND (attribute_not_exists(#acct) OR #acct = :acct)",
                vec![],
            );
        self.pending_again(change, key).await
    }

    async fn pending_again(
        &self,
        change: Change,
        key: &EventKey,
    ) -> Result<Option<EventRow>, StoreError> {
        let pending = self
            .table
            .update_returning(REPLAY, change, ReturnValue::AllNew);
        match pending.await? {
            Updated::Done(row) => row_of(key.clone(), &Item::new(&row, REPLAY)).map(Some),
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Lists the events of one source in these states, newest first.
    pub async fn list(
        &self,
        source: EventSource,
        states: &[EventState],
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<EventRow>, StoreError> {
        let partitions = states.iter().flat_map(|state| {
            (0..keys::SHARDS).map(|shard| keys::state_shard(source, *state, shard))
        });
        let found = futures::future::try_join_all(
            partitions.map(|sx| self.newest(source, sx, from, limit)),
        )
        .await?;
        let Page { rows, next } = pages::page(found.into_iter().flatten().collect(), limit);
        let rows = futures::future::try_join_all(rows.iter().map(|key| self.find_row(key))).await?;
        Ok(Page {
            rows: rows.into_iter().flatten().collect(),
            next,
        })
    }

    /// Reads one partition of the index after the cursor.
    async fn newest(
        &self,
        source: EventSource,
        sx: String,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Vec<Placed<EventKey>>, StoreError> {
        let query = self
            .table
            .query()
            .index_name("state")
            .key_condition_expression("sx = :sx AND #at <= :from")
            .expression_attribute_values(":sx", text(sx));
        pages::newest("list events", query, (from, limit), |attributes| {
            let DueEvent { key, due_at } = due_event_of(source, attributes)?;
            Ok(Some(Placed::new(due_at, key.id().to_owned(), key)))
        })
        .await
    }
}

fn head_attributes(
    mut head: Attributes,
    delivery: &Delivery,
    provenance: Provenance,
    key: &EventKey,
    state: EventState,
    now: Timestamp,
) -> Attributes {
    head.extend(keys::event(key).attributes());
    let at = if state == EventState::Pending {
        now.plus(RESEND_AFTER)
    } else {
        now
    };
    let more: [(&str, AttributeValue); 6] = [
        ("sx", text(keys::state(key, state))),
        ("at", time(at)),
        ("rx", time(now)),
        ("n", text(&delivery.name)),
        ("d", bytes(delivery.digest.0)),
        ("len", number(delivery.body.len())),
    ];
    head.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if provenance != Provenance::Signature {
        head.insert("p".to_owned(), text(provenance.as_str()));
    }
    head
}

fn state_of(item: &Item<'_>) -> Result<EventState, StoreError> {
    let state = item
        .text("sx")?
        .split('#')
        .nth(1)
        .and_then(EventState::parse);
    state.ok_or_else(|| item.bad("sx"))
}

/// A signature is the normal case, so only other provenances are stored.
fn provenance_of(item: &Item<'_>) -> Result<Provenance, StoreError> {
    match item.find_text("p")? {
        None => Ok(Provenance::Signature),
        Some(word) => Provenance::parse(word).ok_or_else(|| item.bad("p")),
    }
}

fn row_of(key: EventKey, item: &Item<'_>) -> Result<EventRow, StoreError> {
    let digest: [u8; 32] = item.bytes("d")?.try_into().map_err(|_| item.bad("d"))?;
    Ok(EventRow {
        key,
        name: item.text("n")?.to_owned(),
        state: state_of(item)?,
        provenance: provenance_of(item)?.as_str().to_owned(),
        received_at: item.time("rx")?,
        listed_at: item.time("at")?,
        processed_at: item.find_time("fin")?,
        outcome: item.find_text("out")?.map(str::to_owned),
        tries: Lifecycle {
            attempts: item.find_number("t")?.unwrap_or(0),
            not_before: item.find_time("nb")?,
            outage_since: item.find_time("os")?,
            ..Lifecycle::default()
        },
        account: item
            .find_text("acct")?
            .map(AccountId::parse)
            .transpose()
            .map_err(|_| item.bad("acct"))?,
        digest: Digest(digest).to_string(),
        body_bytes: item.number("len")?,
    })
}

fn pending_again(key: &EventKey, now: Timestamp) -> Change {
    let change = Change::of(keys::event(key))
        .set("sx", text(keys::state(key, EventState::Pending)))
        .set("at", time(now.plus(RESEND_AFTER)));
    REOPENED.into_iter().fold(change, Change::remove)
}

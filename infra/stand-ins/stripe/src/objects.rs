//! Stripe's objects, stored by kind and id as the JSON that Stripe answers. Creations and changes
//! emit events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::error::ApiError;
use super::params::Params;

/// A kind of object: its `object` field, its name in messages and the prefix of its ids.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub object: &'static str,
    pub noun: &'static str,
    pub prefix: &'static str,
}

const fn kind(object: &'static str, noun: &'static str, prefix: &'static str) -> Kind {
    Kind {
        object,
        noun,
        prefix,
    }
}

pub(super) const BALANCE_TRANSACTION: Kind = kind(
    "customer_balance_transaction",
    "customer balance transaction",
    "cbtxn",
);
pub(super) const CHARGE: Kind = kind("charge", "charge", "ch");
pub(super) const CUSTOMER: Kind = kind("customer", "customer", "cus");
pub(super) const DESTINATION: Kind =
    kind("v2.core.event_destination", "event destination", "ed_test");
pub(super) const DISPUTE: Kind = kind("dispute", "dispute", "dp");
pub(super) const ENDPOINT: Kind = kind("webhook_endpoint", "webhook endpoint", "we");
pub(super) const EVENT: Kind = kind("event", "event", "evt");
pub(super) const INTENT: Kind = kind("payment_intent", "payment_intent", "pi");
pub(super) const INVOICE: Kind = kind("invoice", "invoice", "in");
pub(super) const INVOICE_PAYMENT: Kind = kind("invoice_payment", "invoice payment", "inpay");
pub(super) const METER: Kind = kind("billing.meter", "meter", "mtr_test");
pub(super) const METHOD: Kind = kind("payment_method", "PaymentMethod", "pm");
pub(super) const PORTAL: Kind = kind("billing_portal.configuration", "configuration", "bpc");
pub(super) const PORTAL_SESSION: Kind = kind("billing_portal.session", "portal session", "bps");
pub(super) const PRICE: Kind = kind("price", "price", "price");
pub(super) const PRODUCT: Kind = kind("product", "product", "prod");
pub(super) const REFUND: Kind = kind("refund", "refund", "re");
pub(super) const SCHEDULE: Kind = kind(
    "subscription_schedule",
    "subscription schedule",
    "sub_sched",
);
pub(super) const SESSION: Kind = kind("checkout.session", "checkout.session", "cs_test");
pub(super) const SETUP: Kind = kind("setup_intent", "setupintent", "seti");
pub(super) const SUBSCRIPTION: Kind = kind("subscription", "subscription", "sub");

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Objects {
    /// In the order of creation.
    by_kind: BTreeMap<String, Vec<Value>>,
    last_id: u64,
}

impl Objects {
    pub fn fresh_id(&mut self, prefix: &str) -> String {
        self.last_id += 1;
        let hash = hex::encode(Sha256::digest(format!("{prefix} {}", self.last_id)));
        format!("{prefix}_{}", &hash[..24])
    }

    /// Adds a new object and emits its event.
    pub fn create(&mut self, kind: Kind, event: &str, object: Value, now: i64) -> Value {
        self.by_kind
            .entry(kind.object.to_owned())
            .or_default()
            .push(object.clone());
        self.record_event(event, &object, None, now);
        object
    }

    /// Adds a new object without an event.
    pub fn insert(&mut self, kind: Kind, object: Value) {
        self.by_kind
            .entry(kind.object.to_owned())
            .or_default()
            .push(object);
    }

    /// Changes an object and emits an event if anything changed.
    pub fn update(
        &mut self,
        kind: Kind,
        id: &str,
        event: &str,
        now: i64,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Value, ApiError> {
        let (before, after) = self.change(kind, id, change)?;
        if before != after {
            self.record_event(event, &after, Some(difference(&before, &after)), now);
        }
        Ok(after)
    }

    /// Changes an object without an event. Returns it before and after.
    pub fn change(
        &mut self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<(Value, Value), ApiError> {
        let list = self.by_kind.entry(kind.object.to_owned()).or_default();
        let found = list
            .iter_mut()
            .find(|object| object["id"] == id)
            .and_then(Value::as_object_mut);
        let object = found.ok_or_else(|| ApiError::no_such(kind.noun, id))?;
        let before = Value::Object(object.clone());
        change(object);
        Ok((before, Value::Object(object.clone())))
    }

    /// Emits an event about an object, even one that was just removed.
    pub fn emit(&mut self, event: &str, object: &Value, now: i64) {
        self.record_event(event, object, None, now);
    }

    /// Emits an event about a change that was already made.
    pub fn emit_change(&mut self, event: &str, before: &Value, after: &Value, now: i64) {
        self.record_event(event, after, Some(difference(before, after)), now);
    }

    /// Removes an object.
    pub fn remove(&mut self, kind: Kind, id: &str) -> Result<Value, ApiError> {
        let list = self.by_kind.entry(kind.object.to_owned()).or_default();
        let at = list.iter().position(|object| object["id"] == id);
        at.map(|at| list.remove(at))
            .ok_or_else(|| ApiError::no_such(kind.noun, id))
    }

    pub fn find(&self, kind: Kind, id: &str) -> Result<&Value, ApiError> {
        self.all(kind)
            .find(|object| object["id"] == id)
            .ok_or_else(|| ApiError::no_such(kind.noun, id))
    }

    /// Newest first, as Stripe lists them.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.by_kind.get(kind.object).into_iter().flatten().rev()
    }

    /// The events after the first `after`. Marks them as delivered.
    pub fn take_events(&mut self, after: usize) -> Vec<Value> {
        let events = self
            .by_kind
            .get_mut(EVENT.object)
            .and_then(|events| events.get_mut(after..))
            .unwrap_or_default();
        let taken = events.to_vec();
        events
            .iter_mut()
            .for_each(|event| event["pending_webhooks"] = json!(0));
        taken
    }

    /// The object with this id, of any kind.
    pub fn any(&self, id: &str) -> Option<&Value> {
        self.by_kind
            .values()
            .flatten()
            .find(|object| object["id"] == id)
    }

    fn record_event(&mut self, event: &str, object: &Value, previous: Option<Value>, now: i64) {
        let id = self.fresh_id(EVENT.prefix);
        let mut data = json!({"object": shown(object)});
        if let Some(previous) = previous {
            data["previous_attributes"] = previous;
        }
        let event = json!({
            "id": id,
            "object": EVENT.object,
            "api_version": API_VERSION,
            "created": now,
            "data": data,
            "livemode": false,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null},
            "type": event,
        });
        self.by_kind
            .entry(EVENT.object.to_owned())
            .or_default()
            .push(event);
    }
}

/// Fields that are stored with an object but shown only on request, or never.
pub(super) const TIERS: &str = "tiers";
pub(super) const LINE_ITEMS: &str = "line_items";
pub(super) const PRIVATE: &str = "_private";

/// An object as Stripe shows it without `expand`.
pub(super) fn shown(object: &Value) -> Value {
    let mut object = object.clone();
    let kind = object["object"].as_str().unwrap_or_default().to_owned();
    if let Some(fields) = object.as_object_mut() {
        fields.remove(PRIVATE);
        if kind == PRICE.object {
            fields.remove(TIERS);
        } else if kind == SESSION.object {
            fields.remove(LINE_ITEMS);
        }
    }
    if kind == PORTAL.object {
        object["features"]["subscription_update"]
            .as_object_mut()
            .and_then(|updates| updates.remove("products"));
    }
    object
}

/// The previous values of changed fields; null for new fields. Lists are compared as a whole.
fn difference(before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return before.clone();
    };
    let names = old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)));
    let changed = names.filter(|name| *name != PRIVATE && old.get(*name) != new.get(*name));
    let null = Value::Null;
    let was = |name: &String| {
        (
            name.clone(),
            difference(
                old.get(name).unwrap_or(&null),
                new.get(name).unwrap_or(&null),
            ),
        )
    };
    Value::Object(changed.map(was).collect())
}

/// The parameters that every list accepts.
pub(super) const PAGING: [&str; 3] = ["limit", "starting_after", "ending_before"];

type Relation = (&'static str, fn(i64, i64) -> bool);

const RELATIONS: [Relation; 5] = [
    ("created", |at, limit| at == limit),
    ("created[gt]", |at, limit| at > limit),
    ("created[gte]", |at, limit| at >= limit),
    ("created[lt]", |at, limit| at < limit),
    ("created[lte]", |at, limit| at <= limit),
];

/// One page of a list in Stripe's envelope, filtered by `created`.
pub(super) fn list(url: &str, params: &Params, mut items: Vec<Value>) -> Result<Value, ApiError> {
    for (relation, holds) in RELATIONS {
        if let Some(limit) = params.integer(relation)? {
            items.retain(|item| {
                item["created"]
                    .as_i64()
                    .is_some_and(|created| holds(created, limit))
            });
        }
    }
    let limit = params.integer("limit")?.unwrap_or(10);
    let size = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit));
    let size = size.ok_or_else(|| {
        ApiError::parameter(
            "limit",
            "parameter_invalid_integer",
            "Limit must be an integer between 1 and 100",
        )
    })?;
    let position = |cursor: &str, param| {
        let found = items.iter().position(|item| item["id"] == cursor);
        found.ok_or_else(|| {
            ApiError::parameter(
                param,
                "resource_missing",
                format!("No such object: '{cursor}'"),
            )
        })
    };
    // With `ending_before`, the page is the part closest to the cursor, still newest first.
    let (page, has_more) = if let Some(cursor) = params.get("ending_before") {
        let end = position(cursor, "ending_before")?;
        let start = end.saturating_sub(size);
        (&items[start..end], start > 0)
    } else {
        let start = params
            .get("starting_after")
            .map(|cursor| position(cursor, "starting_after"))
            .transpose()?;
        let rest = &items[start.map_or(0, |start| start + 1)..];
        (&rest[..size.min(rest.len())], rest.len() > size)
    };
    let page: Vec<Value> = page.iter().map(shown).collect();
    Ok(json!({"object": "list", "url": url, "has_more": has_more, "data": page}))
}

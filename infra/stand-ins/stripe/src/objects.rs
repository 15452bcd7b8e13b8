//! The shelf of Stripe objects: each kept as the JSON Stripe would answer, found by its `object` kind and id.
//! Every creation and change leaves an event, as on Stripe.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::params::Params;
use super::refusal::Refusal;

/// A kind of object: its `object` field, and what Stripe calls one in a sentence.
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

pub(super) const CHARGE: Kind = kind("charge", "charge", "ch");
pub(super) const CUSTOMER: Kind = kind("customer", "customer", "cus");
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
pub(super) const SESSION: Kind = kind("checkout.session", "checkout.session", "cs_test");
pub(super) const SETUP: Kind = kind("setup_intent", "setupintent", "seti");
pub(super) const SUBSCRIPTION: Kind = kind("subscription", "subscription", "sub");

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Objects {
    /// In the order of their creation.
    by_kind: BTreeMap<String, Vec<Value>>,
    last_id: u64,
}

impl Objects {
    pub fn fresh_id(&mut self, prefix: &str) -> String {
        self.last_id += 1;
        let hash = hex::encode(Sha256::digest(format!("{prefix} {}", self.last_id)));
        format!("{prefix}_{}", &hash[..24])
    }

    /// Puts a new object on the shelf and leaves its event.
    pub fn create(&mut self, kind: Kind, event: &str, object: Value, now: i64) -> Value {
        self.by_kind
            .entry(kind.object.to_owned())
            .or_default()
            .push(object.clone());
        self.leave_event(event, &object, None, now);
        object
    }

    /// Puts a new object on the shelf of which nobody is told.
    pub fn shelve(&mut self, kind: Kind, object: Value) {
        self.by_kind
            .entry(kind.object.to_owned())
            .or_default()
            .push(object);
    }

    /// Changes an object and leaves its event, unless nothing changed.
    pub fn update(
        &mut self,
        kind: Kind,
        id: &str,
        event: &str,
        now: i64,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Value, Refusal> {
        let (before, after) = self.change(kind, id, change)?;
        if before != after {
            self.leave_event(event, &after, Some(difference(&before, &after)), now);
        }
        Ok(after)
    }

    /// Changes an object without an event; what it was before, and what it is now.
    pub fn change(
        &mut self,
        kind: Kind,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<(Value, Value), Refusal> {
        let shelf = self.by_kind.entry(kind.object.to_owned()).or_default();
        let found = shelf
            .iter_mut()
            .find(|object| object["id"] == id)
            .and_then(Value::as_object_mut);
        let object = found.ok_or_else(|| Refusal::no_such(kind.noun, id))?;
        let before = Value::Object(object.clone());
        change(object);
        Ok((before, Value::Object(object.clone())))
    }

    /// Leaves an event about an object as it is now, or as it was when it went.
    pub fn announce(&mut self, event: &str, object: &Value, now: i64) {
        self.leave_event(event, object, None, now);
    }

    /// Leaves an event about a change that was made before.
    pub fn announce_change(&mut self, event: &str, before: &Value, after: &Value, now: i64) {
        self.leave_event(event, after, Some(difference(before, after)), now);
    }

    /// Takes an object off the shelf.
    pub fn remove(&mut self, kind: Kind, id: &str) -> Result<Value, Refusal> {
        let shelf = self.by_kind.entry(kind.object.to_owned()).or_default();
        let at = shelf.iter().position(|object| object["id"] == id);
        at.map(|at| shelf.remove(at))
            .ok_or_else(|| Refusal::no_such(kind.noun, id))
    }

    pub fn find(&self, kind: Kind, id: &str) -> Result<&Value, Refusal> {
        self.all(kind)
            .find(|object| object["id"] == id)
            .ok_or_else(|| Refusal::no_such(kind.noun, id))
    }

    /// Newest first, as Stripe lists them.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.by_kind.get(kind.object).into_iter().flatten().rev()
    }

    /// The events after the first so many, which count as delivered from now on.
    pub fn hand_over(&mut self, after: usize) -> Vec<Value> {
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

    /// Whatever has this id.
    pub fn any(&self, id: &str) -> Option<&Value> {
        self.by_kind
            .values()
            .flatten()
            .find(|object| object["id"] == id)
    }

    fn leave_event(&mut self, event: &str, object: &Value, previous: Option<Value>, now: i64) {
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

/// What is kept with an object and only shown on request, or never.
pub(super) const TIERS: &str = "tiers";
pub(super) const LINE_ITEMS: &str = "line_items";
pub(super) const PRIVATE: &str = "_private";

/// An object as Stripe shows it to those who expand nothing.
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

/// What the fields that changed were before; a field that is new was null. Lists are told as a whole.
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

/// The parameters every list takes.
pub(super) const PAGING: [&str; 3] = ["limit", "starting_after", "ending_before"];

type Relation = (&'static str, fn(i64, i64) -> bool);

const RELATIONS: [Relation; 5] = [
    ("created", |at, limit| at == limit),
    ("created[gt]", |at, limit| at > limit),
    ("created[gte]", |at, limit| at >= limit),
    ("created[lt]", |at, limit| at < limit),
    ("created[lte]", |at, limit| at <= limit),
];

/// One page of a list, in Stripe's envelope; of what was created when the parameters say, where they do.
pub(super) fn list(url: &str, params: &Params, mut items: Vec<Value>) -> Result<Value, Refusal> {
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
        Refusal::parameter(
            "limit",
            "parameter_invalid_integer",
            "Limit must be an integer between 1 and 100",
        )
    })?;
    let position = |cursor: &str, param| {
        let found = items.iter().position(|item| item["id"] == cursor);
        found.ok_or_else(|| {
            Refusal::parameter(
                param,
                "resource_missing",
                format!("No such object: '{cursor}'"),
            )
        })
    };
    // Towards newer items the page is the part nearest to the cursor, still newest first.
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

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

pub(super) const CUSTOMER: Kind = Kind { object: "customer", noun: "customer", prefix: "cus" };
pub(super) const EVENT: Kind = Kind { object: "event", noun: "event", prefix: "evt" };
pub(super) const METER: Kind = Kind { object: "billing.meter", noun: "meter", prefix: "mtr_test" };

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
        self.by_kind.entry(kind.object.to_owned()).or_default().push(object.clone());
        self.leave_event(event, &object, now);
        object
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
        let shelf = self.by_kind.entry(kind.object.to_owned()).or_default();
        let found = shelf.iter_mut().find(|object| object["id"] == id).and_then(Value::as_object_mut);
        let object = found.ok_or_else(|| Refusal::no_such(kind.noun, id))?;
        let before = object.clone();
        change(object);
        let (after, changed) = (Value::Object(object.clone()), before != *object);
        if changed {
            self.leave_event(event, &after, now);
        }
        Ok(after)
    }

    pub fn find(&self, kind: Kind, id: &str) -> Result<&Value, Refusal> {
        self.all(kind).find(|object| object["id"] == id).ok_or_else(|| Refusal::no_such(kind.noun, id))
    }

    /// Newest first, as Stripe lists them.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.by_kind.get(kind.object).into_iter().flatten().rev()
    }

    fn leave_event(&mut self, event: &str, object: &Value, now: i64) {
        let id = self.fresh_id(EVENT.prefix);
        let event = json!({
            "id": id,
            "object": EVENT.object,
            "api_version": API_VERSION,
            "created": now,
            "data": {"object": object},
            "livemode": false,
            "pending_webhooks": 0,
            "request": {"id": null, "idempotency_key": null},
            "type": event,
        });
        self.by_kind.entry(EVENT.object.to_owned()).or_default().push(event);
    }
}

/// The parameters every list takes.
pub(super) const PAGING: [&str; 3] = ["limit", "starting_after", "ending_before"];

/// One page of a list, in Stripe's envelope.
pub(super) fn list(url: &str, params: &Params, items: Vec<Value>) -> Result<Value, Refusal> {
    let limit = params.integer("limit")?.unwrap_or(10);
    let size = usize::try_from(limit).ok().filter(|limit| (1..=100).contains(limit));
    let size = size.ok_or_else(|| {
        Refusal::parameter("limit", "parameter_invalid_integer", "Limit must be an integer between 1 and 100")
    })?;
    let position = |cursor: &str, param| {
        let found = items.iter().position(|item| item["id"] == cursor);
        found.ok_or_else(|| Refusal::parameter(param, "resource_missing", format!("No such object: '{cursor}'")))
    };
    // Towards newer items the page is the part nearest to the cursor, still newest first.
    let (page, has_more) = if let Some(cursor) = params.get("ending_before") {
        let end = position(cursor, "ending_before")?;
        let start = end.saturating_sub(size);
        (&items[start..end], start > 0)
    } else {
        let start = params.get("starting_after").map(|cursor| position(cursor, "starting_after")).transpose()?;
        let rest = &items[start.map_or(0, |start| start + 1)..];
        (&rest[..size.min(rest.len())], rest.len() > size)
    };
    Ok(json!({"object": "list", "url": url, "has_more": has_more, "data": page}))
}

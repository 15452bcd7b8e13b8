//! The locked account: its state, the current time and the address of the pages. The lock is held
//! for the whole request, so each request is atomic.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use axum::Json;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::objects::{Kind, SESSION, shown};
use super::{State, Stripe};

/// The answer to a call.
pub(super) type Answer = Result<Json<Value>, ApiError>;

pub(super) struct Account<'a> {
    state: MutexGuard<'a, State>,
    pub now: i64,
    pub site: String,
}

impl Stripe {
    /// Locks the account. Expires overdue checkout sessions first.
    pub(super) fn account(&self) -> Account<'_> {
        let site = self.moment().site.clone();
        let mut account = Account {
            now: self.seconds(),
            site,
            state: self.lock(),
        };
        account.expire_overdue();
        account
    }

    /// An object as Stripe would answer it.
    pub(super) fn read(&self, kind: Kind, id: &str) -> Result<Value, ApiError> {
        self.account().find(kind, id).map(|object| shown(&object))
    }

    /// All objects of a kind, oldest first.
    pub(super) fn read_all(&self, kind: Kind) -> Vec<Value> {
        let mut all: Vec<Value> = self.account().objects.all(kind).map(shown).collect();
        all.reverse();
        all
    }
}

impl Deref for Account<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Account<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Account<'_> {
    pub fn fresh_id(&mut self, kind: Kind) -> String {
        self.objects.fresh_id(kind.prefix)
    }

    pub fn find(&self, kind: Kind, id: &str) -> Result<Value, ApiError> {
        self.objects.find(kind, id).cloned()
    }

    /// The objects that match, newest first.
    pub fn select(&self, kind: Kind, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.objects
            .all(kind)
            .filter(|object| wanted(object))
            .cloned()
            .collect()
    }

    /// Adds a new object and emits its event.
    pub fn create(&mut self, kind: Kind, event: &str, object: Value) -> Value {
        let now = self.now;
        self.objects.create(kind, event, object, now)
    }

    /// Sets fields of an object without an event.
    pub fn set(&mut self, kind: Kind, id: &str, fields: Value) -> Result<Value, ApiError> {
        self.objects
            .change(kind, id, |object| put(object, fields))
            .map(|(_, after)| after)
    }

    /// Sets fields of an object and emits an event if anything changed.
    pub fn update(
        &mut self,
        kind: Kind,
        id: &str,
        event: &str,
        fields: Value,
    ) -> Result<Value, ApiError> {
        let now = self.now;
        self.objects
            .update(kind, id, event, now, |object| put(object, fields))
    }

    /// Sets fields of an object and emits several events. Only the last one carries the previous
    /// attributes.
    pub fn update_and_emit(
        &mut self,
        kind: Kind,
        id: &str,
        events: &[&str],
        fields: Value,
    ) -> Result<Value, ApiError> {
        let now = self.now;
        let (before, after) = self
            .objects
            .change(kind, id, |object| put(object, fields))?;
        let Some((last, first)) = events.split_last() else {
            return Ok(after);
        };
        first
            .iter()
            .for_each(|event| self.objects.emit(event, &after, now));
        self.objects.emit_change(last, &before, &after, now);
        Ok(after)
    }

    /// Emits an event about an object.
    pub fn emit(&mut self, event: &str, object: &Value) {
        let now = self.now;
        self.objects.emit(event, object, now);
    }

    fn expire_overdue(&mut self) {
        let now = self.now;
        let overdue = |session: &Value| {
            session["status"] == "open"
                && session["expires_at"]
                    .as_i64()
                    .is_some_and(|expires_at| expires_at <= now)
        };
        let mut overdue = self.select(SESSION, overdue);
        while let Some(session) = overdue.pop() {
            self.close_unpaid(text(&session, "id"));
        }
    }
}

fn put(object: &mut Map<String, Value>, fields: Value) {
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
}

/// Wraps an object as an answer.
pub(super) fn answer(object: &Value) -> Answer {
    Ok(Json(shown(object)))
}

/// A text field; empty if it is missing.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// An integer field; 0 if it is missing.
pub(super) fn number(object: &Value, field: &str) -> i64 {
    object[field].as_i64().unwrap_or_default()
}

/// Builds an object from its fields and the names of its null fields.
pub(super) fn shape(nulls: &[&str], fields: Value) -> Value {
    let mut object: Map<String, Value> = nulls
        .iter()
        .map(|name| ((*name).to_owned(), Value::Null))
        .collect();
    put(&mut object, fields);
    Value::Object(object)
}

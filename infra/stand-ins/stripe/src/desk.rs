//! One hand at the account: the state, locked, with the moment and the address at which the pages stand. What happens
//! in one visit to the desk happens at once; nobody sees half of it.

use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use axum::Json;
use serde_json::{Map, Value};

use super::objects::{Kind, SESSION, shown};
use super::refusal::Refusal;
use super::{State, Stripe};

/// What a call answers.
pub(super) type Answer = Result<Json<Value>, Refusal>;

pub(super) struct Desk<'a> {
    state: MutexGuard<'a, State>,
    pub now: i64,
    pub site: String,
}

impl Stripe {
    /// Opens the desk. What fell due by the clock alone has happened before anybody looks.
    pub(super) fn desk(&self) -> Desk<'_> {
        let site = self.moment().site.clone();
        let mut desk = Desk {
            now: self.seconds(),
            site,
            state: self.lock(),
        };
        desk.expire_overdue();
        desk
    }

    /// An object as Stripe would answer it.
    pub(super) fn read(&self, kind: Kind, id: &str) -> Result<Value, Refusal> {
        self.desk().find(kind, id).map(|object| shown(&object))
    }

    /// All objects of a kind, oldest first.
    pub(super) fn read_all(&self, kind: Kind) -> Vec<Value> {
        let mut all: Vec<Value> = self.desk().objects.all(kind).map(shown).collect();
        all.reverse();
        all
    }
}

impl Deref for Desk<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Desk<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Desk<'_> {
    pub fn fresh_id(&mut self, kind: Kind) -> String {
        self.objects.fresh_id(kind.prefix)
    }

    pub fn find(&self, kind: Kind, id: &str) -> Result<Value, Refusal> {
        self.objects.find(kind, id).cloned()
    }

    /// Newest first, those that are wanted.
    pub fn select(&self, kind: Kind, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        self.objects
            .all(kind)
            .filter(|object| wanted(object))
            .cloned()
            .collect()
    }

    /// Puts a new object on its shelf and tells of it.
    pub fn create(&mut self, kind: Kind, event: &str, object: Value) -> Value {
        let now = self.now;
        self.objects.create(kind, event, object, now)
    }

    /// Puts fields in place of what an object has, without a word.
    pub fn set(&mut self, kind: Kind, id: &str, fields: Value) -> Result<Value, Refusal> {
        self.objects
            .change(kind, id, |object| put(object, fields))
            .map(|(_, after)| after)
    }

    /// Puts fields in place of what an object has, and tells of it if that changes anything.
    pub fn update(
        &mut self,
        kind: Kind,
        id: &str,
        event: &str,
        fields: Value,
    ) -> Result<Value, Refusal> {
        let now = self.now;
        self.objects
            .update(kind, id, event, now, |object| put(object, fields))
    }

    /// Puts fields in place of what an object has, and tells of it once under each name: the first time as it is, the
    /// last time with what it was.
    pub fn turn(
        &mut self,
        kind: Kind,
        id: &str,
        events: &[&str],
        fields: Value,
    ) -> Result<Value, Refusal> {
        let now = self.now;
        let (before, after) = self
            .objects
            .change(kind, id, |object| put(object, fields))?;
        let Some((last, first)) = events.split_last() else {
            return Ok(after);
        };
        first
            .iter()
            .for_each(|event| self.objects.announce(event, &after, now));
        self.objects.announce_change(last, &before, &after, now);
        Ok(after)
    }

    /// Tells of an object as it is.
    pub fn announce(&mut self, event: &str, object: &Value) {
        let now = self.now;
        self.objects.announce(event, object, now);
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

/// An object as an answer.
pub(super) fn answer(object: &Value) -> Answer {
    Ok(Json(shown(object)))
}

/// A text field; empty where there is none.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object[field].as_str().unwrap_or_default()
}

/// A whole number; nothing where there is none.
pub(super) fn number(object: &Value, field: &str) -> i64 {
    object[field].as_i64().unwrap_or_default()
}

/// An object from the fields that say something and the names of those that are null.
pub(super) fn shape(nulls: &[&str], fields: Value) -> Value {
    let mut object: Map<String, Value> = nulls
        .iter()
        .map(|name| ((*name).to_owned(), Value::Null))
        .collect();
    put(&mut object, fields);
    Value::Object(object)
}

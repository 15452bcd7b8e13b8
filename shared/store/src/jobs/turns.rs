//! Turns of a job: one compressed item each, in a partition of their own.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number};
use crate::db::keys;
use crate::db::tx::put_new;
use crate::jobs::Advanced;
use crate::jobs::steps::{packed, unpacked};
use domain::ids::JobId;
use domain::jobs::Transition;
use domain::jobs::calls::ModelCall;
use domain::jobs::turns::{TURNS_KEPT_FOR, ToolCall, ToolResult, Turn};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Wire {
    round: u32,
    text: String,
    calls: Vec<WireCall>,
    results: Vec<WireResult>,
    told: Option<String>,
    used: String,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct WireCall {
    id: String,
    name: String,
    input: String,
}

#[derive(Serialize, Deserialize)]
struct WireResult {
    text: String,
    failed: bool,
}

impl Store {
    /// Writes a turn together with the transition that counts it.
    pub async fn job_turn(
        &self,
        transition: &Transition,
        turn: &Turn,
    ) -> Result<Advanced, StoreError> {
        let row = transition.row();
        let item = turn_item(&row.facts.id, row.turns, turn)?;
        self.job_advance_with(transition, |_| Some(put_new(&self.table, item.clone())))
            .await
    }

    /// The turns of a job, oldest first.
    pub async fn job_turns(&self, id: &JobId) -> Result<Vec<Turn>, StoreError> {
        let items = self
            .table
            .query_partition("read a job's turns", keys::turns_pk(id));
        items.await?.iter().map(turn_of).collect()
    }
}

fn turn_item(job: &JobId, number_of: u32, turn: &Turn) -> Result<Attributes, StoreError> {
    let wire = Wire {
        round: turn.round,
        text: turn.text.clone(),
        calls: turn.calls.iter().map(wire_call).collect(),
        results: turn.results.iter().map(wire_result).collect(),
        told: turn.told.clone(),
        used: turn.used.text(),
        at: turn.at.millis(),
    };
    let mut item = keys::turn(job, number_of).attributes();
    item.extend(packed(&wire, job.as_str())?);
    let until = turn.at.plus(TURNS_KEPT_FOR);
    item.insert("ttl".to_owned(), number(until.seconds()));
    Ok(item)
}

fn wire_call(call: &ToolCall) -> WireCall {
    WireCall {
        id: call.id.clone(),
        name: call.name.clone(),
        input: call.input.clone(),
    }
}

fn wire_result(result: &ToolResult) -> WireResult {
    WireResult {
        text: result.text.clone(),
        failed: result.failed,
    }
}

fn turn_of(attributes: &Attributes) -> Result<Turn, StoreError> {
    let item = Item::new(attributes, "read a turn");
    let wire: Wire = unpacked(&item)?;
    let call = |call: WireCall| ToolCall {
        id: call.id,
        name: call.name,
        input: call.input,
    };
    let result = |result: WireResult| ToolResult {
        text: result.text,
        failed: result.failed,
    };
    Ok(Turn {
        round: wire.round,
        text: wire.text,
        calls: wire.calls.into_iter().map(call).collect(),
        results: wire.results.into_iter().map(result).collect(),
        told: wire.told,
        used: ModelCall::parse(&wire.used).ok_or_else(|| item.bad("b"))?,
        at: Timestamp::from_millis(wire.at),
    })
}

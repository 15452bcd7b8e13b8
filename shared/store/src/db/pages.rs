//! Paged listings, newest first.
//!
//! An index orders rows only by timestamp, so rows with the same timestamp come in any order. When
//! a page is full, the query therefore continues to the end of that timestamp. The rows are then
//! sorted by timestamp and id and cut to the page size. The next page begins after the last row.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, number, text};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use domain::time::Timestamp;
use std::ops::ControlFlow;

/// The position after which a listing continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The timestamp of the row.
    pub at: Timestamp,
    /// The id that distinguishes the row from others with the same timestamp.
    pub id: String,
}

impl From<(Timestamp, String)> for Cursor {
    fn from((at, id): (Timestamp, String)) -> Self {
        Self { at, id }
    }
}

/// One page of rows, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub rows: Vec<T>,
    /// The position after which the next page continues, if there is one.
    pub next: Option<Cursor>,
}

/// A row with its position.
pub(crate) struct Placed<T> {
    pub(crate) place: Cursor,
    pub(crate) row: T,
}

impl<T> Placed<T> {
    pub(crate) fn new(at: Timestamp, id: impl Into<String>, row: T) -> Self {
        Self {
            place: Cursor { at, id: id.into() },
            row,
        }
    }
}

/// Limits a query of a `timeline` index to one owner (an account or a listing), up to the cursor.
pub(crate) fn of(query: QueryFluentBuilder, owner: &str) -> QueryFluentBuilder {
    query
        .key_condition_expression("#owner = :owner AND #at <= :from")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":owner", text(owner))
}

/// Reads what a query finds after the cursor: `limit` rows and one more, if there are that many,
/// plus all other rows with the timestamp of the last one. The query sets the partition; its sort
/// key is `#at`.
pub(crate) async fn newest<T>(
    operation: &'static str,
    query: QueryFluentBuilder,
    (from, limit): (Option<&Cursor>, usize),
    read: impl Fn(&Attributes) -> Result<Option<Placed<T>>, StoreError>,
) -> Result<Vec<Placed<T>>, StoreError> {
    let mut pages = query
        .expression_attribute_names("#at", "at")
        .expression_attribute_values(
            ":from",
            number(from.map_or(i64::MAX, |cursor| cursor.at.millis())),
        )
        .scan_index_forward(false)
        .into_paginator()
        .page_size(i32::try_from(limit).unwrap_or(i32::MAX).saturating_add(1))
        .items()
        .send();
    let mut found = Vec::new();
    while let Some(item) = pages.next().await {
        let Some(placed) = read(&item.map_err(|e| StoreError::sdk(operation, e))?)? else {
            continue;
        };
        if take(&mut found, placed, (from, limit)).is_break() {
            break;
        }
    }
    Ok(found)
}

/// Adds one row, unless there are enough rows and this one is older than the last.
fn take<T>(
    found: &mut Vec<Placed<T>>,
    one: Placed<T>,
    (from, limit): (Option<&Cursor>, usize),
) -> ControlFlow<()> {
    if found.len() > limit
        && found
            .last()
            .is_some_and(|last| one.place.at < last.place.at)
    {
        return ControlFlow::Break(());
    }
    if from.is_none_or(|cursor| order(&one.place) < order(cursor)) {
        found.push(one);
    }
    ControlFlow::Continue(())
}

/// Returns the newest of the rows found, at most `limit`.
pub(crate) fn page<T>(mut found: Vec<Placed<T>>, limit: usize) -> Page<T> {
    found.sort_by(|a, b| order(&b.place).cmp(&order(&a.place)));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.place.clone());
    Page {
        rows: found.into_iter().map(|placed| placed.row).collect(),
        next,
    }
}

fn order(place: &Cursor) -> (Timestamp, &str) {
    (place.at, &place.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Collects all pages of an index whose rows come in this order.
    fn paged(index: &[(i64, &str)], limit: usize) -> Vec<String> {
        let (mut rows, mut from): (Vec<String>, Option<Cursor>) = (Vec::new(), None);
        loop {
            let mut found = Vec::new();
            for (at, id) in index {
                let placed = Placed::new(Timestamp::from_millis(*at), *id, (*id).to_owned());
                if take(&mut found, placed, (from.as_ref(), limit)).is_break() {
                    break;
                }
            }
            let page = page(found, limit);
            assert!(page.rows.len() <= limit);
            rows.extend(page.rows);
            from = page.next;
            if from.is_none() {
                return rows;
            }
        }
    }

    #[test]
    fn rows_of_one_moment_may_stand_in_any_order() {
        for moment in [
            ["a", "b", "c", "d"],
            ["d", "c", "b", "a"],
            ["c", "a", "d", "b"],
        ] {
            let mut index = vec![(9, "new")];
            index.extend(moment.map(|id| (5, id)));
            index.push((1, "old"));
            for limit in 1..=7 {
                assert_eq!(
                    paged(&index, limit),
                    ["new", "d", "c", "b", "a", "old"],
                    "{moment:?} by {limit}"
                );
            }
        }
    }
}

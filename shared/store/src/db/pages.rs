//! Listings by pages, the newest first.
//!
//! An index orders rows by their moment alone: those of one moment come in any order. So a page is read to the end of the
//! moment at which it is full, ordered by moment and id, and cut there; the next one begins behind its last row.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, number, text};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use domain::time::Timestamp;
use std::ops::ControlFlow;

/// Behind which row a listing goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Its moment.
    pub at: Timestamp,
    /// What tells it from others of that moment.
    pub id: String,
}

impl From<(Timestamp, String)> for Cursor {
    fn from((at, id): (Timestamp, String)) -> Self {
        Self { at, id }
    }
}

/// Some rows, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A row in its place.
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

/// The same query of all that an owner (an account, or a listing) has in an index `timeline`, up to the cursor.
pub(crate) fn of(query: QueryFluentBuilder, owner: &str) -> QueryFluentBuilder {
    query
        .key_condition_expression("#owner = :owner AND #at <= :from")
        .expression_attribute_names("#owner", "owner")
        .expression_attribute_values(":owner", text(owner))
}

/// What a query finds behind the cursor: `limit` rows and one more, if there are so many, and whatever else is of the last
/// one's moment. The query names its partition; its sort key is `#at`.
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

/// Takes one more, unless there is enough and it is older.
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

/// The newest of what was found, at most `limit`.
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

    /// All pages of rows that an index has in this order.
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

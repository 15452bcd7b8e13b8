//! The comment of a job under its issue. One worker at a time may write it, because GitHub would
//! accept two comments; a claim on the job's row decides which.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::ids::CommentId;
use domain::jobs::{CommentState, JobRow};
use domain::time::Timestamp;

const MOVE: &str = "move a job";

/// The result of claiming a job's comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommentClaim {
    /// The caller may write the comment.
    Yours,
    /// Another caller is writing the comment, or it is already written.
    Held,
}

impl Store {
    /// Claims the job's comment until `until`. Only one caller at a time may write it, because
    /// GitHub would accept two comments.
    pub async fn comment_claim(
        &self,
        row: &JobRow,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<CommentClaim, StoreError> {
        let change = Change::of(keys::job(&row.facts.id)).set("commenting_until", time(until)).when(
            "#state = :state AND (attribute_not_exists(#commenting_until) OR #commenting_until <= :now) AND (attribute_not_exists(#commented) OR #commented <> :notice)",
            vec![("now", time(now)), ("state", text(row.state.as_str())), ("notice", text(row.state.notice().as_str()))],
        );
        Ok(match self.table.update(MOVE, change).await? {
            Updated::Done(()) => CommentClaim::Yours,
            Updated::Refused(_) => CommentClaim::Held,
        })
    }

    /// Records what the comment says now, and returns the job after the change. If the job owes
    /// nothing else, the same write removes it from the due rows. If there is no comment, GitHub
    /// does not allow one there, and the comment is no longer owed.
    pub async fn comment_told(
        &self,
        row: &JobRow,
        notice: CommentState,
        comment: Option<CommentId>,
        until: Timestamp,
    ) -> Result<Option<JobRow>, StoreError> {
        let commented = |condition: &str, values| {
            let change = Change::of(keys::job(&row.facts.id))
                .set("commented", text(notice.as_str()))
                .remove("commenting_until");
            let change = if let Some(comment) = comment {
                change.set("comment", number(comment))
            } else {
                change
            };
            change.when(condition, values)
        };
        if row.state.work().is_none() {
            let still = vec![("until", time(until)), ("version", number(row.version))];
            let last = commented("#commenting_until = :until AND #version = :version", still)
                .remove("dx")
                .remove("due_at");
            if let Some(settled) = self.job_change(last).await? {
                return Ok(Some(settled));
            }
            // The job moved on during our write, and its newer state needs a comment of its own.
        }
        self.job_change(commented(
            "#commenting_until = :until",
            vec![("until", time(until))],
        ))
        .await
    }

    /// Shortens the claim on a comment that may have been created to when it shows on GitHub.
    pub async fn comment_hold(
        &self,
        row: &JobRow,
        until: Timestamp,
        shows_at: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::job(&row.facts.id))
            .set("commenting_until", time(shows_at))
            .when("#commenting_until = :mine", vec![("mine", time(until))]);
        self.table.update("hold a comment", change).await.map(drop)
    }

    /// Releases the claim on the comment after a failed attempt.
    pub async fn comment_release(&self, row: &JobRow, until: Timestamp) -> Result<(), StoreError> {
        let change = Change::of(keys::job(&row.facts.id))
            .remove("commenting_until")
            .when("#commenting_until = :mine", vec![("mine", time(until))]);
        self.table
            .update("give up a comment", change)
            .await
            .map(drop)
    }
}

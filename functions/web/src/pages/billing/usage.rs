//! `/billing/usage`: what the account used on each of the last 30 days.

use super::tab;
use crate::members::Member;
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::jobs::{JobRow, JobState};
use domain::ledger::{Entry, EntryKind};
use domain::time::Timestamp;
use maud::{Markup, html};
use pages::{Page, chart, empty};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Cursor, StoreError};

const DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// The most jobs and the most entries that are read for the page, in pages of this size.
const PAGES_MAX: usize = 5;
const PAGE: usize = 100;
const MICROS: u64 = 1_000_000;

/// Shows the charts.
pub async fn show(member: Member, State(ctx): State<Arc<Ctx>>) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let mut days = Days::until(ctx.outside.now());
    let (store, account) = (&ctx.store, &member.account);
    let jobs =
        |from: Option<Cursor>| async move { store.job_list(account, from.as_ref(), PAGE).await };
    let all_jobs = newest(jobs, |job| days.add_job(job)).await?;
    let entries =
        |from: Option<Cursor>| async move { store.entry_list(account, from.as_ref(), PAGE).await };
    let all_entries = newest(entries, |entry| days.add_entry(entry)).await?;
    days.complete = all_jobs && all_entries;
    Ok(tab(&member, &standing, "Usage", "/billing/usage").with(&days.shown()))
}

/// Reads a list until a row is too old. Returns whether that was reached.
async fn newest<T, Read>(
    read: impl Fn(Option<Cursor>) -> Read,
    mut takes: impl FnMut(&T) -> bool,
) -> Result<bool, ApiError>
where
    Read: Future<Output = Result<store::Page<T>, StoreError>>,
{
    let mut from = None;
    for _ in 0..PAGES_MAX {
        let page = read(from).await?;
        if !page.rows.iter().all(&mut takes) {
            return Ok(true);
        }
        from = page.next;
        if from.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What was used on each day, in whole units.
#[derive(Default)]
struct Day {
    pull_requests: u64,
    tokens: u64,
    /// Millionths of a credit.
    credits: u64,
}

/// The last days, oldest first. Work counts on the day on which its job began, credits on the day on
/// which they were spent.
struct Days {
    first: Timestamp,
    by_day: BTreeMap<String, Day>,
    complete: bool,
}

impl Days {
    fn until(now: Timestamp) -> Self {
        let back = i64::try_from(DAY.as_millis()).unwrap_or(0) * (DAYS.cast_signed() - 1);
        let first = Timestamp::from_millis(now.day_start().millis() - back);
        let days = (0..DAYS).map(|day| {
            let at = first.plus(Duration::from_secs(day * DAY.as_secs()));
            (at.day(), Day::default())
        });
        Self {
            first,
            by_day: days.collect(),
            complete: true,
        }
    }

    /// Adds a job unless it is too old.
    fn add_job(&mut self, job: &JobRow) -> bool {
        if let Some(day) = self.by_day.get_mut(&job.facts.created_at.day()) {
            let is_delivered = |state| matches!(state, JobState::PrOpened | JobState::Merged);
            let delivered = job.timeline.iter().any(|moment| is_delivered(moment.state));
            day.pull_requests += u64::from(delivered);
            day.tokens += job.tokens.counted();
        }
        job.facts.created_at >= self.first
    }

    /// Adds an entry unless it is too old. Only captures spend credits: what is taken back or expires
    /// was not used.
    fn add_entry(&mut self, entry: &Entry) -> bool {
        if entry.kind == EntryKind::Capture
            && let Some(day) = self.by_day.get_mut(&entry.at.day())
        {
            day.credits = day.credits.saturating_add(entry.amount.micros());
        }
        entry.at >= self.first
    }

    fn shown(&self) -> Markup {
        let series = |value: &dyn Fn(&Day) -> u64| -> Vec<(String, u64)> {
            let days = self.by_day.iter();
            days.map(|(day, used)| (day.clone(), value(used))).collect()
        };
        let all = [
            (
                "Pull requests",
                "pull requests",
                series(&|day| day.pull_requests),
            ),
            ("Tokens", "tokens", series(&|day| day.tokens)),
            (
                "Credits spent",
                "credits",
                series(&|day| {
                    // To the nearest whole credit.
                    day.credits.saturating_add(MICROS / 2) / MICROS
                }),
            ),
        ];
        let is_used = |series: &[(String, u64)]| series.iter().any(|(_, value)| *value > 0);
        html! {
            @if !self.complete {
                p.notice.warn { "Only the newest 500 jobs and transactions are counted." }
            }
            @if !all.iter().any(|(_, _, series)| is_used(series)) {
                (empty("Nothing was used in the last 30 days", &html! {
                    "Pull requests, tokens and credits of each day are shown here. " a href="/jobs" { "Start a job" }
                }))
            }
            @for (title, unit, series) in &all {
                @if is_used(series) { (chart(title, unit, series)) }
            }
            p.quiet {
                "Pull requests and tokens count on the day on which their job began. The quotas of your plan are on the "
                a href="/billing" { "overview" } "."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_days_end_today() {
        let now = Timestamp::parse("2026-03-01T23:59:59Z").expect("a time");
        let days = Days::until(now);
        let names: Vec<&str> = days.by_day.keys().map(String::as_str).collect();
        assert_eq!(names.len(), 30);
        assert_eq!((names[0], names[29]), ("2026-01-31", "2026-03-01"));
        assert_eq!(days.first.day(), "2026-01-31");
    }
}

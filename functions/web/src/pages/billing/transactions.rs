//! `/billing/transactions`: every movement of credits, newest first, with filters in the address and
//! the balance after each. Read-only.
//!
//! The balance of a line is the present one minus every newer movement, so a page carries the sum of
//! the pages before it in its cursor.

use crate::members::Member;
use crate::pages::billing::explained::path_of;
use crate::pages::billing::tab;
use crate::{ApiError, Ctx};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::ids::AccountId;
use domain::ledger::{Balance, Entry, EntryKind};
use domain::time::Timestamp;
use domain::units::decimal;
use http::{HeaderValue, header};
use maud::{Markup, html};
use pages::{Page, empty, grouped, moment, pager, table};
use rest::views::Transaction;
use rest::{Params, cursors, tables};
use serde::Deserialize;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use store::Cursor;

const PAGE: usize = 50;
/// How many entries a read returns.
const READ: usize = 200;
/// As many rows as fit into an answer of a function, which is at most 6 MB.
const ROWS_MAX: usize = 20_000;
const DAY: Duration = Duration::from_secs(86_400);

/// The query. A form sends empty fields for what is not chosen.
#[derive(Deserialize)]
pub struct Query {
    kind: Option<String>,
    from: Option<String>,
    to: Option<String>,
    cursor: Option<String>,
}

/// Which entries to show. Days are in UTC, and both ends are included.
struct Filter {
    kind: Option<EntryKind>,
    from: Option<(String, Timestamp)>,
    to: Option<(String, Timestamp)>,
}

/// Where the next page begins, and the balance after its first entry.
struct Start {
    from: Option<Cursor>,
    sum: i64,
}

impl Filter {
    fn read(query: &Query) -> Result<Self, ApiError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let day = |text: String| {
            let at = Timestamp::parse(&format!("{text}T00:00:00Z"));
            let at = at.filter(|at| at.day() == text).ok_or_else(|| {
                ApiError::bad_request("bad_day", "A day must be written as 2026-11-30.")
            })?;
            Ok::<_, ApiError>((text, at))
        };
        let kind = given(&query.kind).map(|word| {
            EntryKind::parse(&word)
                .ok_or_else(|| ApiError::bad_request("bad_kind", "There is no such kind."))
        });
        Ok(Self {
            kind: kind.transpose()?,
            from: given(&query.from).map(day).transpose()?,
            to: given(&query.to).map(day).transpose()?,
        })
    }

    fn is_any(&self) -> bool {
        self.kind.is_none() && self.from.is_none() && self.to.is_none()
    }

    fn shows(&self, entry: &Entry) -> bool {
        let before_end = |(_, day): &(String, Timestamp)| entry.at < day.plus(DAY);
        self.kind.is_none_or(|kind| entry.kind == kind) && self.to.as_ref().is_none_or(before_end)
    }

    /// Whether no entry from this one on is shown.
    fn is_over(&self, entry: &Entry) -> bool {
        self.from.as_ref().is_some_and(|(_, day)| entry.at < *day)
    }

    /// Returns the query of this filter.
    fn query(&self) -> String {
        let mut query = String::new();
        // Writing to a `String` cannot fail.
        if let Some(kind) = self.kind {
            let _ = write!(query, "&kind={}", kind.as_str());
        }
        for (name, day) in [("from", &self.from), ("to", &self.to)] {
            if let Some((day, _)) = day {
                let _ = write!(query, "&{name}={day}");
            }
        }
        query
    }
}

impl Start {
    fn read(cursor: Option<&str>, balance: &Balance) -> Result<Self, ApiError> {
        let Some((at, rest)) = cursors::find(cursor)? else {
            let sum = balance.available.signed() - balance.debt.signed();
            return Ok(Self { from: None, sum });
        };
        let (sum, id) = rest.split_once(' ').ok_or_else(cursors::bad)?;
        Ok(Self {
            sum: sum.parse().map_err(|_| cursors::bad())?,
            from: Some(Cursor::from((at, id.to_owned()))),
        })
    }

    fn write(&self) -> Option<String> {
        let from = self.from.as_ref()?;
        Some(cursors::write(
            from.at,
            &format!("{} {}", self.sum, from.id),
        ))
    }
}

/// Reads at most `most` entries that the filter shows, each with the balance after it, and where the
/// rest begins.
async fn walk(
    ctx: &Ctx,
    account: &AccountId,
    filter: &Filter,
    (mut start, most): (Start, usize),
) -> Result<(Vec<(Entry, i64)>, Option<Start>), ApiError> {
    let mut shown = Vec::new();
    loop {
        let page = ctx
            .store
            .entry_list(account, start.from.as_ref(), READ)
            .await?;
        for entry in page.rows {
            if filter.is_over(&entry) {
                return Ok((shown, None));
            }
            if filter.shows(&entry) {
                if shown.len() == most {
                    return Ok((shown, Some(start)));
                }
                shown.push((entry.clone(), start.sum));
            }
            start.sum = start.sum.saturating_sub(entry.free);
            start.from = Some(Cursor::from((entry.at, entry.cause)));
        }
        match page.next {
            Some(next) => start.from = Some(next),
            None => return Ok((shown, None)),
        }
    }
}

/// Lists the transactions.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(query): Params<Query>,
) -> Result<Page, ApiError> {
    let filter = Filter::read(&query)?;
    let standing = member.standing(&ctx).await?;
    let start = Start::read(query.cursor.as_deref(), &standing.balance)?;
    let is_first = start.from.is_none();
    let (entries, next) = walk(&ctx, &member.account, &filter, (start, PAGE)).await?;
    let rows: Vec<_> = entries
        .iter()
        .map(|(entry, after)| line(&Transaction::of(entry), Some(*after)))
        .collect();
    let query = filter.query();
    let first = format!("/billing/transactions?{}", query.trim_start_matches('&'));
    let next = next.and_then(|next| next.write());
    let next = next.map(|cursor| format!("/billing/transactions?cursor={cursor}{query}"));
    let file = format!(
        "/billing/transactions.csv?{}",
        query.trim_start_matches('&')
    );
    let content = html! {
        (filters(&filter))
        @if rows.is_empty() {
            @if filter.is_any() && is_first {
                (empty("No transactions yet", &html! {
                    "Credits that come in and go out are listed here. " a href="/billing/top-up" { "Top up" }
                }))
            } @else {
                (empty("Nothing matches", &html! { a href="/billing/transactions" { "Clear the filters" } }))
            }
        } @else {
            (table("Newest first", &["Time", "What", "#Credits", "#Available after"], &rows))
            (pager((!is_first).then_some(first.as_str()), next.as_deref()))
            p { a href=(file) download { "Download as CSV" } span.quiet { " — everything that the filters match, in UTC" } }
        }
    };
    Ok(tab(&member, &standing, "Transactions", "/billing/transactions").with(&content))
}

fn filters(filter: &Filter) -> Markup {
    let day = |day: &Option<(String, Timestamp)>| day.as_ref().map(|(text, _)| text.clone());
    html! {
        form method="get" action="/billing/transactions" {
            div.fields {
                label {
                    "Kind"
                    select name="kind" {
                        option value="" { "All" }
                        @for kind in EntryKind::ALL {
                            option value=(kind.as_str()) selected[filter.kind == Some(kind)] { (words(kind.as_str())) }
                        }
                    }
                }
                label { "From (UTC)" input type="date" name="from" value=[day(&filter.from)]; }
                label { "To (UTC)" input type="date" name="to" value=[day(&filter.to)]; }
                button { "Show" }
                @if !filter.is_any() { a.button href="/billing/transactions" { "Clear" } }
            }
        }
    }
}

/// Returns the cells of a transaction: time, what, change and the balance after it if it is known.
pub fn line(transaction: &Transaction, after: Option<i64>) -> Vec<Markup> {
    let change = &transaction.available_change;
    let plus = !change.starts_with('-') && change != "0";
    let what = if transaction.description.is_empty() {
        words(transaction.kind)
    } else {
        transaction.description.clone()
    };
    let mut cells = vec![
        html! {
            @match Timestamp::parse(&transaction.at) { Some(at) => (moment(at)), None => (transaction.at) }
        },
        html! {
            div {
                @match leads_to(transaction) {
                    Some(path) => { a href=(path) { (what) } }
                    None => (what),
                }
                " " span.quiet { (words(transaction.kind)) " · " a href=(path_of(&transaction.id)) { "Explain" } }
            }
        },
        html! { data value=(change) { @if plus { "+" } (grouped(change)) } },
    ];
    cells.extend(after.map(|after| {
        let after = decimal(after);
        html! { data value=(after) { (grouped(&after)) } }
    }));
    cells
}

/// Returns the page of the job or of the purchase that a transaction belongs to.
fn leads_to(transaction: &Transaction) -> Option<String> {
    let source = transaction.source.as_str();
    if source.starts_with("job_") {
        return Some(format!("/jobs/{source}"));
    }
    (source.starts_with("cs_")).then(|| format!("/billing/success?session_id={source}"))
}

fn words(kind: &str) -> String {
    match kind {
        "grant" => "Credits in",
        "hold" => "Reserved",
        "capture" => "Spent",
        "release" => "Given back",
        "take_back" => "Taken back",
        "give_back" => "Returned",
        "adjustment" => "Adjustment",
        "expiry" => "Expired",
        other => other,
    }
    .to_owned()
}

/// Returns every transaction that the filter shows, as a table for programs. A range that does not
/// fit is an error and never a shorter file.
pub async fn file(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(query): Params<Query>,
) -> Result<Response, ApiError> {
    let filter = Filter::read(&query)?;
    let balance = ctx.store.balance_find(&member.account).await?;
    let start = Start::read(None, &balance)?;
    let (entries, rest) = walk(&ctx, &member.account, &filter, (start, ROWS_MAX)).await?;
    if rest.is_some() {
        let detail = format!(
            "This range has more than {ROWS_MAX} transactions; choose a shorter one with the filters."
        );
        return Err(ApiError::unprocessable("range_too_long", detail));
    }
    let rows = entries.iter().map(|(entry, after)| (entry, Some(*after)));
    let mut response = tables::transactions(rows).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/csv; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"transactions-utc.csv\""),
    );
    Ok(response)
}

//! Lists of every account, job and invoice, for operators, and the search for one account.
//!
//! The lists are partitions of index `timeline`, eight for each list. A page reads at most one page
//! of each partition, so it costs the same however long the list is. No table is scanned. Rows that
//! were written before the lists existed are not in them.

use crate::Store;
use crate::billing::subscriptions::invoice_of;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys::{self, Listing};
use crate::db::pages::{self, Cursor, Page, Placed};
use crate::db::table::Updated;
use crate::db::tx::Change;
use domain::accounts::Account;
use domain::billing::subscriptions::Invoice;
use domain::ids::{AccountId, InvoiceId, JobId, OwnerId};
use domain::jobs::{JobRow, JobState};
use domain::time::Timestamp;
use futures::future::try_join_all;

/// Part of a list: its newest rows below a position, and not before a time.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    /// The oldest time to list.
    pub since: Option<Timestamp>,
    /// The end of the times to list, which is not included.
    pub before: Option<Timestamp>,
    /// The position after which the list continues.
    pub from: Option<&'a Cursor>,
    pub limit: usize,
}

impl Slice<'_> {
    /// The position at which this slice begins.
    fn start(&self) -> Option<Cursor> {
        let end = self.before.map(|before| Cursor {
            at: before,
            // No row precedes the empty id, so all rows of this moment are excluded.
            id: String::new(),
        });
        [self.from.cloned(), end]
            .into_iter()
            .flatten()
            .min_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)))
    }
}

/// How many jobs one filtered page examines at most. Then the page ends early and has a cursor.
const EXAMINED_MAX: usize = 2_000;
/// How many rows are read at once.
const BATCH: usize = 50;

impl Store {
    /// Lists all accounts, newest first. A new account can take a moment to appear.
    pub async fn account_list(&self, slice: Slice<'_>) -> Result<Page<Account>, StoreError> {
        const LIST: &str = "list accounts";
        let found = self.listing_page(LIST, Listing::Accounts, slice, |item| {
            let id = keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
            Ok((id.to_string(), id))
        });
        let Page { rows, next } = found.await?;
        let rows = try_join_all(rows.iter().map(|id| self.account_find(id))).await?;
        Ok(Page {
            rows: rows.into_iter().flatten().collect(),
            next,
        })
    }

    /// Lists the jobs of all accounts, newest first, in any of these states (all states if empty).
    /// Filters while it reads, so a page is full if there are enough jobs. A new job can take a
    /// moment to appear.
    pub async fn job_list_all(
        &self,
        states: &[JobState],
        slice: Slice<'_>,
    ) -> Result<Page<JobRow>, StoreError> {
        let wanted = |row: &JobRow| states.is_empty() || states.contains(&row.state);
        let (mut jobs, mut from, mut examined) = (Vec::new(), slice.from.cloned(), 0);
        loop {
            let batch = Slice {
                from: from.as_ref(),
                limit: if states.is_empty() {
                    slice.limit
                } else {
                    BATCH
                },
                ..slice
            };
            let Page { rows, next } = self.job_ids(batch).await?;
            examined += rows.len();
            for row in try_join_all(rows.iter().map(|id| self.job_find(id))).await? {
                let Some(row) = row else { continue };
                if !wanted(&row) {
                    continue;
                }
                let place = (row.facts.created_at, row.facts.id.to_string());
                jobs.push((place, row));
            }
            from = next;
            if jobs.len() >= slice.limit || from.is_none() || examined >= EXAMINED_MAX {
                break;
            }
        }
        let cut = jobs.len() > slice.limit;
        jobs.truncate(slice.limit);
        let next = if cut {
            jobs.last().map(|(place, _)| Cursor::from(place.clone()))
        } else {
            from
        };
        Ok(Page {
            rows: jobs.into_iter().map(|(_, row)| row).collect(),
            next,
        })
    }

    /// Lists the ids of the jobs of all accounts, newest first.
    pub async fn job_ids(&self, slice: Slice<'_>) -> Result<Page<JobId>, StoreError> {
        self.listing_page("list jobs", Listing::Jobs, slice, |item| {
            let id = keys::job_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
            Ok((id.to_string(), id))
        })
        .await
    }

    /// Lists the invoices of all accounts, newest first, with their accounts.
    pub async fn invoice_list_all(
        &self,
        slice: Slice<'_>,
    ) -> Result<Page<(AccountId, Invoice)>, StoreError> {
        const LIST: &str = "list invoices";
        let found = self.listing_page(LIST, Listing::Invoices, slice, |item| {
            let account = keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
            let sk = item.text("sk")?;
            let id = sk
                .strip_prefix(keys::INVOICE)
                .and_then(|id| InvoiceId::parse(id).ok())
                .ok_or_else(|| item.bad("sk"))?;
            Ok((format!("{account}/{id}"), (account, id)))
        });
        let Page { rows, next } = found.await?;
        let read = rows.into_iter().map(|(account, id)| async move {
            let key = keys::invoice(&account, &id);
            let found = self.table.get(LIST, &key).await?;
            let invoice = found.as_ref().map(invoice_of).transpose()?;
            Ok::<_, StoreError>(invoice.map(|invoice| (account, invoice)))
        });
        Ok(Page {
            rows: try_join_all(read).await?.into_iter().flatten().collect(),
            next,
        })
    }

    /// Finds the account of the GitHub owner with this login, whatever its case.
    pub async fn login_find(&self, login: &str) -> Result<Option<AccountId>, StoreError> {
        const FIND: &str = "find an owner by login";
        let found = self.table.get(FIND, &keys::login(login)).await?;
        let Some(found) = found else {
            return Ok(None);
        };
        let owner = OwnerId::new(Item::new(&found, FIND).number("owner_id")?);
        self.owner_find(owner).await
    }

    /// Records an owner's login, unless a newer event was recorded. Logins change hands on GitHub,
    /// so the newest event decides.
    pub async fn login_note(
        &self,
        login: &str,
        owner: OwnerId,
        as_of: Timestamp,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::login(login))
            .set("owner_id", number(owner))
            .set("as_of", time(as_of))
            .when("attribute_not_exists(#as_of) OR #as_of <= :as_of", vec![]);
        match self.table.update("note an owner's login", change).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Reads one page of a list from all its partitions.
    async fn listing_page<T>(
        &self,
        operation: &'static str,
        listing: Listing,
        slice: Slice<'_>,
        read: impl Fn(&Item<'_>) -> Result<(String, T), StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let (start, read) = (slice.start(), &read);
        let since = slice.since.map_or(i64::MIN, Timestamp::millis);
        let shards = (0..keys::SHARDS).map(|shard| {
            let query = self
                .table
                .query()
                .index_name("timeline")
                .key_condition_expression("#owner = :owner AND #at BETWEEN :since AND :from")
                .expression_attribute_names("#owner", "owner")
                .expression_attribute_values(":owner", text(listing.shard(shard)))
                .expression_attribute_values(":since", number(since));
            let place = move |attributes: &Attributes| {
                let item = Item::new(attributes, operation);
                let (id, row) = read(&item)?;
                Ok(Some(Placed::new(item.time("at")?, id, row)))
            };
            let range = (start.as_ref(), slice.limit);
            async move {
                // An empty range is an error to DynamoDB.
                if range.0.is_some_and(|cursor| cursor.at.millis() < since) {
                    return Ok(Vec::new());
                }
                pages::newest(operation, query, range, place).await
            }
        });
        let found = try_join_all(shards).await?;
        Ok(pages::page(
            found.into_iter().flatten().collect(),
            slice.limit,
        ))
    }
}

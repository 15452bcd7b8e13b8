//! What recovery knows about a sender: how far its log was read, which events are missing, and the
//! last count.
//!
//! These rows are in `main`, in one partition for each sender. Each change is conditional on the
//! version or the tries that it was decided on, so of two runs at once one writes.

use crate::Recoveries;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::db::versions::Written;
use domain::inbox::recovery::{Count, GIVEN_UP_FOR, Miss, Progress, Span};
use domain::inbox::{EventKey, EventSource};
use domain::time::Timestamp;

/// A count, and the time that it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsCounted {
    pub from: Timestamp,
    pub to: Timestamp,
    pub count: Count,
}

/// The result of noting a missing event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissNoted {
    New,
    Known,
}

const READ: &str = "read the progress of recovery";
const SAVE: &str = "save the progress of recovery";
const NOTE: &str = "note a missing event";
const LIST: &str = "list missing events";
const TRY: &str = "try to recover an event";
const COUNT: &str = "count events";

impl Recoveries {
    pub async fn recovery_progress(
        &self,
        source: EventSource,
    ) -> Result<Option<Progress>, StoreError> {
        let found = self
            .table
            .get(READ, &keys::recovery_progress(source))
            .await?;
        let found = found.map(|item| progress_of(source, &Item::new(&item, READ)));
        found.transpose()
    }

    /// Saves the progress, unless another run has changed it since it was read.
    pub async fn recovery_save(
        &self,
        source: EventSource,
        progress: &Progress,
    ) -> Result<Written, StoreError> {
        let mut item = keys::recovery_progress(source).attributes();
        item.extend(attributes(progress));
        let put = if progress.version == 0 {
            self.table.put_new(SAVE, item).await?
        } else {
            let was = vec![("was", number(progress.version))];
            self.table.put_when(SAVE, item, "#v = :was", was).await?
        };
        Ok(written(put))
    }

    /// Notes that an event is missing. If that is known, its newest delivery is noted.
    pub async fn miss_note(&self, miss: &Miss) -> Result<MissNoted, StoreError> {
        let mut item = keys::miss(&miss.key).attributes();
        item.extend(miss_attributes(miss));
        let known = match self.table.put_new(NOTE, item).await? {
            Updated::Done(()) => return Ok(MissNoted::New),
            Updated::Refused(known) => known,
        };
        let known: Option<u64> = Item::new(&known, NOTE).find_number("delivery")?;
        let Some(newest) = miss.delivery.filter(|newest| known != Some(*newest)) else {
            return Ok(MissNoted::Known);
        };
        let change = Change::of(keys::miss(&miss.key))
            .set("delivery", number(newest))
            .when("attribute_exists(pk)", vec![]);
        match self.table.update(NOTE, change).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(MissNoted::Known),
        }
    }

    /// Lists the events of a sender that are missing, and those that were given up.
    pub async fn miss_list(&self, source: EventSource) -> Result<Vec<Miss>, StoreError> {
        let pk = keys::recovery_progress(source).pk;
        let found = self.table.query_prefix(LIST, pk, keys::MISS).await?;
        let misses = found
            .iter()
            .map(|item| miss_of(source, &Item::new(item, LIST)));
        misses.collect()
    }

    /// Turns a miss into what it is next, if no other run has tried it meanwhile.
    pub async fn miss_change(
        &self,
        miss: &Miss,
        next: &Miss,
        now: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut change = Change::of(keys::miss(&miss.key))
            .set("redeliveries", number(next.redeliveries))
            .set("fetches", number(next.fetches))
            .set("next_at", time(next.next_at))
            .set_or_remove("only_fetch", next.only_fetch.then(|| number(1)))
            .set_or_remove("given_up", next.given_up.as_deref().map(text))
            .when(
                "#next_at = :was AND attribute_not_exists(#given_up)",
                vec![("was", time(miss.next_at))],
            );
        if next.given_up.is_some() {
            change = change.set("ttl", number(now.plus(GIVEN_UP_FOR).seconds()));
        }
        Ok(written(self.table.update(TRY, change).await?))
    }

    /// Ends a miss, because its event is recorded.
    pub async fn miss_end(&self, key: &EventKey) -> Result<(), StoreError> {
        let key = keys::miss(key);
        match self.table.delete_existing(TRY, &key).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Saves a count, unless a newer one exists.
    pub async fn recovery_count_save(
        &self,
        source: EventSource,
        counted: &EventsCounted,
    ) -> Result<(), StoreError> {
        let count = &counted.count;
        let examples = count.examples.iter().map(|key| key.id().to_owned());
        let change = Change::of(keys::recovery_count(source))
            .set("from", time(counted.from))
            .set("to", time(counted.to))
            .set("made", number(count.made))
            .set("done", number(count.done))
            .set("pending", number(count.pending))
            .set("late", number(count.late))
            .set("held", number(count.held))
            .set("missing", number(count.missing))
            .set("examples", texts(examples))
            .when("attribute_not_exists(pk) OR #to < :to", vec![]);
        match self.table.update(COUNT, change).await? {
            Updated::Done(()) | Updated::Refused(_) => Ok(()),
        }
    }

    /// Reads the last count.
    pub async fn recovery_count(
        &self,
        source: EventSource,
    ) -> Result<Option<EventsCounted>, StoreError> {
        let found = self.table.get(COUNT, &keys::recovery_count(source)).await?;
        let found = found.map(|item| {
            let item = Item::new(&item, COUNT);
            Ok(EventsCounted {
                from: item.time("from")?,
                to: item.time("to")?,
                count: count_of(source, &item)?,
            })
        });
        found.transpose()
    }
}

fn written(updated: Updated<()>) -> Written {
    match updated {
        Updated::Done(()) => Written::Now,
        Updated::Refused(_) => Written::Stale,
    }
}

/// The attributes of the progress, with the next version.
fn attributes(progress: &Progress) -> Attributes {
    let mut item: Attributes = [
        ("v", number(progress.version.saturating_add(1))),
        ("since", time(progress.since)),
        ("read_through", time(progress.read_through)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut set = |name: &str, at: Option<Timestamp>| {
        if let Some(at) = at {
            item.insert(name.to_owned(), time(at));
        }
    };
    set("counted_at", progress.counted_at);
    set("wait_until", progress.wait_until);
    set("endpoint_at", progress.endpoint_at);
    let Some(span) = &progress.span else {
        return item;
    };
    set("top", Some(span.top));
    set("low", Some(span.low));
    if let Some(cursor) = &span.cursor {
        item.insert("cursor".to_owned(), text(cursor));
    }
    if let Some(count) = &span.count {
        let numbers = [
            ("made", count.made),
            ("done", count.done),
            ("pending", count.pending),
            ("late", count.late),
            ("held", count.held),
            ("missing", count.missing),
        ];
        item.extend(numbers.map(|(name, value)| (name.to_owned(), number(value))));
        let examples = count.examples.iter().map(|key| key.id().to_owned());
        item.insert("examples".to_owned(), texts(examples));
    }
    item
}

fn progress_of(source: EventSource, item: &Item<'_>) -> Result<Progress, StoreError> {
    let span = match item.find_time("top")? {
        None => None,
        Some(top) => Some(Span {
            top,
            low: item.time("low")?,
            cursor: item.find_text("cursor")?.map(str::to_owned),
            count: match item.find_number::<u64>("made")? {
                None => None,
                Some(_) => Some(count_of(source, item)?),
            },
        }),
    };
    Ok(Progress {
        since: item.time("since")?,
        read_through: item.time("read_through")?,
        counted_at: item.find_time("counted_at")?,
        span,
        wait_until: item.find_time("wait_until")?,
        endpoint_at: item.find_time("endpoint_at")?,
        version: item.number("v")?,
    })
}

fn count_of(source: EventSource, item: &Item<'_>) -> Result<Count, StoreError> {
    let examples = item.texts("examples")?.into_iter();
    let examples = examples.map(|id| EventKey::parse(source, id));
    Ok(Count {
        made: item.number("made")?,
        done: item.number("done")?,
        pending: item.number("pending")?,
        late: item.number("late")?,
        held: item.number("held")?,
        missing: item.number("missing")?,
        examples: examples
            .collect::<Result<_, _>>()
            .map_err(|_| item.bad("examples"))?,
    })
}

fn miss_attributes(miss: &Miss) -> Attributes {
    let mut item: Attributes = [
        ("name", text(&miss.name)),
        ("made_at", time(miss.made_at)),
        ("redeliveries", number(miss.redeliveries)),
        ("fetches", number(miss.fetches)),
        ("next_at", time(miss.next_at)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if let Some(delivery) = miss.delivery {
        item.insert("delivery".to_owned(), number(delivery));
    }
    if miss.only_fetch {
        item.insert("only_fetch".to_owned(), number(1));
    }
    item
}

fn miss_of(source: EventSource, item: &Item<'_>) -> Result<Miss, StoreError> {
    let key = keys::miss_of(source, item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
    Ok(Miss {
        key,
        name: item.text("name")?.to_owned(),
        made_at: item.time("made_at")?,
        delivery: item.find_number("delivery")?,
        only_fetch: item.find_number::<u8>("only_fetch")?.is_some(),
        redeliveries: item.number("redeliveries")?,
        fetches: item.number("fetches")?,
        next_at: item.time("next_at")?,
        given_up: item.find_text("given_up")?.map(str::to_owned),
    })
}

//! Reports from external agents, and the row that represents a fix: whichever write creates the row
//! first is charged for the fix.
//!
//! One transaction writes the report, the fix, its count in the quota, and its money. A job's
//! billing writes the same fix row (see `jobs`), so exactly one of the two is charged, in either
//! order. A report covers the delivery of at most one job, so it does not make a second job free.

use crate::billing::quotas::count_change;
use crate::billing::spending::SpendingRefused;
use crate::billing::usage;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::pages;
use crate::db::pages::{Cursor, Page, Placed};
use crate::db::tx::{Change, Committed, put_new};
use crate::ledger::Post;
use crate::ledger::postings::PostingRefused;
use crate::{Advanced, Store};
use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, ActionId, JobId};
use domain::jobs::fixes::Fix;
use domain::jobs::phases::{FixCharge, Phase, PhaseReport, PhaseResult, ReportBilling};
use domain::jobs::repositories::RepositoryName;
use domain::jobs::{BillingEffect, FixPaid, JobRow, Transition};
use domain::units::Credits;

/// The result of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// The report was recorded, with this billing.
    Now(ReportBilling),
    /// The same action already made this report. Contains the stored report.
    Already(Box<PhaseReport>),
    /// The same action already made a different report.
    ActReused,
    /// Nobody pays for the fix, and its quota is used up. Nothing was recorded.
    QuotaUsed,
}

/// Reasons to refuse a report, in order of precedence. `Reported` comes first, because a repeated
/// report also finds that its own fix is already charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Reported,
    FixPaid,
    Quota,
    Spending(SpendingRefused),
    Posting(PostingRefused),
}

const REPORT: &str = "record a phase";

impl Store {
    /// Records a report. If it reports a fix that has not been charged yet, charges for the fix.
    /// What somebody pays for counts even beyond the quota, and if the credits are insufficient, the
    /// rest is owed.
    pub async fn phase_record(
        &self,
        report: &PhaseReport,
        charge: Option<&FixCharge>,
    ) -> Result<Reported, StoreError> {
        if let Some(charge) = charge {
            let posting = charge.posting.as_ref();
            let report = PhaseReport {
                counted: ReportBilling::Billed,
                fee: posting.map(|posting| posting.entry().amount),
                ..report.clone()
            };
            if let Some(reported) = self
                .while_contended(|| self.phase_write(&report, Some(charge)))
                .await?
            {
                return Ok(reported);
            }
        }
        let counted = if charge.is_some() {
            ReportBilling::AlreadyBilled
        } else {
            ReportBilling::NotBillable
        };
        let report = PhaseReport {
            counted,
            ..report.clone()
        };
        let reported = self
            .while_contended(|| self.phase_write(&report, None))
            .await?;
        reported.ok_or_else(|| StoreError::bad_item(REPORT, report.id.as_str(), "pk"))
    }

    /// Records a report together with the transition of a delegated job that it causes; the
    /// transition carries the money. Returns `None` if another writer moved the job first.
    pub async fn phase_move(
        &self,
        report: &PhaseReport,
        transition: &Transition,
    ) -> Result<Option<Reported>, StoreError> {
        let told = |written: &Transition| {
            let counted = match (written.money(), written.row().fix_paid) {
                (BillingEffect::Billed { .. }, FixPaid::WithJob) => ReportBilling::Billed,
                (BillingEffect::Billed { .. }, FixPaid::Before) => ReportBilling::AlreadyBilled,
                (BillingEffect::None | BillingEffect::Released { .. }, _) => {
                    ReportBilling::NotBillable
                }
            };
            PhaseReport {
                counted,
                ..report.clone()
            }
        };
        let beside =
            |written: &Transition| Some(put_new(&self.table, report_attributes(&told(written))));
        Ok(match self.job_advance_with(transition, beside).await? {
            Advanced::Applied(row) => Some(Reported::Now(match row.fix_paid {
                FixPaid::WithJob => told(transition).counted,
                FixPaid::Before => told(&transition.with_fix_paid()).counted,
            })),
            Advanced::Stale => None,
        })
    }

    /// Returns the result for a report whose action has reported before, if it has.
    pub async fn phase_known(&self, report: &PhaseReport) -> Result<Option<Reported>, StoreError> {
        let known = self.phase_find(&report.account, &report.id).await?;
        let same = |known: PhaseReport| {
            if known.says_as(report) {
                Reported::Already(Box::new(known))
            } else {
                Reported::ActReused
            }
        };
        Ok(known.map(same))
    }

    /// Writes a report with this billing. Returns `None` if the fix was already charged.
    async fn phase_write(
        &self,
        report: &PhaseReport,
        charge: Option<&FixCharge>,
    ) -> Result<Option<Reported>, StoreError> {
        let posting = charge.and_then(|charge| charge.posting.as_ref());
        let postings = self
            .postings(
                REPORT,
                posting.map(std::slice::from_ref).unwrap_or_default(),
            )
            .await?;
        let reservation = self
            .outlay_end(charge.and_then(|charge| charge.outlay.as_ref()))
            .await?;
        let mut tx = self.table.transaction(REPORT);
        tx.add(put_new(&self.table, report_attributes(report)))
            .or(Refusal::Reported);
        if let Some(charge) = charge {
            let mut fix = keys::fix(&report.account, &report.fix).attributes();
            fix.insert("report".to_owned(), text(report.id.as_str()));
            tx.add(put_new(&self.table, fix)).or(Refusal::FixPaid);
            let meter = Meter::pull_requests();
            let counted = (&meter, charge.period.as_str());
            let Some(count) = count_change(&report.account, counted, 1, charge.limit) else {
                return Ok(Some(Reported::QuotaUsed));
            };
            tx.add(count.item(&self.table)).or(Refusal::Quota);
            tx.add(self.begun(&report.account, report.at).item(&self.table));
            let owed = charge
                .usage
                .iter()
                .map(|record| usage::owed_attributes(record, record.at));
            tx.extend(owed.map(|owed| put_new(&self.table, owed)));
            // All records of a report have its number, so one row names their account.
            let named = charge.usage.first().map(usage::account_attributes);
            tx.extend(named.map(|named| put_new(&self.table, named)));
        }
        tx.join(&reservation.items, Refusal::Spending);
        tx.join(&postings.items, Refusal::Posting);
        let (refusal, old) = match tx.commit().await? {
            Committed::Written => return Ok(Some(Reported::Now(report.counted))),
            Committed::Refused(refusal, old) => (refusal, old),
        };
        match refusal {
            Refusal::Reported => {
                let known = report_of(&old)?;
                Ok(Some(if known.says_as(report) {
                    Reported::Already(Box::new(known))
                } else {
                    Reported::ActReused
                }))
            }
            Refusal::FixPaid => Ok(None),
            Refusal::Quota => Ok(Some(Reported::QuotaUsed)),
            Refusal::Spending(_) => Err(StoreError::contended(REPORT)),
            Refusal::Posting(refused) => {
                let what = match postings.post(refused, &old)? {
                    // The balance is already as far below zero as a balance can be.
                    Post::Insufficient(balance) => format!("no room for it: {balance:?}"),
                    post => format!("a fix's posting: {post:?}"),
                };
                Err(StoreError::inconsistent(REPORT, what))
            }
        }
    }

    /// Lists an account's reports, newest first. A new report can take a moment to appear.
    pub async fn phase_list(
        &self,
        account: &AccountId,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<PhaseReport>, StoreError> {
        const LIST: &str = "list phases";
        let query = self.table.query().index_name("timeline");
        let query = pages::of(query, &keys::phases_of(account));
        let found = pages::newest(LIST, query, (from, limit), |attributes| {
            let item = Item::new(attributes, LIST);
            let id = keys::phase_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?;
            Ok(Some(Placed::new(item.time("at")?, id.to_string(), id)))
        });
        let Page { rows, next } = pages::page(found.await?, limit);
        let reports =
            futures::future::try_join_all(rows.iter().map(|id| self.phase_find(account, id)))
                .await?;
        Ok(Page {
            rows: reports.into_iter().flatten().collect(),
            next,
        })
    }

    /// Reads a report; strongly consistent.
    pub async fn phase_find(
        &self,
        account: &AccountId,
        id: &ActionId,
    ) -> Result<Option<PhaseReport>, StoreError> {
        let found = self
            .table
            .get("read a phase", &keys::phase(account, id))
            .await?;
        found.as_ref().map(report_of).transpose()
    }

    /// Records a billed job on the row of its fix. The condition checks that this row agrees with
    /// the job's row on whether a report was already charged for the fix. A second job of the same
    /// issue is a fix of its own.
    pub(crate) fn fix_billed(&self, row: &JobRow) -> TransactWriteItem {
        let condition = match row.fix_paid {
            FixPaid::WithJob => "attribute_not_exists(#report) OR attribute_exists(#job)",
            FixPaid::Before => "attribute_exists(#report) AND attribute_not_exists(#job)",
        };
        let fix = Change::of(keys::fix(&row.facts.account, &row.fix()));
        fix.set("job", text(row.facts.id.as_str()))
            .when(condition, vec![])
            .item(&self.table)
    }
}

fn report_attributes(report: &PhaseReport) -> Attributes {
    let mut item = keys::phase(&report.account, &report.id).attributes();
    let more = [
        // `owner` and `at` are the keys of index `timeline`.
        ("owner", text(keys::phases_of(&report.account))),
        ("at", time(report.at)),
        ("phase", text(report.phase.as_str())),
        ("ending", text(report.ending.as_str())),
        ("repository", text(report.repository.to_string())),
        ("fix", text(report.fix.as_str())),
        ("occurred_at", time(report.occurred_at)),
        ("counted", text(report.counted.as_str())),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let numbers = [
        ("issue_number", report.issue_number),
        ("pull_request", report.pull_request),
        ("fee", report.fee.map(Credits::micros)),
    ];
    item.extend(
        numbers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), number(value?)))),
    );
    item.extend(
        report
            .job
            .as_ref()
            .map(|job| ("job".to_owned(), text(job.as_str()))),
    );
    let texts = [
        ("commit", &report.commit),
        ("run_id", &report.run_id),
        ("data", &report.data),
    ];
    item.extend(
        texts
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), text(value.as_ref()?)))),
    );
    item
}

fn report_of(attributes: &Attributes) -> Result<PhaseReport, StoreError> {
    let item = Item::new(attributes, "read a phase");
    let word = |name| Ok::<_, StoreError>(item.find_text(name)?.map(str::to_owned));
    Ok(PhaseReport {
        id: keys::phase_of(item.text("sk")?).ok_or_else(|| item.bad("sk"))?,
        account: keys::account_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        phase: item.parsed("phase", |word| Phase::parse(word).ok_or(()))?,
        ending: item.parsed("ending", |word| PhaseResult::parse(word).ok_or(()))?,
        repository: item.parsed("repository", |text| RepositoryName::parse(text).ok_or(()))?,
        issue_number: item.find_number("issue_number")?,
        fix: item.parsed("fix", |text| Fix::parse(text).ok_or(()))?,
        job: item
            .find_text("job")?
            .map(JobId::parse)
            .transpose()
            .map_err(|_| item.bad("job"))?,
        pull_request: item.find_number("pull_request")?,
        commit: word("commit")?,
        run_id: word("run_id")?,
        data: word("data")?,
        occurred_at: item.time("occurred_at")?,
        at: item.time("at")?,
        counted: item.parsed("counted", |word| ReportBilling::parse(word).ok_or(()))?,
        fee: item.find_number("fee")?.and_then(Credits::from_micros),
    })
}

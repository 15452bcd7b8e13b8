//! Creates a job from a granted request, on the terms of the account's plan.
//!
//! Safe to run twice: one trigger creates one job, and one transaction writes the job, its hold and
//! its place in the quota. A job that was created but not sent is due, and a second run finds it
//! and sends it again.

use super::obstacles::unbilled;
use super::refuse;
use crate::owe;
use domain::accounts::Account;
use domain::billing::entitlements::{Entitlements, entitlements};
use domain::billing::plans::Catalogue;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, JobId, UserId};
use domain::inbox::EventKey;
use domain::inbox::events::{EventOrigin, Issue};
use domain::jobs::admission::Barred;
use domain::jobs::caps::Caps;
use domain::jobs::pulls::PullOptions;
use domain::jobs::requests::Agent;
use domain::jobs::steps::IssueText;
use domain::jobs::triggers::asked_caps;
use domain::jobs::{self, Funding, JobFacts, JobRow, JobWork, Offer};
use domain::ledger::HoldId;
use domain::notices::{Notice, quota_notice};
use domain::retry::Failure;
use domain::time::Timestamp;
use queues::{Message, Queues, Sending};
use store::{JobCreated, NewJob, Store};

/// What creating a job needs.
#[derive(Clone, Copy)]
pub struct Orders<'a> {
    pub store: &'a Store,
    pub queues: &'a Queues,
    pub catalogue: &'a Catalogue,
    /// The page where customers buy credits and plans, for comments that ask them to.
    pub dashboard_url: Option<&'a str>,
    pub now: Timestamp,
}

/// A request for a job that the repository's policy or an API key has granted.
pub struct Wanted {
    pub id: JobId,
    /// The event or request that triggers the job.
    pub trigger: String,
    /// The recorded webhook behind it, if there is one.
    pub caused_by: Option<EventKey>,
    pub wishes: PullOptions,
    /// The repository's caps, and the person that they count.
    pub caps: Caps,
    pub person: Option<UserId>,
    pub retry_of: Option<JobId>,
    pub agent: Agent,
}

/// The outcome of a request for a job.
pub enum Placed {
    Made(JobId),
    /// The issue already has this job.
    Joined(JobId),
    /// The work cannot be paid for or billed. This job ended before any work and says why.
    Refused(JobId),
    /// The account was closed at this moment, because its owner moved to another account.
    Closed,
    NoAccount,
}

impl Orders<'_> {
    /// Creates a job for an issue, or a refused job that says what is missing.
    pub async fn make(
        &self,
        account: &AccountId,
        origin: &EventOrigin,
        issue: &Issue,
        wanted: Wanted,
    ) -> Result<Placed, Failure> {
        // The owner's Marketplace purchase may have been recorded before the owner had an account.
        self.store.marketplace_carry(origin.owner).await?;
        let Some((account, contracts)) = self.store.account_find_whole(account).await? else {
            return Ok(Placed::NoAccount);
        };
        let entitlements = entitlements(self.catalogue, &account, &contracts, self.now)
            .ok_or_else(|| Failure::never("the catalogue lacks its default plan"))?;
        let plan = entitlements.plan;
        let new = self.new_job(&account, &entitlements, origin, issue, wanted);
        match self.barred(&account, &entitlements, &new.row.facts).await? {
            Some(Barred::AccountClosed) => return Ok(Placed::Closed),
            Some(Barred::NoSubscription) => return refuse::no_subscription(self, plan, new).await,
            Some(Barred::TooMuchUnbilled(waiting)) => {
                return refuse::unbilled(self, new, waiting).await;
            }
            None => {}
        }
        let job = match self.store.job_create(&new).await? {
            JobCreated::OutOfCredits(balance) => {
                return refuse::out_of_credits(self, plan, new, balance).await;
            }
            JobCreated::Capped(cap) => return refuse::capped(self, new, &cap).await,
            JobCreated::QuotaUsed => return refuse::quota_used(self, &entitlements, new).await,
            JobCreated::OtherQuotaUsed(meter) => {
                return refuse::other_quota_used(self, &entitlements, new, meter).await;
            }
            JobCreated::SpendLimitReached => return refuse::spend_limit_reached(self, new).await,
            JobCreated::AccountClosed => return Ok(Placed::Closed),
            JobCreated::Joined(job) => return Ok(Placed::Joined(job)),
            JobCreated::New => new.row.facts.id.clone(),
            // An earlier run may have created the job and died before it could send. A second
            // message does no harm.
            JobCreated::Existing(job) => job,
        };
        self.warn(&entitlements, &new.row.facts).await?;
        let sending = |message| Sending {
            message,
            account: Some(new.row.facts.account.clone()),
        };
        let plan = sending(Message::Work(JobWork::Plan, job.clone()));
        let comment = sending(Message::Comment(job.clone()));
        self.queues.send_all(&[plan, comment]).await?;
        Ok(Placed::Made(job))
    }

    /// Creates a refused job that says why no job is possible for the issue, once per trigger.
    pub async fn refuse(
        &self,
        account: &AccountId,
        origin: &EventOrigin,
        issue: &Issue,
        wanted: Wanted,
        reason: &str,
    ) -> Result<Placed, Failure> {
        let Some((account, contracts)) = self.store.account_find_whole(account).await? else {
            return Ok(Placed::NoAccount);
        };
        let entitlements = entitlements(self.catalogue, &account, &contracts, self.now)
            .ok_or_else(|| Failure::never("the catalogue lacks its default plan"))?;
        let new = self.new_job(&account, &entitlements, origin, issue, wanted);
        refuse::refuse(self, new, reason).await
    }

    fn new_job(
        &self,
        account: &Account,
        entitlements: &Entitlements<'_>,
        origin: &EventOrigin,
        issue: &Issue,
        wanted: Wanted,
    ) -> NewJob {
        let caps = entitlements.plan.caps.lowered(wanted.caps);
        let caps = caps.lowered(asked_caps(&issue.body));
        let offer = Offer::of(self.catalogue, entitlements, &account.customer, self.now);
        let offer = match caps.budget {
            Some(budget) => offer.lowered(budget),
            None => offer,
        };
        let (offer, row): (_, fn(JobFacts) -> JobRow) = match wanted.agent {
            Agent::Tallyhook => (offer, jobs::queued),
            Agent::External => (offer.outside(), jobs::delegated),
        };
        let facts = JobFacts {
            id: wanted.id,
            account: account.id.clone(),
            installation: origin.installation,
            repository: origin.repository,
            owner_login: origin.owner_login.clone(),
            repository_name: origin.repository_name.clone(),
            base_branch: origin.default_branch.clone(),
            issue_number: issue.number,
            trigger: wanted.trigger,
            asked_by: origin.sender_login.clone(),
            caused_by: wanted.caused_by,
            retry_of: wanted.retry_of,
            wishes: wanted.wishes,
            terms: offer.terms.clone(),
            created_at: self.now,
        };
        let what = format!(
            "issue #{} of {}/{}",
            issue.number, origin.owner_login, origin.repository_name
        );
        let hold = HoldId::Job(facts.id.clone());
        NewJob {
            caps: caps.of(&facts.account, facts.repository, wanted.person, self.now),
            hold: offer.hold(&facts.account, hold, &what, self.now),
            row: row(facts),
            order: IssueText::of(&issue.title, &issue.body),
            limit: offer.limit,
            uses: offer.uses,
        }
    }

    /// Returns why the account gets no job at all. An issue that already has an open job gets no new
    /// one, so nothing bars it.
    async fn barred(
        &self,
        account: &Account,
        entitlements: &Entitlements<'_>,
        facts: &JobFacts,
    ) -> Result<Option<Barred>, Failure> {
        let (plan, funding) = (entitlements.plan, &facts.terms.funding);
        let metered_to = entitlements.metered_to;
        let waiting = unbilled(self.store, &account.id, plan, funding).await?;
        let barred = Barred::of(account, metered_to, plan.unbilled_max, funding, waiting);
        if matches!(barred, None | Some(Barred::AccountClosed)) {
            return Ok(barred);
        }
        let (repository, issue) = (facts.repository, facts.issue_number);
        let open = self.store.job_find_open(repository, issue).await?;
        Ok(barred.filter(|_| open.is_none()))
    }

    /// Records the warnings that a new job may cause: a quota nearly used up, or a low balance.
    async fn warn(&self, entitlements: &Entitlements<'_>, facts: &JobFacts) -> Result<(), Failure> {
        let (account, now) = (&facts.account, facts.created_at);
        let meter = Meter::pull_requests();
        if entitlements.plan.quotas.contains_key(&meter) {
            let period = &facts.terms.period;
            let used = self.store.quota_used(account, &meter, period).await?;
            let notice = quota_notice(self.catalogue, entitlements, (&meter, used), now);
            if let Some(notice) = notice {
                self.owe(account, &notice).await?;
            }
        }
        if matches!(facts.terms.funding, Funding::Prepaid { .. }) {
            let usual = self.catalogue.low_balance;
            if let Some(notice) = self.store.balance_warn(account, usual, now).await? {
                let message = Message::Notice(notice.key(account));
                self.queues.send(&message, Some(account)).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn owe(&self, account: &AccountId, notice: &Notice) -> Result<(), Failure> {
        owe::notice(self.store, self.queues, account, notice, self.now).await
    }
}

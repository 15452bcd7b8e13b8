//! Job requests from the API: each is recorded before it is processed, once per action, and stays
//! due until it has an outcome.

use crate::Store;
use crate::billing::quotas::use_change;
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use crate::db::versions::{Written, tries_change, tries_of};
use domain::billing::quotas::QuotaUse;
use domain::ids::{AccountId, JobId};
use domain::jobs::RESEND_AFTER;
use domain::jobs::repositories::RepositoryName;
use domain::jobs::requests::{Agent, JobRequest, RequestOutcome};
use domain::work::Lifecycle;

/// The result of recording a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestMade {
    /// The request was recorded.
    New,
    /// The same action already made this request. Contains the stored request.
    Same(Box<JobRequest>),
    /// The same action already made a different request.
    ActReused,
    /// The quota of calls has no room for it; nothing was recorded.
    QuotaUsed,
}

/// Reasons to refuse a request, in order of precedence. `Made` comes first, because a repeated
/// request also finds the quota used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Made,
    QuotaUsed,
}

const MAKE: &str = "make a request";

impl Store {
    /// Records a request and counts the call, once per action.
    pub async fn request_make(
        &self,
        request: &JobRequest,
        call: Option<&QuotaUse>,
    ) -> Result<RequestMade, StoreError> {
        self.while_contended(|| self.request_write(request, call))
            .await
    }

    async fn request_write(
        &self,
        request: &JobRequest,
        call: Option<&QuotaUse>,
    ) -> Result<RequestMade, StoreError> {
        let mut tx = self.table.transaction(MAKE);
        tx.add(put_new(&self.table, request_attributes(request)))
            .or(Refusal::Made);
        if let Some(call) = call {
            let Some(change) = use_change(&request.account, call) else {
                return Ok(RequestMade::QuotaUsed);
            };
            tx.add(change.item(&self.table)).or(Refusal::QuotaUsed);
        }
        match tx.commit().await? {
            Committed::Written => Ok(RequestMade::New),
            Committed::Refused(Refusal::QuotaUsed, _) => Ok(RequestMade::QuotaUsed),
            Committed::Refused(Refusal::Made, _) => {
                let known = self.request_find(&request.id).await?;
                let known =
                    known.ok_or_else(|| StoreError::bad_item(MAKE, request.id.as_str(), "pk"))?;
                let same = known.asks_for(request);
                Ok(if same {
                    RequestMade::Same(Box::new(known))
                } else {
                    RequestMade::ActReused
                })
            }
        }
    }

    pub async fn request_find(&self, id: &JobId) -> Result<Option<JobRequest>, StoreError> {
        let found = self.table.get("find a request", &keys::request(id)).await?;
        found.as_ref().map(request_of).transpose()
    }

    /// Records the outcome of a request. The first outcome is final.
    pub async fn request_finish(
        &self,
        id: &JobId,
        outcome: &RequestOutcome,
    ) -> Result<(), StoreError> {
        let change = Change::of(keys::request(id));
        let change = match outcome {
            RequestOutcome::Job(job) => change.set("became", text(job.as_str())),
            RequestOutcome::Refused(why) => change.set("refused", text(why)),
        };
        let open = "attribute_exists(pk) AND attribute_not_exists(#became) AND attribute_not_exists(#refused)";
        let change = change
            .remove("dx")
            .remove("due_at")
            .remove("swept")
            .when(open, vec![]);
        self.table
            .update("finish a request", change)
            .await
            .map(drop)
    }

    /// Sets when a request is attempted again, unless another failed attempt has done so since
    /// `request` was read: the attempts between two waits count once.
    pub async fn request_postpone(
        &self,
        request: &JobRequest,
        next: Lifecycle,
    ) -> Result<Written, StoreError> {
        let key = keys::request(&request.id);
        let next = Lifecycle {
            due_at: next.due_at.map(|due_at| due_at.plus(RESEND_AFTER)),
            ..next
        };
        let change = tries_change(Change::of(key.clone()), &key, next);
        let open = change.when("attribute_exists(#due_at)", vec![]);
        let change = match request.tries.not_before {
            Some(moment) => open.and("#not_before = :was", vec![("was", time(moment))]),
            None => open.and("attribute_not_exists(#not_before)", vec![]),
        };
        Ok(
            match self.table.update("postpone a request", change).await? {
                Updated::Done(()) => Written::Now,
                Updated::Refused(_) => Written::Stale,
            },
        )
    }
}

fn request_attributes(request: &JobRequest) -> Attributes {
    let key = keys::request(&request.id);
    let mut item = key.attributes();
    let more = [
        ("account", text(request.account.as_str())),
        ("repository_owner", text(request.repository.owner())),
        ("repository_name", text(request.repository.name())),
        ("issue_number", number(request.issue_number)),
        ("asked_by", text(&request.asked_by)),
        ("asked_at", time(request.at)),
        ("dx", text(keys::due(&key))),
        ("due_at", time(request.at.plus(RESEND_AFTER))),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    if request.agent == Agent::External {
        item.insert("agent".to_owned(), text(request.agent.as_str()));
    }
    item.extend(
        request
            .retry_of
            .as_ref()
            .map(|job| ("retry_of".to_owned(), text(job.as_str()))),
    );
    item
}

fn request_of(attributes: &Attributes) -> Result<JobRequest, StoreError> {
    let item = Item::new(attributes, "read a request");
    let job = |name: &'static str| {
        let found = item.find_text(name)?.map(JobId::parse).transpose();
        found.map_err(|_| item.bad(name))
    };
    let repository = RepositoryName::of(
        item.text("repository_owner")?,
        item.text("repository_name")?,
    );
    let refused = item
        .find_text("refused")?
        .map(|why| RequestOutcome::Refused(why.to_owned()));
    Ok(JobRequest {
        id: keys::job_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        account: item.parsed("account", AccountId::parse)?,
        repository: repository.ok_or_else(|| item.bad("repository_name"))?,
        issue_number: item.number("issue_number")?,
        agent: item
            .find_text("agent")?
            .map_or(Some(Agent::Tallyhook), Agent::parse)
            .ok_or_else(|| item.bad("agent"))?,
        asked_by: item.text("asked_by")?.to_owned(),
        retry_of: job("retry_of")?,
        at: item.time("asked_at")?,
        tries: tries_of(&item)?,
        outcome: job("became")?.map(RequestOutcome::Job).or(refused),
    })
}

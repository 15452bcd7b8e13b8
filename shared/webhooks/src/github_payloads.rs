//! The few fields of GitHub's bodies that we need, as they stand there.

use domain::accounts::addresses::MailAddress;
use domain::billing::marketplace::{ListedPlan, ListedPrice};
use domain::ids::{CommentId, InstallationId, OwnerId, RepositoryId};
use domain::inbox::events::{
    CommentOn, EventOrigin, GithubEvent, InstallationChange, InstallationEvent, Issue,
    IssueComment, IssueEvent, IssueLabeled, MarketplaceChange, MarketplaceEvent, PullEvent,
    PullState,
};
use domain::time::Timestamp;
use serde::Deserialize;
use serde::de::Error;

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Deserialize)]
struct Login {
    login: String,
}

#[derive(Deserialize)]
struct Owner {
    id: u64,
    login: String,
}

#[derive(Deserialize)]
struct Repository {
    id: u64,
    name: String,
    owner: Owner,
    default_branch: String,
}

#[derive(Deserialize)]
struct Where {
    installation: Id,
    repository: Repository,
    sender: Login,
}

#[derive(Deserialize)]
struct IssueBody {
    id: u64,
    number: u64,
    title: String,
    body: Option<String>,
    updated_at: String,
    #[serde(default)]
    author_association: String,
    pull_request: Option<serde::de::IgnoredAny>,
    performed_via_github_app: Option<Id>,
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: String,
    #[serde(default)]
    author_association: String,
    performed_via_github_app: Option<Id>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<Id>,
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    head: Head,
    #[serde(default)]
    merged: bool,
    state: String,
}

#[derive(Deserialize)]
struct OfIssue {
    issue: IssueBody,
}

#[derive(Deserialize)]
struct OfLabel {
    issue: IssueBody,
    label: Label,
}

#[derive(Deserialize)]
struct OfComment {
    issue: IssueBody,
    comment: Comment,
}

#[derive(Deserialize)]
struct OfPull {
    pull_request: Pull,
}

#[derive(Deserialize)]
struct InstallationBody {
    id: u64,
    account: Id,
    updated_at: Option<When>,
}

#[derive(Deserialize)]
struct OfInstallation {
    installation: InstallationBody,
}

#[derive(Deserialize)]
struct OfPurchase {
    effective_date: When,
    marketplace_purchase: Bought,
}

#[derive(Deserialize)]
struct Bought {
    account: Buyer,
    plan: PlanOnListing,
}

#[derive(Deserialize)]
struct Buyer {
    id: u64,
    login: String,
    organization_billing_email: Option<String>,
}

#[derive(Deserialize)]
struct PlanOnListing {
    id: u64,
    name: String,
    #[serde(default)]
    monthly_price_in_cents: u64,
    #[serde(default)]
    yearly_price_in_cents: u64,
}

/// GitHub writes times as text, and in installations sometimes as seconds.
struct When(Timestamp);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let at = match (&value, value.as_i64()) {
            (_, Some(seconds)) => Some(Timestamp::from_seconds(seconds)),
            (serde_json::Value::String(text), None) => Timestamp::parse(text),
            _ => None,
        };
        at.map(When).ok_or_else(|| D::Error::custom("not a time"))
    }
}

pub(crate) fn parse(name: &str, body: &[u8]) -> Result<GithubEvent, serde_json::Error> {
    Ok(match name {
        "issues.opened" => GithubEvent::IssuesOpened(issue_event(body)?),
        "issues.closed" => GithubEvent::IssuesClosed(issue_event(body)?),
        "issues.labeled" => {
            let of: OfLabel = serde_json::from_slice(body)?;
            // An issue that an app opened and a person labeled is the person's wish, so no app is noted here.
            GithubEvent::IssuesLabeled(IssueLabeled {
                origin: origin(body, None)?,
                issue: issue(of.issue),
                label: of.label.name,
            })
        }
        "issue_comment.created" => GithubEvent::IssueCommentCreated(issue_comment(body)?),
        "pull_request.opened" => GithubEvent::PullRequestOpened(pull_event(body)?),
        "pull_request.closed" => GithubEvent::PullRequestClosed(pull_event(body)?),
        "installation.created" => {
            GithubEvent::Installation(installation(body, InstallationChange::Created)?)
        }
        "installation.deleted" => {
            GithubEvent::Installation(installation(body, InstallationChange::Deleted)?)
        }
        "installation.suspend" => {
            GithubEvent::Installation(installation(body, InstallationChange::Suspended)?)
        }
        "installation.unsuspend" => {
            GithubEvent::Installation(installation(body, InstallationChange::Unsuspended)?)
        }
        "marketplace_purchase.purchased" => purchase(body, MarketplaceChange::Purchased)?,
        "marketplace_purchase.changed" => purchase(body, MarketplaceChange::Changed)?,
        "marketplace_purchase.cancelled" => purchase(body, MarketplaceChange::Cancelled)?,
        "marketplace_purchase.pending_change" => purchase(body, MarketplaceChange::Pending)?,
        "marketplace_purchase.pending_change_cancelled" => {
            purchase(body, MarketplaceChange::PendingCancelled)?
        }
        _ => GithubEvent::Ignored {
            name: name.to_owned(),
        },
    })
}

fn issue_event(body: &[u8]) -> Result<IssueEvent, serde_json::Error> {
    let of: OfIssue = serde_json::from_slice(body)?;
    let via_app = of.issue.performed_via_github_app.as_ref().map(|app| app.id);
    Ok(IssueEvent {
        origin: origin(body, via_app)?,
        issue: issue(of.issue),
    })
}

fn issue_comment(body: &[u8]) -> Result<IssueComment, serde_json::Error> {
    let of: OfComment = serde_json::from_slice(body)?;
    let via_app = of
        .comment
        .performed_via_github_app
        .as_ref()
        .map(|app| app.id);
    Ok(IssueComment {
        origin: origin(body, via_app)?,
        on: if of.issue.pull_request.is_some() {
            CommentOn::Pull
        } else {
            CommentOn::Issue
        },
        issue: issue(of.issue),
        comment: CommentId::new(of.comment.id),
        text: of.comment.body,
        author_association: of.comment.author_association,
    })
}

fn pull_event(body: &[u8]) -> Result<PullEvent, serde_json::Error> {
    let OfPull { pull_request: pull } = serde_json::from_slice(body)?;
    let fate = match (pull.merged, pull.state.as_str()) {
        (true, _) => PullState::Merged,
        (false, "closed") => PullState::Closed,
        (false, _) => PullState::Open,
    };
    Ok(PullEvent {
        origin: origin(body, None)?,
        number: pull.number,
        head_branch: pull.head.branch,
        head_repository: pull
            .head
            .repo
            .map(|repository| RepositoryId::new(repository.id)),
        fate,
    })
}

fn installation(
    body: &[u8],
    change: InstallationChange,
) -> Result<InstallationEvent, serde_json::Error> {
    let OfInstallation { installation } = serde_json::from_slice(body)?;
    Ok(InstallationEvent {
        installation: InstallationId::new(installation.id),
        owner: OwnerId::new(installation.account.id),
        change,
        as_of: installation
            .updated_at
            .map_or(Timestamp::from_millis(0), |when| when.0),
    })
}

fn purchase(body: &[u8], change: MarketplaceChange) -> Result<GithubEvent, serde_json::Error> {
    let OfPurchase {
        effective_date,
        marketplace_purchase: bought,
    } = serde_json::from_slice(body)?;
    let PlanOnListing {
        id,
        name,
        monthly_price_in_cents,
        yearly_price_in_cents,
    } = bought.plan;
    let price = if monthly_price_in_cents > 0 || yearly_price_in_cents > 0 {
        ListedPrice::Paid
    } else {
        ListedPrice::Free
    };
    let mail = bought
        .account
        .organization_billing_email
        .filter(|text| !text.is_empty());
    Ok(GithubEvent::MarketplacePurchase(MarketplaceEvent {
        owner: OwnerId::new(bought.account.id),
        owner_login: bought.account.login,
        mail: mail.and_then(|text| MailAddress::parse(&text).ok()),
        change,
        listed: ListedPlan { id, name, price },
        effective_at: effective_date.0,
    }))
}

fn origin(body: &[u8], via_app: Option<u64>) -> Result<EventOrigin, serde_json::Error> {
    let Where {
        installation,
        repository,
        sender,
    } = serde_json::from_slice(body)?;
    Ok(EventOrigin {
        installation: InstallationId::new(installation.id),
        owner: OwnerId::new(repository.owner.id),
        owner_login: repository.owner.login,
        repository: RepositoryId::new(repository.id),
        repository_name: repository.name,
        default_branch: repository.default_branch,
        sender_login: sender.login,
        via_app,
    })
}

fn issue(body: IssueBody) -> Issue {
    Issue {
        id: body.id,
        number: body.number,
        title: body.title,
        body: body.body.unwrap_or_default(),
        updated_at: body.updated_at,
        author_association: body.author_association,
    }
}

#[cfg(test)]
mod tests;

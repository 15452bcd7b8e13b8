//! The fields of GitHub's bodies that Tallyhook reads.
//!
//! Each body is parsed once, by the shape of its object. Unknown fields and words are accepted; a
//! missing field that a handler needs is an error.

use domain::accounts::addresses::MailAddress;
use domain::billing::marketplace::{ListedPlan, ListedPrice};
use domain::ids::{CommentId, InstallationId, OwnerId, RepositoryId};
use domain::inbox::events::{
    Actor, ActorKind, Comment, CommentOn, EventOrigin, GithubEvent, InstallationChange,
    InstallationEvent, Issue, IssueChange, IssueEvent, MarketplaceChange, MarketplaceEvent,
    NamedRepository, PullChange, PullEvent, PullState, Visibility,
};
use domain::time::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
struct Id {
    id: u64,
}

#[derive(Clone, Deserialize)]
struct User {
    login: String,
    #[serde(default)]
    id: u64,
    #[serde(default, rename = "type")]
    kind: String,
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
    /// A repository that does not say so is treated as public, which is the stricter case.
    #[serde(default)]
    private: bool,
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
    user: Option<User>,
    pull_request: Option<serde::de::IgnoredAny>,
    performed_via_github_app: Option<Id>,
}

#[derive(Deserialize)]
struct CommentBody {
    id: u64,
    body: String,
    #[serde(default)]
    author_association: String,
    user: Option<User>,
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

/// A body about an issue. The event determines which optional parts it contains.
#[derive(Deserialize)]
struct OfIssue {
    installation: Id,
    repository: Repository,
    sender: User,
    issue: IssueBody,
    label: Option<Label>,
    comment: Option<CommentBody>,
}

#[derive(Deserialize)]
struct OfPull {
    installation: Id,
    repository: Repository,
    sender: User,
    pull_request: Pull,
}

#[derive(Deserialize)]
struct InstallationBody {
    id: u64,
    account: InstallationOwner,
    updated_at: Option<When>,
}

#[derive(Deserialize)]
struct InstallationOwner {
    id: u64,
    login: Option<String>,
}

#[derive(Deserialize)]
struct OfInstallation {
    installation: InstallationBody,
    #[serde(default)]
    repositories: Vec<Named>,
    #[serde(default)]
    repositories_added: Vec<Named>,
    #[serde(default)]
    repositories_removed: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: u64,
    name: String,
    #[serde(default)]
    private: bool,
}

impl From<Named> for NamedRepository {
    fn from(named: Named) -> Self {
        Self {
            id: RepositoryId::new(named.id),
            name: named.name,
            visibility: visibility(named.private),
        }
    }
}

#[derive(Deserialize)]
struct OfPurchase {
    effective_date: When,
    marketplace_purchase: Bought,
}

#[derive(Deserialize)]
struct Bought {
    account: Buyer,
    plan: PlanBody,
}

#[derive(Deserialize)]
struct Buyer {
    id: u64,
    login: String,
    organization_billing_email: Option<String>,
}

#[derive(Deserialize)]
struct PlanBody {
    id: u64,
    name: String,
    #[serde(default)]
    monthly_price_in_cents: u64,
    #[serde(default)]
    yearly_price_in_cents: u64,
}

/// A time. GitHub sends times as text, and sometimes as seconds for installations.
struct When(Timestamp);

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
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
    match name {
        "issues.opened" => issue(body, |_| Ok(IssueChange::Opened)),
        "issues.labeled" => issue(body, labeled),
        "issues.closed" => issue(body, |_| Ok(IssueChange::Closed)),
        "issue_comment.created" => issue(body, commented),
        "pull_request.opened" => pull(body, PullChange::Opened),
        "pull_request.closed" => pull(body, PullChange::Closed),
        "installation.created" => installation(body, InstallationChange::Created),
        "installation.deleted" => installation(body, InstallationChange::Deleted),
        "installation.suspend" => installation(body, InstallationChange::Suspended),
        "installation.unsuspend" => installation(body, InstallationChange::Unsuspended),
        "installation_repositories.added" => installation(body, InstallationChange::Repositories),
        "installation_repositories.removed" => installation(body, InstallationChange::Repositories),
        "marketplace_purchase.purchased" => purchase(body, MarketplaceChange::Purchased),
        "marketplace_purchase.changed" => purchase(body, MarketplaceChange::Changed),
        "marketplace_purchase.cancelled" => purchase(body, MarketplaceChange::Cancelled),
        "marketplace_purchase.pending_change" => purchase(body, MarketplaceChange::Pending),
        "marketplace_purchase.pending_change_cancelled" => {
            purchase(body, MarketplaceChange::PendingCancelled)
        }
        _ => Ok(GithubEvent::Ignored {
            name: name.to_owned(),
        }),
    }
}

fn issue(
    body: &[u8],
    change: impl FnOnce(&mut OfIssue) -> Result<IssueChange, serde_json::Error>,
) -> Result<GithubEvent, serde_json::Error> {
    let mut of: OfIssue = serde_json::from_slice(body)?;
    let change = change(&mut of)?;
    // The App that acted is the comment's author, or the issue's author if the issue was opened or
    // closed. If a person labels or comments on an issue that an App opened, the request is that
    // person's.
    let app = match &change {
        IssueChange::Opened | IssueChange::Closed => of.issue.performed_via_github_app,
        IssueChange::Commented(_) => of
            .comment
            .and_then(|comment| comment.performed_via_github_app),
        IssueChange::Labeled(_) => None,
    };
    let visibility = visibility(of.repository.private);
    let sender = actor(of.sender.clone());
    Ok(GithubEvent::Issue(Box::new(IssueEvent {
        visibility,
        author: of.issue.user.map_or_else(|| sender.clone(), actor),
        sender,
        origin: origin(of.installation, of.repository, of.sender, app),
        issue: Issue {
            id: of.issue.id,
            number: of.issue.number,
            title: of.issue.title,
            body: of.issue.body.unwrap_or_default(),
            updated_at: of.issue.updated_at,
            author_association: of.issue.author_association,
        },
        change,
    })))
}

const fn visibility(private: bool) -> Visibility {
    if private {
        Visibility::Private
    } else {
        Visibility::Public
    }
}

fn labeled(of: &mut OfIssue) -> Result<IssueChange, serde_json::Error> {
    let label = of.label.take();
    let label = label.ok_or_else(|| serde_json::Error::missing_field("label"))?;
    Ok(IssueChange::Labeled(label.name))
}

fn commented(of: &mut OfIssue) -> Result<IssueChange, serde_json::Error> {
    let comment = of.comment.as_mut();
    let comment = comment.ok_or_else(|| serde_json::Error::missing_field("comment"))?;
    Ok(IssueChange::Commented(Comment {
        id: CommentId::new(comment.id),
        text: std::mem::take(&mut comment.body),
        author: actor(comment.user.take().unwrap_or_else(|| of.sender.clone())),
        author_association: std::mem::take(&mut comment.author_association),
        on: match of.issue.pull_request {
            Some(_) => CommentOn::Pull,
            None => CommentOn::Issue,
        },
    }))
}

fn pull(body: &[u8], change: PullChange) -> Result<GithubEvent, serde_json::Error> {
    let of: OfPull = serde_json::from_slice(body)?;
    let pull = of.pull_request;
    let state = match (pull.merged, pull.state.as_str()) {
        (true, _) => PullState::Merged,
        (false, "closed") => PullState::Closed,
        (false, _) => PullState::Open,
    };
    let head_repository = pull.head.repo.map(|repo| RepositoryId::new(repo.id));
    Ok(GithubEvent::PullRequest(PullEvent {
        origin: origin(of.installation, of.repository, of.sender, None),
        change,
        number: pull.number,
        head_branch: pull.head.branch,
        head_repository,
        state,
    }))
}

fn installation(body: &[u8], change: InstallationChange) -> Result<GithubEvent, serde_json::Error> {
    let OfInstallation {
        installation,
        repositories,
        repositories_added,
        repositories_removed,
    } = serde_json::from_slice(body)?;
    // GitHub also lists the repositories of an installation that is suspended or deleted.
    let listed = match change {
        InstallationChange::Created => repositories,
        InstallationChange::Deleted
        | InstallationChange::Suspended
        | InstallationChange::Unsuspended
        | InstallationChange::Repositories => Vec::new(),
    };
    let added = listed.into_iter().chain(repositories_added);
    Ok(GithubEvent::Installation(InstallationEvent {
        installation: InstallationId::new(installation.id),
        owner: OwnerId::new(installation.account.id),
        owner_login: installation.account.login,
        change,
        as_of: installation
            .updated_at
            .map_or(Timestamp::from_millis(0), |when| when.0),
        added: added.map(NamedRepository::from).collect(),
        removed: repositories_removed
            .into_iter()
            .map(NamedRepository::from)
            .collect(),
    }))
}

fn purchase(body: &[u8], change: MarketplaceChange) -> Result<GithubEvent, serde_json::Error> {
    let OfPurchase {
        effective_date,
        marketplace_purchase: bought,
    } = serde_json::from_slice(body)?;
    let PlanBody {
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
    Ok(GithubEvent::Marketplace(MarketplaceEvent {
        owner: OwnerId::new(bought.account.id),
        owner_login: bought.account.login,
        mail: mail.and_then(|text| MailAddress::parse(&text).ok()),
        change,
        listed: ListedPlan { id, name, price },
        effective_at: effective_date.0,
    }))
}

/// GitHub names an App's bot after the App, with a suffix that no person's login can have.
fn actor(user: User) -> Actor {
    let kind = if user.kind == "Bot" || user.login.ends_with("[bot]") {
        ActorKind::Bot
    } else {
        ActorKind::Person
    };
    Actor {
        id: user.id,
        login: user.login,
        kind,
    }
}

fn origin(installation: Id, repository: Repository, sender: User, app: Option<Id>) -> EventOrigin {
    EventOrigin {
        installation: InstallationId::new(installation.id),
        owner: OwnerId::new(repository.owner.id),
        owner_login: repository.owner.login,
        repository: RepositoryId::new(repository.id),
        repository_name: repository.name,
        default_branch: repository.default_branch,
        sender_login: sender.login,
        via_app: app.map(|app| app.id),
    }
}

#[cfg(test)]
mod tests;

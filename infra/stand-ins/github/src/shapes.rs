//! GitHub's JSON for people, repositories, issues, pull requests and comments, without the fields
//! that no client reads. Every `url` is below `html_base`, so following one never leads to the real
//! GitHub.

use serde_json::{Value, json};

use super::GitHubConfig;
use super::access::ISSUES;
pub(super) use super::repository_shape::repository;
use super::state::{
    Account, Comment, Installation, InstallationStatus, Issue, Pull, Reaction, Repository, Via,
};
use stand_in_shared::dates;

pub(super) fn app(config: &GitHubConfig) -> Value {
    json!({
        "id": config.app_id,
        "slug": config.app_slug,
        "node_id": node("A", config.app_id),
        "owner": user(config, &Account::person("app-owner")),
        "name": config.app_slug,
        "description": null,
        "external_url": config.html_base,
        "html_url": format!("{}/apps/{}", config.html_base, config.app_slug),
        "created_at": dates::iso(0),
        "updated_at": dates::iso(0),
        "permissions": {"actions": "read", "checks": "read", "contents": "write", "issues": "write", "metadata": "read",
            "pull_requests": "write", "statuses": "read"},
        "events": ISSUES,
    })
}

/// The App that runs workflows.
pub(super) fn actions(config: &GitHubConfig) -> Value {
    let mut app = app(config);
    app["id"] = json!(15_368);
    app["slug"] = json!("github-actions");
    app["name"] = json!("GitHub Actions");
    app
}

pub(super) fn installation(config: &GitHubConfig, installation: &Installation) -> Value {
    let api = format!("{}/app/installations/{}", api(config), installation.id);
    let suspended = installation.status == InstallationStatus::Suspended;
    json!({
        "id": installation.id,
        "account": user(config, &installation.account),
        "access_tokens_url": format!("{api}/access_tokens"),
        "repositories_url": format!("{}/installation/repositories", self::api(config)),
        "html_url": format!("{}/settings/installations/{}", config.html_base, installation.id),
        "app_id": config.app_id,
        "app_slug": config.app_slug,
        "target_id": installation.account.id,
        "target_type": installation.account.kind,
        "permissions": installation.permissions,
        "events": ISSUES,
        "repository_selection": "selected",
        "single_file_name": null,
        "created_at": dates::iso(installation.created),
        "updated_at": dates::iso(installation.created),
        "suspended_at": suspended.then(|| dates::iso(installation.created)),
        "suspended_by": suspended.then(|| user(config, &installation.account)),
    })
}

/// An organization inside another answer.
pub(super) fn organization(config: &GitHubConfig, account: &Account) -> Value {
    let api = format!("{}/orgs/{}", api(config), segment(&account.login));
    json!({
        "login": account.login,
        "id": account.id,
        "node_id": node("O", account.id),
        "url": api,
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events"),
        "hooks_url": format!("{api}/hooks"),
        "issues_url": format!("{api}/issues"),
        "members_url": format!("{api}/members{{/member}}"),
        "public_members_url": format!("{api}/public_members{{/member}}"),
        "avatar_url": format!("{}/avatars/{}", config.html_base, account.id),
        "description": null,
    })
}

/// A person as the answer to a request for them: with a profile, which is empty.
pub(super) fn profile(config: &GitHubConfig, account: &Account) -> Value {
    let mut shape = user(config, account);
    for field in ["bio", "company", "email", "hireable", "location", "name"] {
        shape[field] = Value::Null;
    }
    for field in ["followers", "following", "public_gists", "public_repos"] {
        shape[field] = json!(0);
    }
    merge(
        &mut shape,
        json!({"blog": "", "created_at": dates::iso(0), "updated_at": dates::iso(0)}),
    );
    shape
}

pub(super) fn user(config: &GitHubConfig, account: &Account) -> Value {
    let api = format!("{}/users/{}", api(config), segment(&account.login));
    json!({
        "login": account.login,
        "id": account.id,
        "node_id": node("U", account.id),
        "avatar_url": format!("{}/avatars/{}", config.html_base, account.id),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{}/{}", config.html_base, segment(&account.login)),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following"),
        "gists_url": format!("{api}/gists"),
        "starred_url": format!("{api}/starred"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events"),
        "received_events_url": format!("{api}/received_events"),
        "type": account.kind,
        "site_admin": false,
    })
}

pub(super) fn issue(config: &GitHubConfig, repository: &Repository, issue: &Issue) -> Value {
    let api = format!("{}/issues/{}", url(config, repository), issue.number);
    let mut shape = common(config, repository, issue);
    merge(
        &mut shape,
        json!({
            "url": api,
            "repository_url": url(config, repository),
            "labels_url": format!("{api}/labels"),
            "comments_url": format!("{api}/comments"),
            "events_url": format!("{api}/events"),
            "html_url": html_of(config, repository, issue),
            "state_reason": null,
            "performed_via_github_app": via(config, issue.via),
            "comments": repository.comments_of(issue.number).len(),
        }),
    );
    if issue.pull.is_some() {
        let (api, html) = (
            format!("{}/pulls/{}", url(config, repository), issue.number),
            html_of(config, repository, issue),
        );
        shape["pull_request"] = json!({
            "url": api,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
        });
    }
    shape
}

/// A pull request as lists show it.
pub(super) fn pull(
    config: &GitHubConfig,
    repository: &Repository,
    issue: &Issue,
    pull: &Pull,
) -> Value {
    let (html, root) = (html_of(config, repository, issue), url(config, repository));
    let api = format!("{root}/pulls/{}", issue.number);
    let mut shape = common(config, repository, issue);
    merge(
        &mut shape,
        json!({
            "url": api,
            "html_url": html,
            "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"),
            "issue_url": format!("{root}/issues/{}", issue.number),
            "commits_url": format!("{api}/commits"),
            "review_comments_url": format!("{api}/comments"),
            "review_comment_url": format!("{root}/pulls/comments{{/number}}"),
            "comments_url": format!("{root}/issues/{}/comments", issue.number),
            "statuses_url": format!("{root}/statuses/{}", pull.head_sha),
            "head": end(config, repository, &pull.head, &pull.head_sha),
            "base": end(config, repository, &pull.base, &pull.base_sha),
            "draft": pull.draft,
            "merged_at": pull.merged.as_ref().map(|merge| dates::iso(merge.at)),
            "merge_commit_sha": pull.merged.as_ref().map(|merge| &merge.commit),
            "requested_reviewers": pull.reviewers.iter().map(|login| user(config, &Account::person(login))).collect::<Vec<_>>(),
            "requested_teams": [],
            "auto_merge": null,
        }),
    );
    shape["_links"] = links(&shape);
    shape
}

/// The links of a pull request, which repeat addresses that it has anyway.
fn links(pull: &Value) -> Value {
    let named = [
        ("self", "url"),
        ("html", "html_url"),
        ("issue", "issue_url"),
        ("comments", "comments_url"),
        ("review_comments", "review_comments_url"),
        ("review_comment", "review_comment_url"),
        ("commits", "commits_url"),
        ("statuses", "statuses_url"),
    ];
    let link = |(name, field): (&str, &str)| (name.to_owned(), json!({"href": pull[field]}));
    Value::Object(named.into_iter().map(link).collect())
}

pub(super) fn comment(config: &GitHubConfig, repository: &Repository, comment: &Comment) -> Value {
    let root = url(config, repository);
    let on = repository
        .issues
        .get(&comment.issue)
        .map(|issue| html_of(config, repository, issue))
        .unwrap_or_default();
    json!({
        "id": comment.id,
        "node_id": node("IC", comment.id),
        "url": format!("{root}/issues/comments/{}", comment.id),
        "html_url": format!("{on}#issuecomment-{}", comment.id),
        "issue_url": format!("{root}/issues/{}", comment.issue),
        "body": comment.body,
        "user": user(config, &comment.author),
        "author_association": association(repository, &comment.author),
        "created_at": dates::iso(comment.created),
        "updated_at": dates::iso(comment.updated),
        "performed_via_github_app": via(config, comment.via),
    })
}

pub(super) fn label(config: &GitHubConfig, repository: &Repository, name: &str) -> Value {
    let id = Account::person(name).id;
    json!({
        "id": id,
        "node_id": node("LA", id),
        "url": format!("{}/labels/{}", url(config, repository), segment(name)),
        "name": name,
        "description": "",
        "color": "ededed",
        "default": false,
    })
}

/// How often an issue got each reaction, as webhooks show it.
pub(super) fn reactions(issue_url: &Value, issue: &Issue) -> Value {
    const KINDS: [&str; 8] = [
        "+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes",
    ];
    let counted = |kind| {
        let reactions = issue.reactions.iter();
        reactions.filter(|one| one.content == kind).count()
    };
    let mut shape = json!({
        "url": format!("{}/reactions", issue_url.as_str().unwrap_or_default()),
        "total_count": issue.reactions.len(),
    });
    for kind in KINDS {
        shape[kind] = json!(counted(kind));
    }
    shape
}

pub(super) fn reaction(config: &GitHubConfig, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id,
        "node_id": node("REA", reaction.id),
        "user": user(config, &reaction.author),
        "content": reaction.content,
        "created_at": dates::iso(reaction.created),
    })
}

/// A repository's address in the API.
pub(super) fn url(config: &GitHubConfig, repository: &Repository) -> String {
    format!("{}/repos/{}", api(config), repository.full_name())
}

/// A repository's page.
pub(super) fn html(config: &GitHubConfig, repository: &Repository) -> String {
    format!("{}/{}", config.html_base, repository.full_name())
}

/// The page of an issue or a pull request.
pub(super) fn html_of(config: &GitHubConfig, repository: &Repository, issue: &Issue) -> String {
    let kind = if issue.pull.is_some() {
        "pull"
    } else {
        "issues"
    };
    format!("{}/{kind}/{}", html(config, repository), issue.number)
}

pub(super) fn node(kind: &str, id: u64) -> String {
    format!("{kind}_{id}")
}

fn common(config: &GitHubConfig, repository: &Repository, issue: &Issue) -> Value {
    json!({
        "id": issue.id,
        "node_id": node(if issue.pull.is_some() { "PR" } else { "I" }, issue.id),
        "number": issue.number,
        "state": if issue.closed.is_some() { "closed" } else { "open" },
        "locked": false,
        "title": issue.title,
        "body": issue.body,
        "user": user(config, &issue.author),
        "labels": issue.labels.iter().map(|name| label(config, repository, name)).collect::<Vec<_>>(),
        "assignee": null,
        "assignees": [],
        "milestone": null,
        "author_association": association(repository, &issue.author),
        "created_at": dates::iso(issue.created),
        "updated_at": dates::iso(issue.updated),
        "closed_at": issue.closed.map(dates::iso),
    })
}

fn end(config: &GitHubConfig, repository: &Repository, branch: &str, sha: &str) -> Value {
    json!({
        "label": format!("{}:{branch}", repository.owner.login),
        "ref": branch,
        "sha": sha,
        "user": user(config, &repository.owner),
        "repo": self::repository(config, repository),
    })
}

fn association(repository: &Repository, author: &Account) -> &'static str {
    if author.login == repository.owner.login {
        "OWNER"
    } else if repository
        .collaborators
        .get(&author.login)
        .is_some_and(|role| role != "read" && role != "none")
    {
        "COLLABORATOR"
    } else {
        "NONE"
    }
}

fn via(config: &GitHubConfig, via: Via) -> Option<Value> {
    (via == Via::App).then(|| app(config))
}

fn api(config: &GitHubConfig) -> String {
    format!("{}/api/v3", config.html_base)
}

/// Escapes the brackets of a bot and the spaces of a label, which a URL may not contain.
fn segment(name: &str) -> String {
    super::paging::encoded(name)
}

pub(super) fn merge(shape: &mut Value, more: Value) {
    if let (Value::Object(shape), Value::Object(more)) = (shape, more) {
        shape.extend(more);
    }
}

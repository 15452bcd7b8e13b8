//! GitHub's JSON for a repository.

use serde_json::{Value, json};

use super::GitHubConfig;
use super::shapes::{html, merge, node, url, user};
use super::state::Repository;
use stand_in_shared::dates;

/// The addresses below a repository's own, as templates (RFC 6570).
const ADDRESSES: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    (
        "notifications_url",
        "/notifications{?since,all,participating}",
    ),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// A repository inside another answer.
pub(super) fn repository(config: &GitHubConfig, repository: &Repository) -> Value {
    let open = repository
        .issues
        .values()
        .filter(|issue| issue.closed.is_none())
        .count();
    let (root, page, name) = (
        url(config, repository),
        html(config, repository),
        repository.full_name(),
    );
    let host = config
        .html_base
        .split_once("://")
        .map_or("", |(_, host)| host);
    let mut shape = json!({
        "id": repository.id,
        "node_id": node("R", repository.id),
        "name": repository.name,
        "full_name": name,
        "owner": user(config, &repository.owner),
        "private": false,
        "visibility": "public",
        "html_url": page,
        "clone_url": format!("{page}.git"),
        "git_url": format!("git://{host}/{name}.git"),
        "ssh_url": format!("git@{host}:{name}.git"),
        "svn_url": page,
        "mirror_url": null,
        "homepage": null,
        "description": null,
        "language": null,
        "license": null,
        "topics": [],
        "fork": false,
        "is_template": false,
        "archived": repository.archived,
        "disabled": false,
        "allow_forking": true,
        "web_commit_signoff_required": false,
        "default_branch": repository.default_branch,
        "size": 0,
        "created_at": dates::iso(repository.created),
        "updated_at": dates::iso(repository.created),
        "pushed_at": dates::iso(repository.created),
    });
    for count in ["forks", "stargazers", "watchers"] {
        shape[format!("{count}_count")] = json!(0);
    }
    for (name, count) in [
        ("forks", 0),
        ("watchers", 0),
        ("open_issues", open),
        ("open_issues_count", open),
    ] {
        shape[name] = json!(count);
    }
    for (part, has) in [
        ("downloads", false),
        ("discussions", false),
        ("issues", true),
        ("pages", false),
        ("projects", false),
        ("wiki", false),
    ] {
        shape[format!("has_{part}")] = json!(has);
    }
    for (name, below) in ADDRESSES {
        shape[name] = json!(format!("{root}{below}"));
    }
    shape
}

/// A repository as the answer to a request for it.
pub(super) fn full(config: &GitHubConfig, found: &Repository) -> Value {
    let mut shape = repository(config, found);
    merge(
        &mut shape,
        json!({"network_count": 0, "subscribers_count": 0}),
    );
    shape
}

//! One comment per issue and marker, which is replaced when its text changes.
//!
//! A comment is ours if our App wrote it and it has our marker. Anybody can copy a marker, but
//! nobody else can write with our App's id.

use crate::call::Call;
use crate::error::GithubError;
use crate::pulls::marked;
use crate::repository::Repository;
use crate::route::Route;
use domain::ids::CommentId;
use http::HeaderMap;
use http::header::LINK;
use serde::Deserialize;
use serde_json::{Value, json};

/// A comment to write.
pub struct CommentOrder<'a> {
    pub issue: u64,
    /// The comment's id, if it is known.
    pub known: Option<CommentId>,
    pub body: &'a str,
    /// The text that identifies it; it is added to the body.
    pub marker: &'a str,
}

/// The maximum number of pages of 100 comments that are searched: the first page, then from the
/// newest backwards.
const PAGES_MAX: u64 = 6;

#[derive(Deserialize)]
struct CommentShape {
    id: u64,
    body: Option<String>,
    performed_via_github_app: Option<AppShape>,
}

/// A comment that somebody else wrote on an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueComment {
    pub author: String,
    /// GitHub's word for what the author is to the repository.
    pub association: String,
    pub body: String,
}

#[derive(Deserialize)]
struct SaidShape {
    body: Option<String>,
    user: Option<AuthorShape>,
    #[serde(default)]
    author_association: String,
    performed_via_github_app: Option<AppShape>,
}

#[derive(Deserialize)]
struct AuthorShape {
    login: String,
}

#[derive(Deserialize)]
struct AppShape {
    id: u64,
}

impl Repository {
    /// Ensures that the issue has this comment with this body.
    pub async fn comment_ensure(&self, order: &CommentOrder<'_>) -> Result<CommentId, GithubError> {
        let text = marked(order.body, order.marker);
        let body = json!({ "body": text });
        if let Some(id) = order.known
            && self.comment_update(id, &body).await?.is_some()
        {
            return Ok(id);
        }
        match self.comment_find(order).await? {
            Some(found) if found.body.as_ref() == Some(&text) => Ok(CommentId::new(found.id)),
            Some(found) => {
                let id = CommentId::new(found.id);
                let gone = GithubError::Unsettled {
                    operation: "update the comment",
                };
                self.comment_update(id, &body).await?.ok_or(gone)
            }
            None => self.comment_create(order.issue, body).await,
        }
    }

    /// GitHub accepts a second comment, so a creation without a clear answer stays in doubt.
    async fn comment_create(&self, issue: u64, body: Value) -> Result<CommentId, GithubError> {
        let operation = "write the comment";
        let sent = self
            .send(Call::post(operation, comments(issue), body))
            .await;
        match sent.and_then(|answer| answer.read::<CommentShape>()) {
            Ok(made) => Ok(CommentId::new(made.id)),
            Err(error) if error.is_unclear() => Err(GithubError::InDoubt { operation }),
            Err(error) => Err(error),
        }
    }

    async fn comment_update(
        &self,
        id: CommentId,
        body: &Value,
    ) -> Result<Option<CommentId>, GithubError> {
        let route = Route::new("/issues/comments/").number(id.get());
        let answer = self
            .send_for(Call::patch("update the comment", route, body.clone()))
            .await?;
        Ok(answer.map(|_| id))
    }

    async fn comment_find(
        &self,
        order: &CommentOrder<'_>,
    ) -> Result<Option<CommentShape>, GithubError> {
        let (first, last) = self.comment_page(order, 1).await?;
        if first.is_some() {
            return Ok(first);
        }
        for page in (2..=last)
            .rev()
            .take(usize::try_from(PAGES_MAX - 1).unwrap_or(0))
        {
            let (found, _) = self.comment_page(order, page).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The newest comments of an issue, oldest first, up to 100 and without our own. GitHub lists
    /// them by their age, so the last page has the newest.
    pub async fn issue_comments(&self, issue: u64) -> Result<Vec<IssueComment>, GithubError> {
        let (mut said, last) = self.comments_page(issue, 1).await?;
        if last > 1 {
            let before = if last > 2 {
                self.comments_page(issue, last - 1).await?.0
            } else {
                said
            };
            let newest = self.comments_page(issue, last).await?.0;
            said = before.into_iter().chain(newest).collect();
        }
        let newest = said.len().saturating_sub(100);
        Ok(said.split_off(newest))
    }

    async fn comments_page(
        &self,
        issue: u64,
        page: u64,
    ) -> Result<(Vec<IssueComment>, u64), GithubError> {
        let route = comments(issue)
            .query("per_page", "100")
            .query("page", &page.to_string());
        let answer = self.send(Call::get("read the comments", route)).await?;
        let listed: Vec<SaidShape> = answer.read()?;
        let ours = |said: &SaidShape| {
            let app = said.performed_via_github_app.as_ref();
            app.is_some_and(|app| app.id == self.app_id())
        };
        let said = listed.into_iter().filter(|said| !ours(said));
        let said = said.map(|said| IssueComment {
            author: said.user.map_or_else(String::new, |user| user.login),
            association: said.author_association,
            body: said.body.unwrap_or_default(),
        });
        Ok((said.collect(), last_page(&answer.headers).unwrap_or(page)))
    }

    /// Returns our comment on one page, and the number of the last page.
    async fn comment_page(
        &self,
        order: &CommentOrder<'_>,
        page: u64,
    ) -> Result<(Option<CommentShape>, u64), GithubError> {
        let route = comments(order.issue)
            .query("per_page", "100")
            .query("page", &page.to_string());
        let answer = self.send(Call::get("look for the comment", route)).await?;
        let listed: Vec<CommentShape> = answer.read()?;
        let ours = listed.into_iter().find(|comment| {
            comment
                .performed_via_github_app
                .as_ref()
                .is_some_and(|app| app.id == self.app_id())
                && comment
                    .body
                    .as_ref()
                    .is_some_and(|body| body.contains(order.marker))
        });
        Ok((ours, last_page(&answer.headers).unwrap_or(page)))
    }
}

fn comments(issue: u64) -> Route {
    Route::new("/issues/").number(issue).fixed("/comments")
}

/// The page number in `<https://…?per_page=100&page=4>; rel="last"`.
fn last_page(headers: &HeaderMap) -> Option<u64> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let last = links
        .split(',')
        .find(|link| link.contains("rel=\"last\""))?;
    let (_, query) = last
        .split_once('>')
        .and_then(|(address, _)| address.split_once('?'))?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("page="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Peer, Reply, found, lost, made, missing, repository};
    use domain::jobs::SHOWS_AFTER;
    use domain::retry::{Retry, Retryable};

    const PAGE_1: &str = "GET /repos/octo/hello/issues/5/comments?per_page=100&page=1";
    const PAGE_8: &str = "GET /repos/octo/hello/issues/5/comments?per_page=100&page=8";
    const PAGE_9: &str = "GET /repos/octo/hello/issues/5/comments?per_page=100&page=9";
    const POST: &str = "POST /repos/octo/hello/issues/5/comments";
    const PATCH: &str = "PATCH /repos/octo/hello/issues/comments/70";
    const MARKER: &str = "<!-- tallyhook:job_1 -->";

    fn comment(id: u64, app: Option<u64>, body: &str) -> Value {
        let app = app.map(|id| json!({ "id": id, "slug": "x" }));
        json!({ "id": id, "body": body, "performed_via_github_app": app })
    }

    fn marked_by(id: u64, app: Option<u64>) -> Value {
        comment(id, app, &format!("Old\n\n{MARKER}"))
    }

    async fn ensure(peer: &Peer, known: Option<u64>) -> Result<u64, GithubError> {
        let order = CommentOrder {
            issue: 5,
            known: known.map(CommentId::new),
            body: "New",
            marker: MARKER,
        };
        repository(peer)
            .await
            .comment_ensure(&order)
            .await
            .map(CommentId::get)
    }

    #[tokio::test]
    async fn the_newest_comments_of_others_are_read() {
        let said = |login: &str, app: Option<u64>| {
            let app = app.map(|id| json!({ "id": id }));
            json!({ "id": 1, "body": "text", "user": { "login": login }, "author_association": "MEMBER",
                "performed_via_github_app": app })
        };
        let pages = r#"<https://github.test/x?per_page=100&page=9>; rel="last""#;
        let first = Reply::with(200, &[("link", pages)], json!([said("ada", None)]));
        let peer = Peer::script([
            (PAGE_1, first),
            found(PAGE_8, json!([said("bob", None), said("bot", Some(42))])),
            found(
                PAGE_9,
                json!([said("eve", Some(43)), { "id": 2, "body": null, "user": null }]),
            ),
        ]);
        let said = repository(&peer).await.issue_comments(5).await;
        let said = said.expect("comments");
        let authors: Vec<&str> = said.iter().map(|said| said.author.as_str()).collect();
        assert_eq!(authors, ["bob", "eve", ""]);
        assert_eq!(said[0].association, "MEMBER");
    }

    #[tokio::test]
    async fn a_known_comment_is_rewritten_without_looking() {
        let peer = Peer::script([found(PATCH, json!({}))]);
        assert_eq!(ensure(&peer, Some(70)).await.expect("a comment"), 70);
        assert_eq!(
            peer.heard(PATCH)[0].body,
            json!({ "body": format!("New\n\n{MARKER}") })
        );
    }

    #[tokio::test]
    async fn a_deleted_one_is_written_again() {
        let peer = Peer::script([
            missing(PATCH),
            found(PAGE_1, json!([])),
            made(POST, comment(71, Some(42), "")),
        ]);
        assert_eq!(ensure(&peer, Some(70)).await.expect("a comment"), 71);
        peer.assert_done();
    }

    #[tokio::test]
    async fn only_our_apps_comment_is_ours() {
        let others = json!([
            marked_by(60, None),
            marked_by(61, Some(4)),
            comment(62, Some(42), "no marker"),
            marked_by(70, Some(42))
        ]);
        let peer = Peer::script([found(PAGE_1, others), found(PATCH, json!({}))]);
        assert_eq!(ensure(&peer, None).await.expect("a comment"), 70);
        peer.assert_done();
    }

    #[tokio::test]
    async fn an_unchanged_one_is_left_alone() {
        let same = comment(70, Some(42), &format!("New\n\n{MARKER}"));
        let peer = Peer::script([found(PAGE_1, json!([same]))]);
        assert_eq!(ensure(&peer, None).await.expect("a comment"), 70);
    }

    #[tokio::test]
    async fn a_lost_answer_is_looked_up_by_the_next_attempt() {
        let peer = Peer::script([found(PAGE_1, json!([])), lost(POST)]);
        assert_eq!(
            ensure(&peer, None).await.expect_err("an error").retry(),
            Retry::After(SHOWS_AFTER)
        );
        peer.then([found(
            PAGE_1,
            json!([comment(70, Some(42), &format!("New\n\n{MARKER}"))]),
        )]);
        assert_eq!(ensure(&peer, None).await.expect("a comment"), 70);
        assert_eq!(peer.heard(POST).len(), 1);
    }

    #[tokio::test]
    async fn long_issues_are_searched_from_the_end() {
        let base = "https://github.test/repositories/9/issues/5/comments?per_page=100&page";
        let link = format!("<{base}=2>; rel=\"next\", <{base}=9>; rel=\"last\"");
        let first = Reply::with(200, &[("link", link.as_str())], json!([]));
        let peer = Peer::script([
            (PAGE_1, first),
            found(PAGE_9, json!([])),
            found(PAGE_8, json!([marked_by(70, Some(42))])),
            found(PATCH, json!({})),
        ]);
        assert_eq!(ensure(&peer, None).await.expect("a comment"), 70);
        peer.assert_done();
    }
}

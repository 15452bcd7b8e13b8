//! Issues with their comments, labels and reactions. A pull request is also an issue here.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::access::{Access, ISSUES_OR_PULLS};
use super::paging::Paging;
use super::refusal::{Input, Refusal};
use super::state::{Comment, Freshness, Issue, Reaction, Via};
use super::{GitHub, shapes};
use stand_in_shared::dates;

pub(super) fn routes() -> Router<GitHub> {
    Router::new()
        .route("/issues/{number}", get(show))
        .route(
            "/issues/{number}/comments",
            get(comments).post(create_comment),
        )
        .route(
            "/issues/comments/{id}",
            patch(update_comment).post(update_comment),
        )
        .route("/issues/{number}/labels", post(add_labels))
        .route("/issues/{number}/reactions", post(react))
}

type Created = Result<(StatusCode, Json<Value>), Refusal>;

#[derive(Deserialize)]
struct Numbered {
    number: u64,
}

async fn show(
    access: Access,
    Path(Numbered { number }): Path<Numbered>,
) -> Result<Json<Value>, Refusal> {
    let visit = access.read(ISSUES_OR_PULLS)?;
    visit.may_touch(number, "read")?;
    let repository = visit.repository();
    Ok(Json(shapes::issue(
        visit.config,
        repository,
        &repository.issues[&number],
    )))
}

async fn comments(
    access: Access,
    Path(Numbered { number }): Path<Numbered>,
    paging: Paging,
) -> Result<Response, Refusal> {
    let mut visit = access.read(ISSUES_OR_PULLS)?;
    visit.may_touch(number, "read")?;
    let freshness = visit.state.read_list();
    let shown = visit.now - visit.state.list_lag;
    let repository = visit.repository();
    let mut comments = repository.comments_of(number);
    comments.retain(|comment| comment.created <= shown);
    if freshness == Freshness::WithoutNewest {
        comments.pop();
    }
    if let Some(since) = paging.query("since").and_then(dates::parse) {
        comments.retain(|comment| comment.updated >= since);
    }
    let shape = |comment| shapes::comment(visit.config, repository, comment);
    Ok(paging.respond(comments.into_iter().map(shape).collect()))
}

#[derive(Deserialize)]
struct Text {
    body: Option<String>,
}

impl Text {
    fn filled(self) -> Result<String, Refusal> {
        let body = self.body.filter(|body| !body.trim().is_empty());
        body.ok_or_else(|| Refusal::field("IssueComment", "body", "missing_field"))
    }
}

async fn create_comment(
    access: Access,
    Path(Numbered { number }): Path<Numbered>,
    Input(text): Input<Text>,
) -> Created {
    let mut visit = access.write(ISSUES_OR_PULLS)?;
    visit.may_touch(number, "write")?;
    let body = text.filled()?;
    let (id, author, now) = (visit.state.fresh_id(), visit.bot(), visit.now);
    let comment = Comment {
        id,
        issue: number,
        author,
        via: Via::App,
        body,
        created: now,
        updated: now,
    };
    let shape = shapes::comment(visit.config, visit.repository(), &comment);
    visit.repository_mut().comments.insert(id, comment);
    Ok((StatusCode::CREATED, Json(shape)))
}

#[derive(Deserialize)]
struct CommentId {
    id: u64,
}

async fn update_comment(
    access: Access,
    Path(CommentId { id }): Path<CommentId>,
    Input(text): Input<Text>,
) -> Result<Json<Value>, Refusal> {
    let mut visit = access.write(ISSUES_OR_PULLS)?;
    let number = visit
        .repository()
        .comments
        .get(&id)
        .ok_or_else(Refusal::not_found)?
        .issue;
    visit.may_touch(number, "write")?;
    let (body, now) = (text.filled()?, visit.now);
    let comment = visit
        .repository_mut()
        .comments
        .get_mut(&id)
        .ok_or_else(Refusal::not_found)?;
    (comment.body, comment.updated) = (body, now);
    let repository = visit.repository();
    Ok(Json(shapes::comment(
        visit.config,
        repository,
        &repository.comments[&id],
    )))
}

/// Both forms that GitHub accepts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Labels {
    Named { labels: Vec<String> },
    Bare(Vec<String>),
}

async fn add_labels(
    access: Access,
    Path(Numbered { number }): Path<Numbered>,
    Input(labels): Input<Labels>,
) -> Result<Json<Vec<Value>>, Refusal> {
    let mut visit = access.write(ISSUES_OR_PULLS)?;
    visit.may_touch(number, "write")?;
    let (Labels::Named { labels } | Labels::Bare(labels)) = labels;
    let issue = visit
        .repository_mut()
        .issues
        .get_mut(&number)
        .ok_or_else(Refusal::not_found)?;
    for label in labels {
        if !issue.labels.contains(&label) {
            issue.labels.push(label);
        }
    }
    let (config, repository) = (visit.config, visit.repository());
    let labels = repository.issues[&number].labels.iter();
    Ok(Json(
        labels
            .map(|label| shapes::label(config, repository, label))
            .collect(),
    ))
}

const REACTIONS: [&str; 8] = [
    "+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes",
];

#[derive(Deserialize)]
struct NewReaction {
    content: String,
}

/// Adding the same reaction twice creates one reaction: 201 the first time, 200 afterwards.
async fn react(
    access: Access,
    Path(Numbered { number }): Path<Numbered>,
    Input(new): Input<NewReaction>,
) -> Created {
    let mut visit = access.write(ISSUES_OR_PULLS)?;
    visit.may_touch(number, "write")?;
    if !REACTIONS.contains(&new.content.as_str()) {
        return Err(Refusal::field("Reaction", "content", "invalid"));
    }
    let (config, author, now, id) = (visit.config, visit.bot(), visit.now, visit.state.fresh_id());
    let issue: &mut Issue = visit
        .repository_mut()
        .issues
        .get_mut(&number)
        .ok_or_else(Refusal::not_found)?;
    let same = |reaction: &&Reaction| reaction.author == author && reaction.content == new.content;
    if let Some(reaction) = issue.reactions.iter().find(same) {
        return Ok((StatusCode::OK, Json(shapes::reaction(config, reaction))));
    }
    let reaction = Reaction {
        id,
        author,
        content: new.content,
        created: now,
    };
    let shape = shapes::reaction(config, &reaction);
    issue.reactions.push(reaction);
    Ok((StatusCode::CREATED, Json(shape)))
}

//! How a job's row is stored as an item.

use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, texts, time};
use crate::db::keys;
use crate::db::tx::Change;
use crate::db::versions::{tries_attributes, tries_change, tries_of};
use crate::jobs::steps::{tokens_attributes, tokens_change, tokens_of};
use crate::jobs::terms::{terms_attributes, terms_of};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{AccountId, CommentId, InstallationId, JobId, RepositoryId};
use domain::inbox::{EventKey, EventSource};
use domain::jobs::checks::{OnRed, Validate};
use domain::jobs::pulls::PullOptions;
use domain::jobs::{
    CancelRequest, CommentState, FixPaid, JobFacts, JobRow, JobState, PullRef, TimelineEntry,
    Transition,
};
use domain::time::Timestamp;
use domain::units::Credits;
use domain::work::Lifecycle;

pub(super) fn transition_change(transition: &Transition, mark: &str) -> Change {
    let row = transition.row();
    let key = keys::job(&row.facts.id);
    let change = tokens_change(Change::of(key.clone()), row.tokens);
    let mut change = tries_change(change, &key, row.tries())
        .set("state", text(row.state.as_str()))
        .set("version", number(row.version))
        .set("rounds", number(row.rounds))
        .set("steps", number(row.steps))
        .set("cost", number(row.cost.micros()))
        .set_or_remove("in_flight", some_credits(row.in_flight))
        .set_or_remove("lost", some_credits(row.lost))
        .set_or_remove("turns", (row.turns > 0).then(|| number(row.turns)))
        .set_or_remove("repairs", (row.repairs > 0).then(|| number(row.repairs)))
        .set_or_remove("repair_ended", row.repair_ended.as_ref().map(text))
        .set("w", text(mark))
        .set_or_remove("base_sha", row.base_sha.as_ref().map(text))
        .set_or_remove(
            "pull_number",
            row.pull.as_ref().map(|pull| number(pull.number)),
        )
        .set_or_remove("pull_url", row.pull.as_ref().map(|pull| text(&pull.url)))
        .set_or_remove("head_sha", row.head_sha.as_ref().map(text))
        .set_or_remove("checked", row.checked.as_ref().map(text))
        .set_or_remove("unmet", row.unmet.as_ref().map(text))
        .set_or_remove("reason", row.reason.as_ref().map(text))
        .set_or_remove("cancel", asked(row).then(|| AttributeValue::Bool(true)))
        .set_or_remove(
            "fix_paid",
            (row.fix_paid == FixPaid::Before).then(|| AttributeValue::Bool(true)),
        )
        .when(
            "#state = :from_state AND #version = :from_version",
            vec![
                ("from_state", text(transition.from_state().as_str())),
                ("from_version", number(transition.from_version())),
            ],
        );
    if let Some(moment) = transition.entered() {
        change = change.set_expression(
            "#timeline = list_append(#timeline, :entered)",
            vec![("entered", texts([moment_text(moment)]))],
        );
    }
    change
}

fn some_credits(credits: Credits) -> Option<AttributeValue> {
    (!credits.is_zero()).then(|| number(credits.micros()))
}

const fn asked(row: &JobRow) -> bool {
    matches!(row.cancel_requested, CancelRequest::Asked)
}

fn moment_text(moment: &TimelineEntry) -> String {
    format!("{}@{}", moment.state.as_str(), moment.at.millis())
}

fn moment_of(text: &str) -> Option<TimelineEntry> {
    let (state, at) = text.split_once('@')?;
    Some(TimelineEntry {
        state: JobState::parse(state)?,
        at: Timestamp::from_millis(at.parse().ok()?),
    })
}

/// Builds the item of a new job.
pub(super) fn row_attributes(row: &JobRow) -> Attributes {
    let facts = &row.facts;
    let key = keys::job(&facts.id);
    let mut item = key.attributes();
    let more = [
        ("state", text(row.state.as_str())),
        ("version", number(row.version)),
        ("rounds", number(row.rounds)),
        ("steps", number(row.steps)),
        ("timeline", texts(row.timeline.iter().map(moment_text))),
        // `owner` and `at` are the keys of index `timeline`.
        ("owner", text(facts.account.as_str())),
        ("at", time(facts.created_at)),
        ("installation", number(facts.installation)),
        ("repository", number(facts.repository)),
        ("owner_login", text(&facts.owner_login)),
        ("repository_name", text(&facts.repository_name)),
        ("base_branch", text(&facts.base_branch)),
        ("issue_number", number(facts.issue_number)),
        ("trigger", text(&facts.trigger)),
        ("asked_by", text(&facts.asked_by)),
    ];
    item.extend(more.map(|(name, value)| (name.to_owned(), value)));
    item.extend(tokens_attributes(row.tokens));
    item.extend(tries_attributes(&key, row.tries()));
    item.extend(terms_attributes(&facts.terms));
    if let Some(job) = &facts.retry_of {
        item.insert("retry_of".to_owned(), text(job.as_str()));
    }
    if let Some(event) = &facts.caused_by {
        item.insert("caused_by".to_owned(), text(event.id()));
    }
    if let Some(reason) = &row.reason {
        item.insert("reason".to_owned(), text(reason));
    }
    if let Some(reason) = &row.public_reason {
        item.insert("public_reason".to_owned(), text(reason));
    }
    item.extend(wish_attributes(&facts.wishes).map(|(name, value)| (name.to_owned(), value)));
    item
}

/// Stores only the options that are set, so a job without options looks like a job from before
/// options existed.
pub(super) fn wish_attributes(
    wishes: &PullOptions,
) -> impl Iterator<Item = (&'static str, AttributeValue)> {
    let listed = |list: &[String]| (!list.is_empty()).then(|| texts(list.iter().cloned()));
    [
        (
            "draft",
            wishes.draft().is_on().then_some(AttributeValue::Bool(true)),
        ),
        ("labels", listed(wishes.labels())),
        ("reviewers", listed(wishes.reviewers())),
        (
            "validate",
            wishes.validate().map(|validate| text(validate.as_str())),
        ),
        (
            "on_red",
            (wishes.on_red() == OnRed::Fail).then(|| text(OnRed::Fail.as_str())),
        ),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

pub(super) fn snapshot_of(attributes: &Attributes) -> Result<JobRow, StoreError> {
    let item = Item::new(attributes, "read a job");
    let pull = match (
        item.find_number("pull_number")?,
        item.find_text("pull_url")?,
    ) {
        (Some(number), Some(url)) => Some(PullRef {
            number,
            url: url.to_owned(),
        }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(item.bad("pull_url")),
    };
    let Lifecycle {
        attempts,
        lease_until,
        not_before,
        outage_since,
        due_at,
    } = tries_of(&item)?;
    let moments = item.texts("timeline")?.into_iter().map(moment_of);
    Ok(JobRow {
        facts: facts_of(&item)?,
        state: JobState::parse(item.text("state")?).ok_or_else(|| item.bad("state"))?,
        version: item.number("version")?,
        lease_until,
        attempts,
        rounds: item.number("rounds")?,
        steps: item.number("steps")?,
        tokens: tokens_of(&item)?,
        cost: item.find_credits("cost")?,
        in_flight: item.find_credits("in_flight")?,
        lost: item.find_credits("lost")?,
        turns: item.find_number("turns")?.unwrap_or_default(),
        repairs: item.find_number("repairs")?.unwrap_or_default(),
        repair_ended: item.find_text("repair_ended")?.map(str::to_owned),
        fix_paid: if attributes.contains_key("fix_paid") {
            FixPaid::Before
        } else {
            FixPaid::WithJob
        },
        base_sha: item.find_text("base_sha")?.map(str::to_owned),
        pull,
        head_sha: item.find_text("head_sha")?.map(str::to_owned),
        checked: item.find_text("checked")?.map(str::to_owned),
        unmet: item.find_text("unmet")?.map(str::to_owned),
        reason: item.find_text("reason")?.map(str::to_owned),
        public_reason: item.find_text("public_reason")?.map(str::to_owned),
        cancel_requested: if attributes.contains_key("cancel") {
            CancelRequest::Asked
        } else {
            CancelRequest::None
        },
        comment: item.find_number("comment")?.map(CommentId::new),
        commented: item
            .find_text("commented")?
            .map(|commented| CommentState::parse(commented).ok_or_else(|| item.bad("commented")))
            .transpose()?,
        due_at,
        not_before,
        outage_since,
        timeline: moments
            .collect::<Option<_>>()
            .ok_or_else(|| item.bad("timeline"))?,
    })
}

pub(super) fn wishes_of(item: &Item<'_>) -> Result<PullOptions, StoreError> {
    let listed = |name| Ok(item.texts(name)?.into_iter().map(str::to_owned).collect());
    let options = PullOptions::check(
        item.switch("draft")?,
        listed("labels")?,
        listed("reviewers")?,
    );
    let validate = item
        .find_text("validate")?
        .map(|word| Validate::parse(word).ok_or_else(|| item.bad("validate")));
    let on_red = item
        .find_text("on_red")?
        .map(|word| OnRed::parse(word).ok_or_else(|| item.bad("on_red")));
    Ok(options.ok_or_else(|| item.bad("labels"))?.validated(
        validate.transpose()?,
        on_red.transpose()?.unwrap_or(OnRed::Draft),
    ))
}

fn facts_of(item: &Item<'_>) -> Result<JobFacts, StoreError> {
    Ok(JobFacts {
        id: keys::job_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        account: item.parsed("owner", AccountId::parse)?,
        installation: InstallationId::new(item.number("installation")?),
        repository: RepositoryId::new(item.number("repository")?),
        owner_login: item.text("owner_login")?.to_owned(),
        repository_name: item.text("repository_name")?.to_owned(),
        base_branch: item.text("base_branch")?.to_owned(),
        issue_number: item.number("issue_number")?,
        trigger: item.text("trigger")?.to_owned(),
        asked_by: item.text("asked_by")?.to_owned(),
        caused_by: item
            .find_text("caused_by")?
            .map(|id| EventKey::parse(EventSource::Github, id))
            .transpose()
            .map_err(|_| item.bad("caused_by"))?,
        retry_of: item
            .find_text("retry_of")?
            .map(JobId::parse)
            .transpose()
            .map_err(|_| item.bad("retry_of"))?,
        wishes: wishes_of(item)?,
        terms: terms_of(item)?,
        created_at: item.time("at")?,
    })
}

//! `/settings/repositories`: the owners that the account pays for, and their repositories with each
//! policy as Tallyhook reads it. Read-only.

use super::tab;
use crate::members::Member;
use crate::pages::jobs;
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::accounts::{InstallationState, PaidOwner};
use domain::inbox::events::Visibility;
use domain::jobs::checks::{OnRed, Validate};
use domain::jobs::seen::{ListedRepository, PolicyFound, PolicySeen, RepositoryState};
use domain::jobs::triggers::Policy;
use flows::jobs::repositories::list;
use maud::{Markup, html};
use pages::{Page, Tone, badge, definitions, empty, moment, pager, table};
use rest::{Params, cursors};
use serde::Deserialize;
use std::sync::Arc;
use store::Cursor;

const PATH: &str = "/settings/repositories";
const EXAMPLE: &str = "[triggers]
opened = false          # a new issue alone requests no job
label = \"tallyhook\"     # this label does
commands = true         # and so does the comment /tallyhook fix
role = \"write\"          # for people with this role or more

[limits]
jobs_per_hour = 10      # of this repository
budget = \"2.5\"          # the most credits that one job may cost

[pull]
draft = true
labels = [\"tallyhook\"]
reviewers = [\"some-login\"]
validate = \"checks\"     # wait for the checks of the pull request
on_red = \"fail\"         # and close it if they fail
";
/// As many as the API returns in a page.
const PAGE: usize = 100;

/// The query of the list.
#[derive(Deserialize)]
pub struct Filter {
    cursor: Option<String>,
}

/// Lists the account's owners and repositories.
pub async fn show(
    member: Member,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Page, ApiError> {
    let standing = member.standing(&ctx).await?;
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let listed = list(&ctx.store, &member.account, cursor.as_ref(), PAGE).await?;
    let next = listed
        .next
        .map(|next| format!("{PATH}?cursor={}", cursors::write(next.at, &next.id)));
    let install = ctx.installation_page();
    let install = install.as_deref().unwrap_or("/setup");
    let owners: Vec<_> = listed
        .owners
        .iter()
        .map(|one| owner(one, install))
        .collect();
    let content = html! {
        @if owners.is_empty() {
            (empty("No repositories yet", &html! {
                "Install the App on GitHub for the user or organization that this account should pay for. Its repositories appear here. "
                a href=(install) { "Install the App" }
            }))
        } @else {
            (table("GitHub owners that this account pays for", &["Owner", "The App", "On GitHub"], &owners))
            h2 { "Repositories" }
            @if listed.repositories.is_empty() && cursor.is_none() {
                (empty("No repositories seen yet", &html! {
                    "A repository appears when GitHub names it: when you give it to the App, or with its next issue. "
                    a href=(install) { "Choose the App's repositories" }
                }))
            } @else {
                p {
                    "To change a policy, change the file " code { ".tallyhook.toml" }
                    " in the repository's default branch. Tallyhook reads it with each event that may become a job. "
                }
                details { summary { "An example of the file" } pre { code { (EXAMPLE) } } }
                @for one in &listed.repositories { (repository(one)) }
                (pager(cursor.as_ref().map(|_| PATH), next.as_deref()))
            }
        }
    };
    Ok(tab(&member, &standing, "Repositories", PATH).with(&content))
}

fn owner(owner: &PaidOwner, install: &str) -> Vec<Markup> {
    let installed = owner.installed.as_ref();
    let login = installed.and_then(|installed| installed.login.clone());
    vec![
        html! { strong { (login.unwrap_or_else(|| format!("Owner {}", owner.id))) } },
        html! {
            @match installed.map(|installed| installed.state) {
                Some(InstallationState::Active) => (badge(Tone::Good, "Active")),
                Some(InstallationState::Suspended) => (badge(Tone::Warn, "Suspended")),
                Some(InstallationState::Deleted) => (badge(Tone::Bad, "Uninstalled")),
                None => "Not known yet",
            }
        },
        html! { a href=(install) { "Change or install the App" } },
    ]
}

fn repository(listed: &ListedRepository) -> Markup {
    let seen = &listed.seen;
    let visibility = match seen.visibility {
        Visibility::Private => "Private",
        Visibility::Public => "Public",
    };
    let facts = [
        ("Visibility", html! { (visibility) }),
        ("Policy file", file(seen.policy.as_ref())),
        (
            "Last job",
            html! {
                @match &listed.last_job {
                    Some(job) => {
                        a href={ "/jobs/" (job.facts.id) } { "Issue #" (job.facts.issue_number) } " "
                        (jobs::state(job.state.as_str()))
                    }
                    None => "None yet",
                }
            },
        ),
    ];
    html! {
        section.card {
            h3 { (seen.name) " " (state(listed.state)) }
            (definitions(&facts))
            @match seen.policy.as_ref().map(|policy| &policy.found) {
                Some(PolicyFound::Read(policy)) => (rules(policy)),
                Some(PolicyFound::Absent) => (rules(&Policy::default())),
                Some(PolicyFound::Broken(mistakes)) => {
                    p { "No job begins here until the file is repaired:" }
                    ul { @for mistake in mistakes { li { (mistake) } } }
                }
                Some(PolicyFound::Hidden) => p { "Give the App access to this repository on GitHub." },
                None => {}
            }
        }
    }
}

fn state(state: RepositoryState) -> Markup {
    match state {
        RepositoryState::Active => html! {},
        RepositoryState::Suspended => badge(Tone::Warn, "Suspended"),
        RepositoryState::Removed => badge(Tone::Bad, "Removed"),
    }
}

fn file(seen: Option<&PolicySeen>) -> Markup {
    let Some(seen) = seen else {
        return html! { "Not read yet. Tallyhook reads it with the first issue." };
    };
    let (tone, text) = match &seen.found {
        PolicyFound::Absent => (Tone::Plain, "Not found, the defaults count"),
        PolicyFound::Read(_) => (Tone::Good, "Found"),
        PolicyFound::Broken(_) => (Tone::Bad, "Cannot be used"),
        PolicyFound::Hidden => (Tone::Bad, "Cannot be read"),
    };
    html! { (badge(tone, text)) " " span.quiet { "since " (moment(seen.read_at)) } }
}

/// A policy in words. Each rule that is the default says so.
fn rules(policy: &Policy) -> Markup {
    let usual = Policy::default();
    let rule = |text: String, is_default: bool| {
        html! { (text) @if is_default { " " span.quiet { "default" } } }
    };
    let (wishes, caps) = (&policy.wishes, &policy.caps);
    let role = policy.role.map_or_else(
        || "People who can read a private repository; in a public one people who can write, or triage for the label".to_owned(),
        |role| format!("People with the role {} or more", role.as_str()),
    );
    let facts = [
        ("Who may ask", rule(role, policy.role.is_none())),
        (
            "Authors",
            rule(
                listed("All", &policy.associations),
                policy.associations.is_empty(),
            ),
        ),
        (
            "Bots",
            rule(listed("None", &policy.bots), policy.bots.is_empty()),
        ),
        (
            "A new issue",
            rule(asks(policy.opened.is_on()), policy.opened == usual.opened),
        ),
        (
            "The label",
            rule(policy.label.clone(), policy.label == usual.label),
        ),
        (
            "/tallyhook fix",
            rule(
                asks(policy.commands.is_on()),
                policy.commands == usual.commands,
            ),
        ),
        (
            "Jobs an hour",
            rule(most(caps.repository_hour), caps.repository_hour.is_none()),
        ),
        (
            "Jobs a day for one person",
            rule(most(caps.person_day), caps.person_day.is_none()),
        ),
        (
            "A job costs at most",
            rule(
                caps.budget.map_or_else(
                    || "What the plan allows".to_owned(),
                    |budget| format!("{budget} credits"),
                ),
                caps.budget.is_none(),
            ),
        ),
        (
            "Pull requests",
            rule(
                if wishes.draft().is_on() {
                    "Drafts"
                } else {
                    "Ready for review"
                }
                .to_owned(),
                wishes.draft() == usual.wishes.draft(),
            ),
        ),
        (
            "Their labels",
            rule(listed("None", wishes.labels()), wishes.labels().is_empty()),
        ),
        (
            "Their reviewers",
            rule(
                listed("None", wishes.reviewers()),
                wishes.reviewers().is_empty(),
            ),
        ),
        (
            "Checks",
            rule(
                match wishes.validate() {
                    Some(Validate::Checks) => "Waits for them",
                    Some(Validate::Off) => "Does not wait for them",
                    None => "Waits for them where there are some",
                }
                .to_owned(),
                wishes.validate().is_none(),
            ),
        ),
        (
            "If checks fail",
            rule(
                match wishes.on_red() {
                    OnRed::Draft => "The pull request stays open",
                    OnRed::Fail => "The pull request is closed",
                }
                .to_owned(),
                wishes.on_red() == usual.wishes.on_red(),
            ),
        ),
    ];
    html! { details { summary { "The policy" } (definitions(&facts)) } }
}

fn asks(on: bool) -> String {
    if on {
        "Requests a job"
    } else {
        "Requests no job"
    }
    .to_owned()
}

fn most(count: Option<u32>) -> String {
    count.map_or_else(
        || "What the plan allows".to_owned(),
        |most| format!("At most {most}"),
    )
}

fn listed<T: ToString>(nothing: &str, all: &[T]) -> String {
    if all.is_empty() {
        return nothing.to_owned();
    }
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(", ")
}

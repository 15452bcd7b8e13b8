//! `/settings/repositories`: the owners that the account pays for, and their repositories with each
//! policy as Tallyhook reads it. Read-only.

use super::tab;
use crate::members::Member;
use crate::pages::jobs;
use crate::{ApiError, Ctx};
use axum::extract::State;
use domain::accounts::{InstallationState, PaidOwner};
use domain::inbox::events::Visibility;
use domain::jobs::caps::Caps;
use domain::jobs::checks::{OnRed, Validate};
use domain::jobs::pulls::PullOptions;
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
const PLAN: &str = "What the plan allows";
const USUAL_ROLE: &str = "In a private repository people who can read it; in a public one people who can write, or triage for the label";
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
    let facts = asking(policy)
        .into_iter()
        .chain(limits(&policy.caps))
        .chain(pull_requests(&policy.wishes));
    let facts: Vec<_> = facts.collect();
    html! { details { summary { "The policy" } (definitions(&facts)) } }
}

type Rule = (&'static str, Markup);

fn rule(name: &'static str, text: impl Into<String>, is_default: bool) -> Rule {
    let text = text.into();
    let shown = html! { (text) @if is_default { " " span.quiet { "default" } } };
    (name, shown)
}

fn asking(policy: &Policy) -> [Rule; 6] {
    let usual = Policy::default();
    let role = policy.role.map_or_else(
        || USUAL_ROLE.to_owned(),
        |role| format!("People with the role {} or more", role.as_str()),
    );
    let (opened, commands) = (policy.opened, policy.commands);
    let authors = &policy.associations;
    [
        rule("Who may ask", role, policy.role.is_none()),
        rule("Authors", listed("All", authors), authors.is_empty()),
        rule("Bots", listed("None", &policy.bots), policy.bots.is_empty()),
        rule("A new issue", asks(opened.is_on()), opened == usual.opened),
        rule("The label", &policy.label, policy.label == usual.label),
        rule(
            "/tallyhook fix",
            asks(commands.is_on()),
            commands == usual.commands,
        ),
    ]
}

fn limits(caps: &Caps) -> [Rule; 3] {
    let (hour, day, budget) = (caps.repository_hour, caps.person_day, caps.budget);
    let cost = budget.map(|budget| format!("{budget} credits"));
    let cost = cost.unwrap_or_else(|| PLAN.to_owned());
    [
        rule("Jobs an hour", most(hour), hour.is_none()),
        rule("Jobs a day for one person", most(day), day.is_none()),
        rule("A job costs at most", cost, budget.is_none()),
    ]
}

fn pull_requests(wishes: &PullOptions) -> [Rule; 5] {
    let usual = PullOptions::default();
    let (labels, reviewers) = (wishes.labels(), wishes.reviewers());
    let opened = if wishes.draft().is_on() {
        "Drafts"
    } else {
        "Ready for review"
    };
    let checks = match wishes.validate() {
        Some(Validate::Checks) => "Waits for them",
        Some(Validate::Off) => "Does not wait for them",
        None => "Waits for them where there are some",
    };
    let on_red = match wishes.on_red() {
        OnRed::Draft => "The pull request stays open",
        OnRed::Fail => "The pull request is closed",
    };
    [
        rule("Pull requests", opened, wishes.draft() == usual.draft()),
        rule("Their labels", listed("None", labels), labels.is_empty()),
        rule(
            "Their reviewers",
            listed("None", reviewers),
            reviewers.is_empty(),
        ),
        rule("Checks", checks, wishes.validate().is_none()),
        rule("If checks fail", on_red, wishes.on_red() == usual.on_red()),
    ]
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
    count.map_or_else(|| PLAN.to_owned(), |most| format!("At most {most}"))
}

fn listed<T: ToString>(nothing: &str, all: &[T]) -> String {
    if all.is_empty() {
        return nothing.to_owned();
    }
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    all.join(", ")
}

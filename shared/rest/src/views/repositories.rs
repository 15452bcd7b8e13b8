//! The views of an account's repositories and their policies.

use domain::accounts::PaidOwner;
use domain::inbox::events::Visibility;
use domain::jobs::seen::{ListedRepository, PolicyFound};
use domain::jobs::triggers::Policy;
use serde::Serialize;
use utoipa::ToSchema;

/// A GitHub owner that the account pays for.
#[derive(Serialize, ToSchema)]
pub struct OwnerShown {
    /// GitHub's number of the owner.
    pub id: u64,
    /// The owner's login, once an event has named it.
    pub login: Option<String>,
    /// The newest installation of the App; absent until an event names it.
    pub installation: Option<u64>,
    /// The state of that installation: `active`, `suspended` or `deleted`.
    pub state: Option<&'static str>,
}

impl OwnerShown {
    pub fn of(owner: &PaidOwner) -> Self {
        let installed = owner.installed.as_ref();
        Self {
            id: owner.id.get(),
            login: installed.and_then(|installed| installed.login.clone()),
            installation: installed.map(|installed| installed.installation.get()),
            state: installed.map(|installed| installed.state.as_str()),
        }
    }
}

/// A repository, as Tallyhook last saw it.
#[derive(Serialize, ToSchema)]
pub struct RepositoryShown {
    /// GitHub's number of the repository.
    pub id: u64,
    /// Its name, such as `acme/greeter`.
    pub name: String,
    pub private: bool,
    /// `active` if Tallyhook works there, `suspended` with its owner's installation, or `removed`.
    pub state: &'static str,
    /// What was found of `.tallyhook.toml`: `read`, `absent`, `broken`, `hidden` if the App may not
    /// read it, or `unread` until the first event that may become a job.
    pub policy_file: &'static str,
    /// Since when each read has found the same.
    pub policy_since: Option<String>,
    /// What is wrong with the file, each with its line. No job begins until it is repaired.
    pub mistakes: Vec<String>,
    /// The policy that counts; absent while the file is broken, hidden or unread.
    pub policy: Option<PolicyShown>,
    pub last_job: Option<LastJob>,
}

/// The newest job of a repository.
#[derive(Serialize, ToSchema)]
pub struct LastJob {
    pub id: String,
    pub state: &'static str,
    pub issue: u64,
}

/// A repository's policy. The defaults are those of a repository without a file.
#[derive(Serialize, ToSchema)]
pub struct PolicyShown {
    /// Whether a new issue requests a job.
    pub opened: bool,
    /// The label that requests a job.
    pub label: String,
    /// Whether the comment `/tallyhook fix` requests a job.
    pub commands: bool,
    /// The author associations that may ask; empty for all.
    pub associations: Vec<String>,
    /// The least role that may ask. Absent for the default: `read` in a private repository, and in a
    /// public one `write`, or `triage` for the label.
    pub role: Option<&'static str>,
    /// The ids of the bots that may ask.
    pub bots: Vec<u64>,
    /// The most jobs an hour; absent if the plan decides.
    pub jobs_per_hour: Option<u32>,
    /// The most jobs of one person a day; absent if the plan decides.
    pub jobs_per_person_per_day: Option<u32>,
    /// The most credits that a job may cost; absent if the plan decides.
    pub budget: Option<String>,
    /// Whether pull requests are drafts.
    pub draft: bool,
    /// The labels of pull requests.
    pub labels: Vec<String>,
    /// The people who are asked to review pull requests.
    pub reviewers: Vec<String>,
    /// `checks` or `off`; absent to wait for checks where there are some.
    pub validate: Option<&'static str>,
    /// What happens if checks fail: `draft` or `fail`.
    pub on_red: &'static str,
}

impl PolicyShown {
    pub fn of(policy: &Policy) -> Self {
        let (caps, wishes) = (&policy.caps, &policy.wishes);
        Self {
            opened: policy.opened.is_on(),
            label: policy.label.clone(),
            commands: policy.commands.is_on(),
            associations: policy.associations.clone(),
            role: policy.role.map(|role| role.as_str()),
            bots: policy.bots.clone(),
            jobs_per_hour: caps.repository_hour,
            jobs_per_person_per_day: caps.person_day,
            budget: caps.budget.map(|most| most.to_string()),
            draft: wishes.draft().is_on(),
            labels: wishes.labels().to_vec(),
            reviewers: wishes.reviewers().to_vec(),
            validate: wishes.validate().map(|validate| validate.as_str()),
            on_red: wishes.on_red().as_str(),
        }
    }
}

impl RepositoryShown {
    pub fn of(listed: &ListedRepository) -> Self {
        let seen = &listed.seen;
        let found = seen.policy.as_ref().map(|policy| &policy.found);
        let (mistakes, policy) = match found {
            Some(PolicyFound::Broken(mistakes)) => (mistakes.clone(), None),
            Some(PolicyFound::Read(policy)) => (Vec::new(), Some(PolicyShown::of(policy))),
            Some(PolicyFound::Absent) => (Vec::new(), Some(PolicyShown::of(&Policy::default()))),
            Some(PolicyFound::Hidden) | None => (Vec::new(), None),
        };
        Self {
            id: seen.id.get(),
            name: seen.name.to_string(),
            private: seen.visibility == Visibility::Private,
            state: listed.state.as_str(),
            policy_file: found.map_or("unread", PolicyFound::as_str),
            policy_since: seen
                .policy
                .as_ref()
                .map(|policy| policy.read_at.to_string()),
            mistakes,
            policy,
            last_job: listed.last_job.as_ref().map(|job| LastJob {
                id: job.facts.id.to_string(),
                state: job.state.as_str(),
                issue: job.facts.issue_number,
            }),
        }
    }
}

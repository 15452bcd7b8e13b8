//! Reads a repository's policy, `.tallyhook.toml`. Only the file in the base branch counts, so that
//! no pull request can change the policy.
//!
//! ```toml
//! [triggers]
//! opened = true            # a new issue requests a job
//! label = "tallyhook"      # this label requests a job
//! commands = true          # the comment `/tallyhook fix` requests a job
//! associations = ["OWNER", "MEMBER", "COLLABORATOR"]   # accepted authors; default: all
//! role = "write"           # the least role that counts: none, read, triage, write, maintain, admin
//!                          # default: read in a private repository; in a public one write, and
//!                          # triage for the label
//! bots = [41898282]        # ids of bots that may request a job; default: none
//!
//! [limits]
//! jobs_per_hour = 10              # of this repository; default: what the plan allows
//! jobs_per_person_per_day = 5     # requested by one person in the account
//! budget = "2.5"                  # the most credits that one job may cost; default: what the plan allows
//!
//! [pull]
//! draft = false                # open pull requests as drafts, if the repository supports them
//! labels = ["tallyhook"]       # at most 10, of at most 50 characters each; default: none
//! reviewers = ["some-login"]   # at most 10 people; default: none
//! validate = "checks"          # "checks" waits for the checks of the pull request, "off" does not;
//!                              # default: wait if the base commit has checks or workflows
//! on_red = "draft"             # if they fail, nothing is billed: "draft" leaves the pull request
//!                              # open, "fail" closes it
//! ```

use crate::Ctx;
use crate::repositories::{self, Look};
use domain::inbox::events::EventOrigin;
use domain::jobs::caps::Caps;
use domain::jobs::checks::{OnRed, Validate};
use domain::jobs::permissions::Role;
use domain::jobs::pulls::{LABEL_CHARS_MAX, LABELS_MAX, POLICY_PATH, PullOptions, REVIEWERS_MAX};
use domain::jobs::triggers::Policy;
use domain::retry::Failure;
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::units::Credits;
use github_api::{Access, File, FileContent, GithubError};
use serde::Deserialize;
use std::num::NonZeroU32;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    triggers: Triggers,
    #[serde(default)]
    pull: Option<Spanned<Pull>>,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Limits {
    jobs_per_hour: Option<NonZeroU32>,
    jobs_per_person_per_day: Option<NonZeroU32>,
    budget: Option<Spanned<toml::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Triggers {
    opened: Option<bool>,
    label: Option<String>,
    commands: Option<bool>,
    #[serde(default)]
    associations: Vec<String>,
    role: Option<Spanned<String>>,
    #[serde(default)]
    bots: Vec<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Pull {
    draft: bool,
    labels: Vec<String>,
    reviewers: Vec<String>,
    validate: Option<Spanned<String>>,
    on_red: Option<Spanned<String>>,
}

/// Why there can be no job.
pub enum NoPolicy {
    /// The App may not read the repository.
    Hidden,
    /// The file cannot be used.
    Broken(Broken),
}

/// A policy file that cannot be used.
pub struct Broken {
    /// What is wrong, in words for the people who wrote it.
    pub mistakes: Vec<String>,
    /// Identifies the file's content.
    pub sha: String,
}

impl NoPolicy {
    /// The reason in one sentence.
    pub fn reason(&self) -> String {
        match self {
            Self::Hidden => HIDDEN.to_owned(),
            Self::Broken(broken) => broken.reason(),
        }
    }
}

impl Broken {
    /// The reason in one sentence.
    pub fn reason(&self) -> String {
        format!(
            "the repository's {POLICY_PATH} cannot be used: {}",
            self.mistakes.join("; ")
        )
    }
}

/// The reason while the App may not read the repository.
pub const HIDDEN: &str = "the App may not read this repository";
const WHY_CHARS_MAX: usize = 300;

/// Returns the policy, or why there can be no job. A policy that cannot be read allows nothing,
/// because its author meant to restrict jobs.
pub async fn load(
    ctx: &Ctx,
    origin: &EventOrigin,
    look: Look,
    now: Timestamp,
) -> Result<Result<Policy, NoPolicy>, Failure> {
    let found = ctx
        .limits()
        .within(origin.installation, read_policy(ctx, origin, now))
        .await?;
    repositories::policy_read(ctx, origin, look, &found, now).await?;
    Ok(found.map(Option::unwrap_or_default))
}

async fn read_policy(
    ctx: &Ctx,
    origin: &EventOrigin,
    now: Timestamp,
) -> Result<Result<Option<Policy>, NoPolicy>, Failure> {
    let broken = |mistakes, sha| Ok(Err(NoPolicy::Broken(Broken { mistakes, sha })));
    match read(ctx, origin, now).await {
        Ok(None) => Ok(Ok(None)),
        Ok(Some(File { sha, content })) => match content {
            FileContent::Text(text) => match parse(&text) {
                Ok(policy) => Ok(Ok(Some(policy))),
                Err(mistakes) => broken(mistakes, sha),
            },
            FileContent::Binary { .. } => broken(vec!["it is not text".to_owned()], sha),
        },
        Err(Unreadable::Github(GithubError::NoAccess { .. } | GithubError::NotThere { .. })) => {
            Ok(Err(NoPolicy::Hidden))
        }
        Err(Unreadable::Github(GithubError::FileTooLarge { bytes, .. })) => broken(
            vec![format!("it is too large with {bytes} bytes")],
            bytes.to_string(),
        ),
        Err(Unreadable::Github(error)) => Err(error.into()),
        Err(Unreadable::Key(failure)) => Err(failure),
    }
}

enum Unreadable {
    Github(GithubError),
    Key(Failure),
}

async fn read(ctx: &Ctx, origin: &EventOrigin, now: Timestamp) -> Result<Option<File>, Unreadable> {
    let github = ctx.github.client().await.map_err(Unreadable::Key)?;
    let (owner, name) = (&origin.owner_login, &origin.repository_name);
    let repository = github.repository(
        origin.installation,
        owner,
        name,
        origin.repository,
        Access::ReadFiles,
        now,
    );
    let repository = repository.await.map_err(Unreadable::Github)?;
    let file = repository
        .file_load(POLICY_PATH, &origin.default_branch)
        .await
        .map_err(Unreadable::Github)?;
    Ok(file)
}

/// Parses the file, or says everything that is wrong with it.
fn parse(text: &str) -> Result<Policy, Vec<String>> {
    let document = toml::from_str(text).map_err(|error| vec![described(text, &error)])?;
    let Document {
        triggers,
        pull,
        limits,
    } = document;
    let mut mistakes = Mistakes {
        text,
        found: Vec::new(),
    };
    let pull_begins = pull.as_ref().map_or(0, |pull| pull.span().start);
    let pull = pull.map(Spanned::into_inner).unwrap_or_default();
    let role = mistakes.read(
        triggers.role,
        |word| Role::parse(word),
        "`role` is one of none, read, triage, write, maintain and admin",
    );
    let validate = mistakes.read(
        pull.validate,
        |word| Validate::parse(word),
        "`validate` is `checks` or `off`",
    );
    let on_red = mistakes.read(
        pull.on_red,
        |word| OnRed::parse(word),
        "`on_red` is `draft` or `fail`",
    );
    let budget = mistakes.read(
        limits.budget,
        credits,
        "`budget` is a number of credits, such as 5 or \"2.5\"",
    );
    let wishes = PullOptions::check(pull.draft.into(), pull.labels, pull.reviewers);
    if wishes.is_none() {
        mistakes.add(pull_begins, &format!("[pull] takes at most {LABELS_MAX} labels of 1 to {LABEL_CHARS_MAX} characters, and the logins of at most {REVIEWERS_MAX} reviewers"));
    }
    let (Some(wishes), true) = (wishes, mistakes.found.is_empty()) else {
        return Err(mistakes.found);
    };
    let switch = |on: Option<bool>| Switch::from(on.unwrap_or(true));
    Ok(Policy {
        opened: switch(triggers.opened),
        commands: switch(triggers.commands),
        label: triggers.label.unwrap_or_else(|| Policy::default().label),
        associations: triggers.associations,
        role,
        bots: triggers.bots,
        wishes: wishes.validated(validate, on_red.unwrap_or(OnRed::Draft)),
        caps: Caps {
            repository_hour: limits.jobs_per_hour.map(NonZeroU32::get),
            person_day: limits.jobs_per_person_per_day.map(NonZeroU32::get),
            budget,
        },
    })
}

/// What is wrong with the values of a file.
struct Mistakes<'a> {
    text: &'a str,
    found: Vec<String>,
}

impl Mistakes<'_> {
    fn add(&mut self, begins: usize, what: &str) {
        let line = line_of(self.text, begins);
        self.found.push(format!("line {line}: {what}"));
    }

    /// Reads a value, or notes what values there are.
    fn read<V, T>(
        &mut self,
        value: Option<Spanned<V>>,
        parse: impl FnOnce(&V) -> Option<T>,
        what: &str,
    ) -> Option<T> {
        let value = value?;
        let parsed = parse(value.get_ref());
        if parsed.is_none() {
            self.add(value.span().start, what);
        }
        parsed
    }
}

/// Credits, as a whole number or as a text.
fn credits(value: &toml::Value) -> Option<Credits> {
    let text = match value {
        toml::Value::Integer(whole) => whole.to_string(),
        toml::Value::String(text) => text.clone(),
        _ => String::new(),
    };
    let credits = Credits::parse(&text).ok();
    credits.filter(|credits| !credits.is_zero())
}

fn line_of(text: &str, begins: usize) -> usize {
    let before = text.get(..begins).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// What is wrong, with the line, as one bounded line of text.
fn described(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| line_of(text, span.start));
    let message = error
        .message()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let message: String = message.chars().take(WHY_CHARS_MAX).collect();
    format!("line {line}: {message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_narrows_and_a_broken_one_is_none() {
        assert_eq!(parse(""), Ok(Policy::default()));
        let narrowed = parse("[triggers]\nopened = false\nlabel = 'bot'\nassociations = ['OWNER']")
            .expect("a policy");
        assert_eq!(
            (narrowed.opened, narrowed.commands, narrowed.label.as_str()),
            (Switch::Off, Switch::On, "bot")
        );
        assert_eq!(narrowed.associations, ["OWNER"]);
        let other = parse("[triggers]\nrole = 'triage'\nbots = [7]").expect("a policy");
        assert_eq!((other.role, other.bots), (Some(Role::Triage), vec![7]));
        assert!(parse("[triggers]\nrole = 'everybody'").is_err());
        let capped = parse("[limits]\njobs_per_hour = 10\njobs_per_person_per_day = 5");
        let caps = capped.expect("a policy").caps;
        assert_eq!((caps.repository_hour, caps.person_day), (Some(10), Some(5)));
        assert!(parse("[limits]\njobs_per_hour = 0").is_err());
        for (budget, credits) in [("5", "5"), ("'2.5'", "2.5")] {
            let policy = parse(&format!("[limits]\nbudget = {budget}")).expect("a policy");
            assert_eq!(policy.caps.budget, Credits::parse(credits).ok());
        }
        for bad in ["0", "'0'", "'much'", "-1", "2.5", "true"] {
            assert!(
                parse(&format!("[limits]\nbudget = {bad}")).is_err(),
                "{bad}"
            );
        }
        for (broken, why) in [
            ("[triggers]\nopen = false", "line 2: unknown field `open`"),
            ("\n\ntriggers = 1", "line 3: invalid type: integer `1`"),
            ("{", "line 1: "),
            ("[other]", "line 1: unknown field `other`"),
        ] {
            let told = parse(broken).expect_err(broken).join("; ");
            assert!(told.starts_with(why) && !told.contains('\n'), "{told}");
        }
        let long = format!("[{}]", "x".repeat(5_000));
        assert!(parse(&long).expect_err("an unknown table")[0].len() < 400);
    }

    #[test]
    fn every_wrong_value_is_named_with_its_line() {
        let told = parse(
            "[triggers]\nrole = 'everybody'\n\n[limits]\nbudget = 0\n\n[pull]\non_red = 'bill'\nlabels = ['']",
        );
        let told = told.expect_err("four mistakes");
        let lines: Vec<_> = told.iter().map(|one| &one[..7]).collect();
        assert_eq!(lines, ["line 2:", "line 8:", "line 5:", "line 7:"]);
    }

    #[test]
    fn a_policy_may_wish_and_not_for_anything() {
        let policy =
            parse("[pull]\ndraft = true\nlabels = ['by tallyhook']\nreviewers = ['octocat']")
                .expect("a policy");
        assert_eq!(policy.wishes.draft(), Switch::On);
        assert_eq!(
            (policy.wishes.labels(), policy.wishes.reviewers()),
            (
                &["by tallyhook".to_owned()][..],
                &["octocat".to_owned()][..]
            )
        );
        assert_eq!(
            Policy {
                wishes: PullOptions::default(),
                ..policy
            },
            Policy::default()
        );
        let checked = parse("[pull]\nvalidate = 'off'\non_red = 'fail'").expect("a policy");
        assert_eq!(
            (checked.wishes.validate(), checked.wishes.on_red()),
            (Some(Validate::Off), OnRed::Fail)
        );
        let eleven = format!("[pull]\nlabels = {:?}", ["x"; 11]);
        for broken in [
            "[pull]\ndraft = 'yes'",
            "[pull]\nlabels = ['']",
            "[pull]\nreviewers = ['@me']",
            "[pull]\nteams = []",
            "[pull]\nvalidate = 'yes'",
            "[pull]\non_red = 'bill'",
            &eleven,
        ] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }
}

//! Webhooks for what people do on the pages, in the format in which GitHub sends them.
//!
//! The stand-in makes no calls. Its caller takes the webhooks from [`GitHub::outbox_take`], signs
//! them and delivers them.

use serde_json::{Value, json};
use stand_in_shared::record;

use super::state::{InstallationStatus, Repository, State, Webhook};
use super::{GitHub, GitHubConfig, shapes};

impl GitHub {
    /// The webhooks since the last call, oldest first.
    pub fn outbox_take(&self) -> Vec<Webhook> {
        let waiting = std::mem::take(&mut self.lock().outbox);
        for webhook in &waiting {
            record::webhook("github", webhook.event, &webhook.payload);
        }
        waiting
    }

    /// Installs the App for all repositories of an owner. Returns the installation's id, or `None`
    /// if the owner has no repository here.
    pub fn install_app(&self, owner: &str) -> Option<u64> {
        let now = self.now();
        let mut state = self.lock();
        let repository = state
            .repositories
            .values()
            .find(|repository| repository.owner.login == owner)?;
        let (id, account) = (repository.installation, repository.owner.clone());
        if installed(&state, repository) {
            return Some(id);
        }
        state.install(id, account, now);
        let found = &state.installations[&id];
        let payload = json!({
            "action": "created",
            "installation": shapes::installation(&self.config, found),
            "repositories": state
                .repositories
                .values()
                .filter(|repository| repository.installation == id)
                .map(|repository| json!({
                    "id": repository.id,
                    "node_id": shapes::node("R", repository.id),
                    "name": repository.name,
                    "full_name": repository.full_name(),
                    "private": false,
                }))
                .collect::<Vec<_>>(),
            "requester": null,
            "sender": shapes::user(&self.config, &found.account),
        });
        state.outbox.push(Webhook {
            event: "installation",
            payload,
        });
        Some(id)
    }

    /// The owner opens an issue. Returns its number.
    pub fn open_issue(&self, owner: &str, repository: &str, title: &str, body: &str) -> u64 {
        let number = self.next_number(owner, repository);
        self.add_issue(owner, repository, number, title, body);
        self.issue_webhook(owner, repository, number, "opened", None);
        number
    }

    /// The owner adds a label to an issue. Returns whether the issue exists.
    pub fn label_issue(&self, owner: &str, repository: &str, number: u64, label: &str) -> bool {
        let now = self.now();
        {
            let mut state = self.lock();
            let found = state.repository_named_mut(owner, repository);
            let Some(issue) = found.and_then(|found| found.issues.get_mut(&number)) else {
                return false;
            };
            if issue.labels.iter().any(|one| one == label) {
                return true;
            }
            issue.labels.push(label.to_owned());
            issue.updated = now;
        }
        self.issue_webhook(owner, repository, number, "labeled", Some(label));
        true
    }

    /// GitHub sends webhooks only to installed Apps.
    fn issue_webhook(
        &self,
        owner: &str,
        repository: &str,
        number: u64,
        action: &str,
        label: Option<&str>,
    ) {
        let mut state = self.lock();
        let Some(repository) = state.repository_named(owner, repository) else {
            return;
        };
        if installed(&state, repository) {
            let payload = issue_payload(&self.config, repository, number, action, label);
            state.outbox.push(Webhook {
                event: "issues",
                payload,
            });
        }
    }
}

/// Whether the App is installed in a repository.
pub(super) fn installed(state: &State, repository: &Repository) -> bool {
    state
        .installations
        .get(&repository.installation)
        .is_some_and(|found| found.status == InstallationStatus::Active)
}

fn issue_payload(
    config: &GitHubConfig,
    repository: &Repository,
    number: u64,
    action: &str,
    label: Option<&str>,
) -> Value {
    let issue = repository.issues.get(&number).map(|issue| {
        let mut shape = shapes::issue(config, repository, issue);
        shape["active_lock_reason"] = Value::Null;
        shape["reactions"] = shapes::reactions(&shape["url"], issue);
        shape
    });
    let mut payload = json!({
        "action": action,
        "issue": issue,
        "repository": shapes::repository(config, repository),
        "installation": {
            "id": repository.installation,
            "node_id": shapes::node("MDM", repository.installation),
        },
        "sender": shapes::user(config, &repository.owner),
    });
    if let Some(label) = label {
        payload["label"] = shapes::label(config, repository, label);
    }
    payload
}

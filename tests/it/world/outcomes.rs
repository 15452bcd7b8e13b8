//! Reads and assertions of events, jobs and deliveries.

use super::*;

impl World {
    /// The event's row in the log.
    pub async fn event(&self, source: EventSource, id: &str) -> Option<EventRow> {
        self.stack
            .inbox
            .find_row(&EventKey::parse(source, id).expect("an id"))
            .await
            .expect("the store answers")
    }

    /// The job that an event created, from the outcome in the event's row.
    pub async fn job_of(&self, delivery: &str) -> JobRow {
        let row = self
            .event(EventSource::Github, delivery)
            .await
            .expect("the event is there");
        let outcome = row.outcome.expect("the event is finished");
        let id = outcome.rsplit(' ').next().expect("a word");
        self.job(&JobId::parse(id).unwrap_or_else(|_| panic!("no job in {outcome:?}")))
            .await
    }

    /// The job that a branch belongs to.
    pub async fn job_of_branch(&self, branch: &str) -> JobRow {
        let id = branch
            .strip_prefix("tallyhook/")
            .expect("a branch of Tallyhook");
        self.job(&JobId::parse(id).expect("a job's id")).await
    }

    pub async fn job(&self, id: &JobId) -> JobRow {
        self.stack
            .store
            .job_find(id)
            .await
            .expect("the store answers")
            .expect("the job is there")
    }

    /// The states that a job has been in.
    pub fn states(job: &JobRow) -> Vec<JobState> {
        job.timeline.iter().map(|moment| moment.state).collect()
    }

    /// The account of the demo's organization.
    pub async fn account(&self) -> AccountId {
        self.provision().await
    }

    /// The usage that is owed on the pull request meter.
    pub async fn owed(&self) -> usize {
        let debts = AccountMeter {
            account: self.account().await,
            meter: Meter::pull_requests(),
        };
        self.stack
            .store
            .owed_list(&debts, 100)
            .await
            .expect("the store answers")
            .len()
    }

    /// Asserts exactly one branch, one commit on it, one pull request and one comment by Tallyhook.
    pub fn assert_pulled_once(&self) {
        let github = &self.vendors.github;
        let branches: Vec<_> = github
            .branches(OWNER, REPOSITORY)
            .into_iter()
            .filter(|(name, _)| name != "main")
            .collect();
        assert_eq!(branches.len(), 1, "branches: {branches:?}");
        let commits = github.commits_on(OWNER, REPOSITORY, &branches[0].0);
        assert_eq!(commits.len(), 2, "the first commit and ours: {commits:?}");
        let pulls = github.pulls(OWNER, REPOSITORY);
        assert_eq!(pulls.len(), 1, "pull requests: {pulls:?}");
        assert_eq!(
            (pulls[0].head.as_str(), pulls[0].base.as_str()),
            (branches[0].0.as_str(), "main")
        );
        let comments = github.comments(OWNER, REPOSITORY, 7);
        assert_eq!(comments.len(), 1, "comments: {comments:?}");
    }

    /// Asserts the same and one meter event: the result of one job that Stripe bills, whatever
    /// happened on the way.
    pub fn assert_delivered_once(&self) {
        self.assert_pulled_once();
        let metered = self.vendors.stripe.meter_events();
        assert_eq!(metered.len(), 1, "meter events: {metered:?}");
        assert_eq!(self.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    }

    /// Asserts no branch, no pull request and no meter event: the result of a job that was not
    /// delivered.
    pub fn assert_nothing_delivered(&self) {
        assert_eq!(self.vendors.github.pulls(OWNER, REPOSITORY).len(), 0);
        assert_eq!(self.vendors.stripe.meter_events().len(), 0);
    }
}

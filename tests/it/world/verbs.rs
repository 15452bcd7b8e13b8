//! More methods of the world: queues, time and assertions.

use crate::world::World;
use ::queues::{Message, Queue};
use domain::ids::{JobId, RepositoryId};
use domain::inbox::{EventSource, EventState};
use domain::jobs::{JobRow, JobState};
use local_stack::world::{OWNER, REPOSITORY, REPOSITORY_ID};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// The issue of the sample events.
pub const ISSUE: u64 = 7;

impl World {
    /// Opens another issue with this number.
    pub async fn issue_opens(&self, number: u64) {
        self.vendors
            .github
            .add_issue(OWNER, REPOSITORY, number, "Another", "thing");
        self.github_sends_changed("issues.opened", |event| {
            event["issue"]["number"] = number.into();
            event["issue"]["id"] = (90_000 + number).into();
        })
        .await;
    }

    // --- queues and time ---

    /// Polls one queue until it delivers nothing more.
    pub async fn drain(&self, queue: Queue) {
        while self.turn(queue).await > 0 {}
    }

    /// Puts a message into its queue.
    pub async fn queue_gets(&self, message: &Message) {
        self.queue_gets_text(message.queue(), &message.to_json())
            .await;
    }

    /// Puts any text into a queue.
    pub async fn queue_gets_text(&self, queue: Queue, text: &str) {
        let send = self
            .stack
            .sqs
            .send_message()
            .queue_url(&self.mapping(queue).queue_url)
            .message_body(text);
        send.send().await.expect("the queue answers");
    }

    /// Messages in a queue: visible, hidden and delayed.
    pub async fn waiting(&self, queue: Queue) -> i64 {
        self.messages(&self.mapping(queue).queue_url).await
    }

    /// How often a queue delivers a message before it becomes a dead letter.
    pub async fn receives_max(&self, queue: Queue) -> u32 {
        let ask = self
            .stack
            .sqs
            .get_queue_attributes()
            .queue_url(&self.mapping(queue).queue_url);
        let ask = ask.attribute_names("All".into());
        let found = ask
            .send()
            .await
            .expect("the queue answers")
            .attributes
            .unwrap_or_default();
        let policy = found
            .iter()
            .find(|(name, _)| name.as_str() == "RedrivePolicy")
            .map(|(_, policy)| policy.as_str());
        let policy: Value =
            serde_json::from_str(policy.expect("every queue has one")).expect("JSON");
        let count = policy["maxReceiveCount"]
            .as_u64()
            .or_else(|| policy["maxReceiveCount"].as_str()?.parse().ok());
        u32::try_from(count.expect("a count")).expect("a small count")
    }

    /// Lets time pass without any activity.
    pub async fn elapse(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }

    /// Lets an outage last: every queue is polled and the sweeper runs once an hour.
    pub async fn outage(&self, lasts: Duration) {
        let until = self.stack.outside.now().plus(lasts);
        while self.stack.outside.now() < until {
            while self.turn_all().await > 0 {}
            self.skip(Duration::from_secs(3_540));
            self.elapse(Duration::from_secs(61)).await;
            // A sweep that meets the outage ends early; the next one continues.
            let _ = self.stack.faults.run(self.stack.sweep()).await;
        }
    }

    /// Advances the clock of stores, vendors and functions at once, while the queues stop. (Running
    /// the queues' clock for weeks would take minutes.)
    pub fn skip(&self, wait: Duration) {
        let millis = i64::try_from(wait.as_millis()).expect("not that long");
        self.skipped
            .fetch_add(millis, std::sync::atomic::Ordering::Relaxed);
    }

    /// Runs the sweeper once.
    pub async fn sweep(&self) {
        let swept = self.stack.faults.run(self.stack.sweep()).await;
        swept
            .expect("no process dies")
            .expect("the sweeper comes through");
    }

    // --- reads and assertions ---

    /// The outside calls of functions except reads of a row: writes, listings, messages.
    pub fn effects(&self) -> Vec<String> {
        self.stack
            .faults
            .log()
            .into_iter()
            .filter(|call| call != "dynamodb GetItem")
            .collect()
    }

    /// The state and outcome of an event.
    pub async fn outcome(&self, source: EventSource, id: &str) -> (EventState, String) {
        let row = self.event(source, id).await.expect("the event is there");
        (row.state, row.outcome.unwrap_or_default())
    }

    /// Asserts how a GitHub event ended: its state, and a part of its outcome.
    pub async fn assert_outcome(&self, delivery: &str, state: EventState, words: &str) {
        let (is, says) = self.outcome(EventSource::Github, delivery).await;
        assert!(
            is == state && says.contains(words),
            "{delivery} is {is:?}: {says:?}; expected {state:?}: {words:?}"
        );
    }

    /// The log's rows of a source in these states, at most a hundred.
    pub async fn logged(
        &self,
        source: EventSource,
        states: &[EventState],
    ) -> Vec<domain::inbox::EventRow> {
        self.stack
            .inbox
            .list(source, states, None, 100)
            .await
            .expect("the store answers")
            .rows
    }

    /// Our comments under the issue.
    pub fn comments(&self) -> Vec<String> {
        let all = self.vendors.github.comments(OWNER, REPOSITORY, ISSUE);
        all.into_iter()
            .filter(|comment| comment.by_app)
            .map(|comment| comment.body)
            .collect()
    }

    /// Our one comment under the issue.
    pub fn comment(&self) -> String {
        let comments = self.comments();
        assert_eq!(comments.len(), 1, "comments: {comments:?}");
        comments.concat()
    }

    /// The job that the only comment names.
    pub async fn commented_job(&self) -> JobRow {
        let comment = self.comment();
        let id = comment
            .split("<!-- tallyhook:")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .expect("a marker");
        self.job(&JobId::parse(id).expect("a job's id")).await
    }

    /// The issue's current job.
    pub async fn open_job(&self) -> Option<JobId> {
        let found = self
            .stack
            .store
            .job_find_open(RepositoryId::new(REPOSITORY_ID), ISSUE)
            .await;
        found.expect("the store answers")
    }

    /// The row of the issue's current job.
    pub async fn present_job(&self) -> JobRow {
        self.job(&self.open_job().await.expect("the issue has a job"))
            .await
    }

    /// How often the model was asked for a step.
    pub fn asked(&self, step: &str) -> usize {
        self.vendors
            .model
            .calls()
            .iter()
            .filter(|call| call.step == step)
            .count()
    }

    /// Asserts that the job ended without a pull request: nothing is billed, the one comment says
    /// why, and the issue is free.
    pub async fn assert_not_delivered(&self, state: JobState, words: &str) {
        self.assert_nothing_delivered();
        let comment = self.comment();
        assert!(
            comment.contains(words) && comment.contains("nothing is billed"),
            "{comment}"
        );
        let job = self.commented_job().await;
        assert_eq!((job.state, &job.pull), (state, &None), "{:?}", job.reason);
        assert_eq!(self.owed().await, 0);
        assert_eq!(self.open_job().await, None, "the issue is free");
    }

    /// The admin API's view of a job.
    pub async fn shown_job(&self, id: &JobId) -> Value {
        let (status, job) = self
            .operator("GET", &format!("/api/v1/admin/jobs/{id}"), None)
            .await;
        assert_eq!(status, http::StatusCode::OK, "{job}");
        job
    }
}

/// Runs all futures concurrently on one thread. Returns the results in the order of the futures.
pub async fn together<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut results: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, result) in running.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Every permutation of the numbers below `length`.
pub fn permutations(length: usize) -> Vec<Vec<usize>> {
    if length == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(length - 1);
    shorter
        .iter()
        .flat_map(|order| {
            (0..length).map(|place| [&order[..place], &[length - 1], &order[place..]].concat())
        })
        .collect()
}

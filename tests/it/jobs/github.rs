//! What GitHub really does to an App: it signs, lags, limits, renames, and grants less than asked.

use crate::jobs::pulls::{REPO, approved, wired};
use crate::world::wire::Reply;
use crate::world::{FaultPlan, World};
use ::queues::Queue;
use domain::ids::InstallationId;
use domain::jobs::JobState;
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER, REPOSITORY};
use stand_in_github::Creations;
use stand_in_shared::faults::{Effect, Fault, Moment};
use std::time::Duration;

/// How long the only job took from its request to its pull request.
async fn delivered_after(world: &World) -> Duration {
    let job = world.commented_job().await;
    let opened = job
        .timeline
        .iter()
        .find(|entry| entry.state == JobState::PrOpened);
    opened
        .expect("it has its pull request")
        .at
        .since(job.facts.created_at)
}

/// GitHub signs an App's commit only if the request names no author and no committer.
#[tokio::test(start_paused = true)]
async fn our_commits_are_verified() {
    let world = World::with(FaultPlan::None, &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let head = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
    let commit = &world.vendors.github.commits_on(OWNER, REPOSITORY, head)[0];
    assert!(commit.verified, "{commit:?}");
    assert_eq!(commit.author, "tallyhook[bot]");
    world.done().await;
}

// --- tokens ---

/// GitHub's servers know a new token only after seconds. The same token is tried again, so a job is
/// late by seconds, and nobody is woken.
#[tokio::test(start_paused = true)]
async fn a_new_token_that_is_refused_for_seconds_makes_a_job_late_by_seconds() {
    for (fault_plan, lag) in [
        (FaultPlan::None, 4),
        (FaultPlan::None, 6),
        (FaultPlan::Seeded(5), 4),
    ] {
        let world = World::with(fault_plan, &[]).await;
        world.vendors.github.set_token_lag(lag);
        world.github_sends("issues.opened").await;
        world.settle().await;
        world.assert_delivered_once();
        let took = delivered_after(&world).await;
        assert!(took < Duration::from_secs(60), "{took:?}");
        let minted = world.vendors.github.token_requests().len();
        assert!(minted <= 6, "a token for each access and no more: {minted}");
        world.done().await;
    }
}

/// Each repository of an installation is reached with its own token.
#[tokio::test(start_paused = true)]
async fn two_repositories_of_an_installation_get_their_own_pull_requests() {
    let world = World::with(FaultPlan::Seeded(8), &[]).await;
    let github = &world.vendors.github;
    let files = [
        ("README.md", "# second\n\nHelo\n"),
        ("src/greeting.rs", "Helo\n"),
    ];
    github.add_repository(INSTALLATION_ID, 9001, OWNER, 5009, "second", "main", &files);
    github.set_role(OWNER, "second", local_stack::world::AUTHOR, "write");
    github.add_issue(
        OWNER,
        "second",
        7,
        "Another",
        "Replace `Helo` with `Hello` in `README.md`.",
    );
    world.github_sends("issues.opened").await;
    world
        .github_sends_changed("issues.opened", |event| {
            event["repository"]["id"] = 5009.into();
            event["repository"]["name"] = "second".into();
            event["issue"]["id"] = 70_009.into();
        })
        .await;
    world.settle().await;
    for repository in [REPOSITORY, "second"] {
        let pulls = github.pulls(OWNER, repository);
        assert_eq!(pulls.len(), 1, "{repository}: {pulls:?}");
        assert_eq!(
            github.comments(OWNER, repository, 7).len(),
            1,
            "{repository}"
        );
    }
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 2);
    assert!(
        github
            .token_requests()
            .iter()
            .all(|asked| asked.repository_ids.len() == 1),
        "no token reaches both"
    );
    world.done().await;
}

fn granted(issues: &'static str, pulls: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("contents", "write"),
        ("issues", issues),
        ("metadata", "read"),
        ("pull_requests", pulls),
    ]
}

/// The owner lets us write no issues: the pull request comes all the same, and says what is missing.
#[tokio::test(start_paused = true)]
async fn without_the_right_to_comment_the_pull_request_says_so() {
    let world = World::with(FaultPlan::None, &[]).await;
    let github = &world.vendors.github;
    github.set_permissions(INSTALLATION_ID, &granted("read", "write"));
    github.push_file(
        OWNER,
        REPOSITORY,
        "main",
        ".tallyhook.toml",
        "[pull]\nlabels = ['bot']\n",
    );
    world.github_sends("issues.opened").await;
    world.drain(Queue::GithubEvents).await;
    // The comment that work has begun is refused long before there is a pull request.
    world.drain(Queue::Pulls).await;
    world.settle().await;
    assert_eq!(world.comments(), Vec::<String>::new());
    let pulls = github.pulls(OWNER, REPOSITORY);
    assert_eq!(pulls.len(), 1, "{pulls:?}");
    assert!(
        pulls[0]
            .body
            .contains("does not let Tallyhook comment on #7"),
        "{}",
        pulls[0].body
    );
    assert_eq!(
        pulls[0].labels,
        ["bot"],
        "a pull request's labels need no right on issues"
    );
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    world.done().await;
}

/// The owner lets us open no pull requests: the comment says so.
#[tokio::test(start_paused = true)]
async fn without_the_right_to_open_pull_requests_the_comment_says_so() {
    let world = World::with(FaultPlan::None, &[]).await;
    let github = &world.vendors.github;
    github.set_permissions(INSTALLATION_ID, &granted("write", "read"));
    world.github_sends("issues.opened").await;
    world.settle().await;
    world
        .assert_not_delivered(JobState::Failed, "permissions requested are not granted")
        .await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn labels_that_github_refuses_are_named_in_the_comment() {
    let world = wired().await;
    let policy = "[pull]\nlabels = ['bot']\nreviewers = ['outsider']\n";
    world
        .vendors
        .github
        .push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", policy);
    let refusal = Reply::status(403, "Resource not accessible by integration");
    world.wire.answer(
        "POST github.wire/repos/acme/greeter/issues/8/labels",
        20,
        refusal,
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
    let comment = world.comment();
    for words in [
        "The pull request is ready: #8",
        "`bot`",
        "`outsider`",
        "collaborators",
    ] {
        assert!(comment.contains(words), "{words}: {comment}");
    }
    world.done().await;
}

// --- lists that lag ---

/// A comment was created, its answer was lost, and GitHub's list does not show it for a while.
#[tokio::test(start_paused = true)]
async fn a_comment_whose_answer_was_lost_is_not_written_twice_while_the_list_lags() {
    for (fault_plan, lag) in [
        (FaultPlan::None, 5),
        (FaultPlan::None, 45),
        (FaultPlan::Seeded(3), 20),
    ] {
        let world = World::with(fault_plan, &[]).await;
        world.vendors.github.set_list_lag(lag);
        world.stack.faults.inject(Fault {
            on: "POST github.stand-in/repos/acme/greeter/issues/7/comments".to_owned(),
            times: 1,
            effect: Effect::AnswerLost,
        });
        world.github_sends("issues.opened").await;
        world.settle().await;
        world.assert_delivered_once();
        assert!(world.comment().contains("ready: #8"), "{}", world.comment());
        world.done().await;
    }
}

/// The last comment fails once: its own message tries again, and no sweeper is needed.
#[tokio::test(start_paused = true)]
async fn a_last_comment_that_fails_is_written_by_its_own_message() {
    for status in [500, 403] {
        let world = wired().await;
        approved(&world).await;
        let reply = match status {
            500 => Reply::status(500, "oops"),
            _ => Reply::status(403, "You have exceeded a secondary rate limit")
                .with("retry-after", 3),
        };
        world
            .wire
            .answer(&format!("PATCH {REPO}/issues/comments/"), 1, reply);
        world.turn(Queue::Pulls).await;
        assert_eq!(world.present_job().await.state, JobState::PrOpened);
        assert!(world.comment().contains("On it"), "{}", world.comment());
        // Longer than the wait, and shorter than a sweep takes to come.
        world.elapse(Duration::from_secs(25)).await;
        world.drain(Queue::Pulls).await;
        assert!(world.comment().contains("ready: #8"), "{}", world.comment());
        world.settle().await;
        world.assert_delivered_once();
        world.done().await;
    }
}

// --- limits ---

/// A limit that one function runs into holds back every function of the installation.
#[tokio::test(start_paused = true)]
async fn a_limit_binds_the_installation_and_not_one_job() {
    const WAIT: i64 = 300;
    let world = wired().await;
    approved(&world).await;
    let on = format!("POST {REPO}/git/trees");
    let reply = Reply::status(403, "You have exceeded a secondary rate limit");
    world.wire.answer(&on, 1, reply.with("retry-after", WAIT));
    world.turn(Queue::Pulls).await;
    let limited = world.wire.heard(&on)[0].at;
    world.elapse(Duration::from_secs(1)).await;
    world.issue_opens(9).await;
    world.settle().await;
    let early: Vec<_> = world
        .wire
        .heard("github.wire/")
        .into_iter()
        .filter(|heard| heard.at > limited && heard.at < limited + WAIT * 1_000)
        .collect();
    assert_eq!(early, [], "asked to wait {WAIT} s at {limited}");
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 2);
    let store = &world.stack.store;
    let other = store.installation_wait(InstallationId::new(INSTALLATION_ID + 1));
    assert_eq!(
        other.await.expect("the store answers"),
        None,
        "others go on"
    );
    world.done().await;
}

/// GitHub allows an installation about 80 creations in any minute. Thirty issues at once would need
/// more than 150.
#[tokio::test(start_paused = true)]
async fn many_issues_at_once_stay_within_what_github_allows() {
    const ISSUES: u64 = 30;
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(6)] {
        let world = World::with(fault_plan, &[]).await;
        world.vendors.github.set_creations_max(ALLOWED);
        for issue in 0..ISSUES {
            world.issue_opens(100 + issue).await;
        }
        world.settle().await;
        assert_delivered(&world, 30);
        world.done().await;
    }
}

/// And about 500 in any hour. Eighty issues at once would need more, so they take longer.
#[tokio::test(start_paused = true)]
async fn very_many_issues_at_once_take_hours_rather_than_too_much() {
    const ISSUES: u64 = 80;
    let world = World::with(FaultPlan::None, &[]).await;
    world.vendors.github.set_creations_max(ALLOWED);
    for issue in 0..ISSUES {
        world.issue_opens(100 + issue).await;
    }
    for _ in 0..180 {
        world.elapse(Duration::from_secs(60)).await;
        let _ = world.stack.faults.run(world.stack.sweep()).await;
        while world.turn_all().await > 0 {}
    }
    world.settle().await;
    assert_delivered(&world, 80);
    world.done().await;
}

const ALLOWED: Creations = Creations {
    minute: 80,
    hour: 500,
};

fn assert_delivered(world: &World, issues: usize) {
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY);
    assert_eq!(pulls.len(), issues);
    let billed = world.vendors.stripe.total(CUSTOMER, "pull_requests");
    assert_eq!(usize::try_from(billed), Ok(issues));
    let (peak, refused) = world.vendors.github.creations();
    assert_eq!(refused, 0, "at most {peak:?}");
}

// --- names that change ---

/// The owner is renamed between a creation, whose answer is lost, and its look-up. GitHub finds a
/// pull request only under the owner's present login.
#[tokio::test(start_paused = true)]
async fn a_renamed_owner_is_followed_after_a_lost_answer() {
    let world = wired().await;
    approved(&world).await;
    let id = world.open_job().await.expect("a job");
    world.stack.faults.inject(Fault {
        on: "POST github.wire/repos/acme/greeter/pulls".to_owned(),
        times: 1,
        effect: Effect::AnswerLost,
    });
    world.turn(Queue::Pulls).await;
    assert_eq!(world.job(&id).await.state, JobState::PrCreationInitiated);
    world.vendors.github.rename_owner(OWNER, "apex");
    world.elapse(Duration::from_secs(30)).await;
    world.turn(Queue::Pulls).await;
    let job = world.job(&id).await;
    assert_eq!(job.state, JobState::PrOpened, "{:?}", job.reason);
    world.settle().await;
    let github = &world.vendors.github;
    assert_eq!(github.pulls("apex", REPOSITORY).len(), 1);
    let comments = github.comments("apex", REPOSITORY, 7);
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].body.contains("ready: #8"), "{comments:?}");
    world.done().await;
}

/// The repository goes to another owner in the middle of a job, who has installed the App as well.
#[tokio::test(start_paused = true)]
async fn a_transferred_repository_is_followed() {
    for passed in 0..=3 {
        let world = World::with(FaultPlan::None, &[]).await;
        let github = &world.vendors.github;
        github.add_repository(7009, 9009, "initech", 5009, "other", "main", &[("a", "b")]);
        world.github_sends("issues.opened").await;
        world.turn(Queue::GithubEvents).await;
        let id = world.open_job().await.expect("a job");
        for queue in &[Queue::Plan, Queue::Code, Queue::Review][..passed] {
            world.turn(*queue).await;
        }
        github.transfer(OWNER, REPOSITORY, "initech", 7009);
        // Tokens of the former installation are used up within the hour.
        world.elapse(Duration::from_secs(3_600)).await;
        world.settle().await;
        let job = world.job(&id).await;
        assert_eq!(
            job.state,
            JobState::PrOpened,
            "after {passed}: {:?}",
            job.reason
        );
        assert_eq!(github.pulls("initech", REPOSITORY).len(), 1);
        assert_eq!(github.comments("initech", REPOSITORY, 7).len(), 1);
        world.done().await;
    }
}

/// A person closes the pull request, opens it again and merges it: the comment says so, and nothing
/// is charged again.
#[tokio::test(start_paused = true)]
async fn the_comment_says_that_a_pull_request_was_reopened_and_merged() {
    for fault_plan in [FaultPlan::None, FaultPlan::Seeded(12)] {
        let world = World::with(fault_plan, &[]).await;
        world.github_sends("issues.opened").await;
        world.settle().await;
        let (github, job) = (&world.vendors.github, world.commented_job().await);
        github.close_pull(OWNER, REPOSITORY, 8);
        world.pull_closed(&job, |_| {}).await;
        world.settle().await;
        assert!(world.comment().contains("closed without merging"));
        github.reopen_pull(OWNER, REPOSITORY, 8);
        github.merge_pull(OWNER, REPOSITORY, 8);
        let merge = |event: &mut serde_json::Value| event["pull_request"]["merged"] = true.into();
        world.pull_closed(&job, merge).await;
        world.settle().await;
        assert!(
            world.comment().contains("#8 was reopened and merged"),
            "{}",
            world.comment()
        );
        assert_eq!(world.commented_job().await.state, JobState::Merged);
        assert_eq!(world.vendors.stripe.total(CUSTOMER, "pull_requests"), 1);
        world.done().await;
    }
}

// --- leases ---

/// A lease outlasts its work, so that a second worker never starts while the first one still writes:
/// a model call by two minutes, and another function by five seconds.
#[tokio::test(start_paused = true)]
async fn a_lease_outlasts_the_work_that_it_is_for() {
    const ANSWER_MAX: Duration = Duration::from_secs(240);
    const TOOLS: Duration = Duration::from_secs(120);
    const WAY: [Queue; 4] = [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review];
    for (passed, queue, call) in [
        (1, Queue::Plan, "model.wire"),
        (2, Queue::Code, "model.wire"),
        (4, Queue::Pulls, "POST github.wire/repos/acme/greeter/pulls"),
    ] {
        let world = wired().await;
        world.github_sends("issues.opened").await;
        for queue in &WAY[..passed] {
            world.turn(*queue).await;
        }
        let held = world.wire.hold(call, Moment::Before);
        let (now, timeout) = (world.stack.outside.now(), world.mapping(queue).timeout);
        let end = match queue {
            Queue::Pulls => now.plus(timeout).plus(Duration::from_secs(5)),
            _ => now.plus(ANSWER_MAX + TOOLS),
        };
        tokio::join!(world.turn(queue), async {
            held.reached().await;
            let lease = world.present_job().await.lease_until.expect("a worker");
            assert_eq!(lease, end, "{queue}");
            held.release();
        });
        world.settle().await;
        world.assert_delivered_once();
        world.done().await;
    }
}

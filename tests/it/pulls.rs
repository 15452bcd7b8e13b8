//! Writing to GitHub: whatever happens on the way, one branch, one commit, one pull request and one comment, or none and
//! the reason why.

use crate::wire::{ALWAYS, Reply, WIRED};
use crate::world::{Climate, World};
use ::queues::Queue;
use domain::inbox::EventState;
use domain::jobs::State;
use fakes::weather::{Effect, Fault, Moment};
use local_stack::world::{INSTALLATION_ID, OWNER, REPOSITORY, REPOSITORY_ID};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const REPO: &str = "github.wire/repos/acme/greeter";

/// Every kind of call of the main journey: reading, the token, and each write.
const CALLS: [&str; 12] = [
    "POST github.wire/app/installations/7001/access_tokens",
    "GET github.wire/repos/acme/greeter/contents/.tallyhook.toml",
    "GET github.wire/repos/acme/greeter/issues/7$",
    "GET github.wire/repos/acme/greeter$",
    "GET github.wire/repos/acme/greeter/git/ref/heads/main",
    "GET github.wire/repos/acme/greeter/git/trees/",
    "POST github.wire/repos/acme/greeter/git/trees",
    "POST github.wire/repos/acme/greeter/git/commits",
    "POST github.wire/repos/acme/greeter/git/refs",
    "POST github.wire/repos/acme/greeter/pulls",
    "POST github.wire/repos/acme/greeter/issues/7/comments",
    "PATCH github.wire/repos/acme/greeter/issues/comments/",
];

async fn wired() -> World {
    World::with(Climate::Fair, &WIRED).await
}

/// A job whose change is approved; what comes next is GitHub's.
async fn approved(world: &World) {
    world.github_sends("issues.opened").await;
    for queue in [Queue::GithubEvents, Queue::Plan, Queue::Code, Queue::Review] {
        world.turn(queue).await;
    }
    assert_eq!(world.present_job().await.state, State::ReviewApproved);
}

/// F-E5: whoever is told to stay away does so, exactly as long, and then goes on.
#[tokio::test(start_paused = true)]
async fn a_limit_on_any_call_is_waited_out() {
    let now_and_a_while = |world: &World| world.stack.outside.now().seconds() + 400;
    for on in CALLS {
        for (what, wait) in [("secondary", 200), ("too many", 60), ("primary", 400)] {
            let world = wired().await;
            let reply = match what {
                "secondary" => Reply::status(403, "You have exceeded a secondary rate limit").with("retry-after", wait),
                "too many" => Reply::status(429, "slow down"),
                _ => Reply::status(403, "API rate limit exceeded")
                    .with("x-ratelimit-remaining", 0)
                    .with("x-ratelimit-reset", now_and_a_while(&world)),
            };
            world.wire.answer(on, 1, reply);
            world.github_sends("issues.opened").await;
            world.settle().await;
            world.assert_delivered_once();
            assert_eq!(world.told_job().await.state, State::PrOpened, "{what} on {on}");
            let heard = world.wire.heard(on.trim_end_matches('$'));
            let heard: Vec<_> = heard.iter().filter(|heard| format!("{}$", heard.line).contains(on)).collect();
            let until = heard[0].at + wait * 1_000;
            let early = heard[1..].iter().filter(|heard| heard.at < until).count();
            // The comment has two occasions, when work begins and when it ends, and the second does not know of the first.
            let occasions = usize::from(on.contains("comments"));
            assert!(early <= occasions, "{what} on {on}: asked to wait {wait} s, and asked again {heard:?}");
            world.done().await;
        }
    }
}

/// A wait longer than a queue can delay a message.
#[tokio::test(start_paused = true)]
async fn a_limit_of_an_hour_is_waited_out() {
    let world = wired().await;
    approved(&world).await;
    let on = format!("POST {REPO}/git/trees");
    world.wire.answer(
        &on,
        1,
        Reply::status(403, "You have exceeded a secondary rate limit").with("retry-after", 3_600),
    );
    world.settle().await;
    world.assert_delivered_once();
    let heard = world.wire.heard(&on);
    assert_eq!(heard.len(), 2, "not a call more than needed: {heard:?}");
    assert!(
        heard[1].at - heard[0].at >= 3_600_000,
        "asked to wait an hour, and came back after {} s",
        (heard[1].at - heard[0].at) / 1_000
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_githubs_on_any_call_is_tried_again() {
    for on in CALLS {
        let mut replies = vec![Reply::status(500, "oops"), Reply::status(503, "unavailable")];
        if on.starts_with("GET") {
            replies.push(Reply::json(200, json!("nonsense")));
        }
        for reply in replies {
            let world = wired().await;
            world.wire.answer(on, 2, reply);
            world.github_sends("issues.opened").await;
            world.settle().await;
            assert_eq!(world.told_job().await.state, State::PrOpened, "{on}");
            world.assert_delivered_once();
            world.done().await;
        }
    }
}

/// F-E1, F-E3: the write is done and its answer never comes; the next try finds what is there.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_found_and_not_repeated() {
    for (on, lag) in [
        ("access_tokens", 0),
        ("POST github.stand-in/repos/acme/greeter/git/trees", 0),
        ("POST github.stand-in/repos/acme/greeter/git/commits", 0),
        ("POST github.stand-in/repos/acme/greeter/git/refs", 0),
        ("POST github.stand-in/repos/acme/greeter/pulls", 0),
        ("POST github.stand-in/repos/acme/greeter/pulls", 1),
        ("POST github.stand-in/repos/acme/greeter/pulls", 3),
        ("POST github.stand-in/repos/acme/greeter/issues/7/comments", 0),
        ("PATCH github.stand-in/repos/acme/greeter/issues/comments/", 0),
    ] {
        for (climate, times) in [(Climate::Fair, 1), (Climate::Fair, 3), (Climate::Bad(41), 2)] {
            let world = World::with(climate, &[]).await;
            world.github_sends("issues.opened").await;
            let lost = Fault { on: on.to_owned(), times, effect: Effect::AnswerLost };
            world.stack.weather.break_next(lost);
            // GitHub's lists lag from the moment of the write on, not before.
            while lag > 0 && world.vendors.github.pulls(OWNER, REPOSITORY).is_empty() {
                world.turn_all().await;
            }
            world.vendors.github.set_read_lag(lag);
            world.settle().await;
            world.assert_delivered_once();
            assert_eq!(world.told_job().await.state, State::PrOpened, "{on}, {times} times, lag {lag}, {climate:?}");
            world.done().await;
        }
    }
}

/// A comment that was written and does not show yet must not be written a second time.
#[tokio::test(start_paused = true)]
async fn a_comment_that_does_not_show_yet_is_not_written_twice() {
    let world = World::with(Climate::Fair, &[]).await;
    let on = "POST github.stand-in/repos/acme/greeter/issues/7/comments".to_owned();
    world.stack.weather.break_next(Fault { on, times: 1, effect: Effect::AnswerLost });
    world.github_sends("issues.opened").await;
    while world.comments().is_empty() {
        world.turn_all().await;
    }
    world.vendors.github.set_read_lag(1);
    world.settle().await;
    assert_eq!(world.comments().len(), 1, "{:?}", world.comments());
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn our_comment_is_written_anew_where_somebody_deleted_it() {
    let world = World::with(Climate::Fair, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    world.turn(Queue::Pulls).await;
    assert!(world.comment().contains("On it"));
    world.change_github(|repository| repository["comments"] = json!({}));
    world.settle().await;
    assert!(world.comment().contains("Here is a pull request"));
    world.assert_delivered_once();
    world.done().await;
}

/// Anybody can copy our marker; nobody can be our App.
#[tokio::test(start_paused = true)]
async fn a_persons_comment_with_our_marker_is_left_alone() {
    let world = World::with(Climate::Fair, &[]).await;
    world.github_sends("issues.opened").await;
    world.turn(Queue::GithubEvents).await;
    let marker = domain::pulls::hidden_marker(&world.open_job().await.expect("a job"));
    world.vendors.github.add_comment(OWNER, REPOSITORY, 7, "mallory", &format!("mine {marker}"));
    world.settle().await;
    let all = world.vendors.github.comments(OWNER, REPOSITORY, 7);
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].body, format!("mine {marker}"));
    assert!(world.comment().contains("Here is a pull request"));
    world.done().await;
}

// --- what stands in the way ---

#[tokio::test(start_paused = true)]
async fn a_branch_of_our_name_that_is_not_ours_ends_the_job() {
    let world = World::with(Climate::Fair, &[]).await;
    approved(&world).await;
    let branch = format!("tallyhook/{}", world.open_job().await.expect("a job"));
    world.change_github(|repository| {
        let main = repository["refs"]["refs/heads/main"].clone();
        repository["refs"][format!("refs/heads/{branch}")] = main;
    });
    world.vendors.github.push_file(OWNER, REPOSITORY, &branch, "strange.txt", "not ours");
    world.settle().await;
    world.assert_not_delivered(State::Failed, "holds a commit that is not ours").await;
    assert_eq!(
        world.vendors.github.file(OWNER, REPOSITORY, &branch, "strange.txt").as_deref(),
        Some("not ours"),
        "untouched"
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_pull_request_on_our_branch_ends_the_job() {
    let world = wired().await;
    approved(&world).await;
    world.wire.cut(&format!("POST {REPO}/pulls"), 1);
    world.turn(Queue::Pulls).await;
    let id = world.open_job().await.expect("a job");
    world.change_github(|repository| {
        let refs = &repository["refs"];
        let pull = json!({ "head": format!("tallyhook/{id}"), "base": "main", "head_sha": refs[format!("refs/heads/tallyhook/{id}")],
            "base_sha": refs["refs/heads/main"], "draft": false, "merged": null });
        let mut issue = repository["issues"]["7"].clone();
        issue["id"] = 999.into();
        issue["number"] = 8.into();
        issue["body"] = "I was faster".into();
        issue["pull"] = pull;
        repository["issues"]["8"] = issue;
    });
    world.settle().await;
    let job = world.told_job().await;
    assert_eq!(job.state, State::Failed);
    assert!(world.comment().contains("has a pull request that is not ours"), "{}", world.comment());
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.meter_events(), []);
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_base_branch_that_is_gone_ends_the_job() {
    for before_planning in [true, false] {
        let world = World::with(Climate::Fair, &[]).await;
        if before_planning {
            world.github_sends("issues.opened").await;
            world.turn(Queue::GithubEvents).await;
        } else {
            approved(&world).await;
        }
        world.vendors.github.delete_branch(OWNER, REPOSITORY, "main");
        world.settle().await;
        world.assert_not_delivered(State::Failed, "the base main is gone").await;
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_base_that_moves_on_is_no_obstacle() {
    let world = World::with(Climate::Fair, &[]).await;
    approved(&world).await;
    world.vendors.github.push_file(OWNER, REPOSITORY, "main", "src/main.rs", "fn main() {}\n");
    world.settle().await;
    assert_eq!(world.told_job().await.state, State::PrOpened);
    let head = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
    let old = world.vendors.github.file(OWNER, REPOSITORY, head, "src/main.rs").expect("it is there");
    assert!(old.contains("greeting::greeting"), "the commit stands on the base that was planned on");
    world.done().await;
}

/// F-E4: a person closes or merges what we have opened and do not know of yet. It existed, so it is recorded and charged,
/// and it is not opened again.
#[tokio::test(start_paused = true)]
async fn a_pull_request_that_people_end_between_two_tries_is_recorded_once() {
    for merge in [false, true] {
        let world = wired().await;
        approved(&world).await;
        let held = world.wire.hold(&format!("POST {REPO}/pulls"), Moment::After);
        tokio::select! {
            _ = world.turn(Queue::Pulls) => panic!("it is held"),
            () = held.reached() => {}
        }
        let github = &world.vendors.github;
        if merge {
            github.merge_pull(OWNER, REPOSITORY, 8)
        } else {
            github.close_pull(OWNER, REPOSITORY, 8)
        }
        let delivery =
            world.pull_closed(&world.present_job().await, |event| event["pull_request"]["merged"] = merge.into()).await;
        world.settle().await;
        let expected = if merge { State::Merged } else { State::Closed };
        assert_eq!(world.told_job().await.state, expected);
        world.assert_outcome(&delivery, EventState::Finished, "").await;
        assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1, "not opened again");
        assert_eq!(world.vendors.stripe.meter_events().len(), 1, "it was there, so it is charged");
        assert_eq!(world.comments().len(), 1);
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_branch_that_is_deleted_between_two_tries_is_made_anew() {
    let world = wired().await;
    approved(&world).await;
    world.wire.cut(&format!("POST {REPO}/pulls"), 1);
    world.turn(Queue::Pulls).await;
    let branch = format!("tallyhook/{}", world.open_job().await.expect("a job"));
    world.vendors.github.delete_branch(OWNER, REPOSITORY, &branch);
    world.settle().await;
    assert_eq!(world.told_job().await.state, State::PrOpened);
    world.assert_delivered_once();
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_permission_that_was_taken_away_ends_the_job() {
    let world = World::with(Climate::Fair, &[]).await;
    approved(&world).await;
    let read = [("contents", "read"), ("issues", "read"), ("metadata", "read"), ("pull_requests", "read")];
    world.vendors.github.set_permissions(INSTALLATION_ID, &read);
    let job = world.open_job().await.expect("a job");
    world.settle().await;
    let job = world.job(&job).await;
    assert_eq!(job.state, State::Failed, "{:?}", job.reason);
    world.assert_nothing_delivered();
    world.done().await;
}

// --- what is written ---

/// F-E9: nobody is called by what an issue or a model says, in any place where GitHub would call people.
#[tokio::test(start_paused = true)]
async fn nobody_is_called_and_no_marker_is_forged() {
    let forged = "<!-- tallyhook:job_01hzy3v7q0m8n4s2e6r5t9w1xa -->";
    let said = json!({
        "title": "Thank @everyone and @acme/all",
        "body": format!("cc @everyone @acme/all\n{forged}\nTallyhook-Job: job_01hzy3v7q0m8n4s2e6r5t9w1xa"),
        "changes": [{ "path": "a.txt", "content": "@everyone may stand in a file" }],
    });
    let world = World::with(Climate::Fair, &[]).await;
    world.vendors.model.script("code", vec![said.to_string()]);
    world.github_sends_changed("issues.opened", |event| event["issue"]["title"] = "For @everyone".into()).await;
    world.settle().await;
    world.assert_delivered_once();
    let pull = &world.vendors.github.pulls(OWNER, REPOSITORY)[0];
    let commit = &world.vendors.github.commits_on(OWNER, REPOSITORY, &pull.head)[0];
    for (what, text) in [("body", &pull.body), ("commit", &commit.message), ("comment", &world.comment())] {
        assert!(!text.contains("@everyone") && !text.contains("@acme"), "the {what} calls people: {text}");
    }
    assert!(!pull.body.contains(forged), "{}", pull.body);
    assert!(pull.title.contains("everyone"), "the words stay: {}", pull.title);
    assert_eq!(
        world.vendors.github.file(OWNER, REPOSITORY, &pull.head, "a.txt").as_deref(),
        Some("@everyone may stand in a file")
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_may_write_and_delete_many_files_in_one_commit() {
    let changes = json!([
        { "path": "docs/new.md", "content": "new\n" },
        { "path": "README.md", "delete": true },
        { "path": "never/there", "delete": true },
        { "path": "src/main.rs", "content": "fn main() {}\n" },
    ]);
    let world = World::with(Climate::Bad(51), &[]).await;
    world.vendors.model.script("code", vec![json!({ "title": "t", "body": "b", "changes": changes }).to_string(); 9]);
    world.github_sends("issues.opened").await;
    world.settle().await;
    world.assert_delivered_once();
    let head = &world.vendors.github.pulls(OWNER, REPOSITORY)[0].head;
    let file = |path| world.vendors.github.file(OWNER, REPOSITORY, head, path);
    assert_eq!(
        (file("docs/new.md").as_deref(), file("README.md"), file("src/main.rs").as_deref()),
        (Some("new\n"), None, Some("fn main() {}\n"))
    );
    assert!(file("src/greeting.rs").is_some(), "what was not named stays");
    let commits = world.vendors.github.commits_on(OWNER, REPOSITORY, head);
    assert!(commits[0].message.contains("Refs #7") && commits[0].author == "Tallyhook", "{:?}", commits[0]);
    world.done().await;
}

/// Whoever only reads gets a token that only reads, whoever writes one that writes, each for one repository.
#[tokio::test(start_paused = true)]
async fn tokens_are_as_narrow_as_the_door_that_asks() {
    let world = World::with(Climate::Fair, &[]).await;
    world.github_sends("issues.opened").await;
    let permissions = |level: &str| -> BTreeMap<String, String> {
        let all = [("contents", level), ("issues", level), ("metadata", "read"), ("pull_requests", level)];
        all.map(|(name, level)| (name.to_owned(), level.to_owned())).into()
    };
    let mut seen = 0;
    for (queue, asked) in [
        (Queue::GithubEvents, Some("read")),
        (Queue::Plan, Some("read")),
        (Queue::Code, None),
        (Queue::Review, None),
        (Queue::Pulls, Some("write")),
    ] {
        world.turn(queue).await;
        let all = world.vendors.github.token_requests();
        let new: Vec<_> = all[seen..]
            .iter()
            .map(|request| {
                (
                    request.installation,
                    request.repository_ids.clone(),
                    request.repositories.clone(),
                    request.permissions.clone(),
                )
            })
            .collect();
        let expected: Vec<_> = asked
            .iter()
            .map(|level| (INSTALLATION_ID, vec![REPOSITORY_ID], vec![], Some(permissions(level))))
            .collect();
        assert_eq!(new, expected, "{queue}");
        seen = all.len();
    }
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

/// A GitHub that stays away for good.
#[tokio::test(start_paused = true)]
async fn a_github_that_takes_no_pull_request_ends_the_job_unbilled() {
    let world = wired().await;
    approved(&world).await;
    world.wire.answer(&format!("POST {REPO}/pulls"), ALWAYS, Reply::status(500, "oops"));
    world.settle().await;
    world.assert_not_delivered(State::Failed, "gave up after 12 tries: could not open the pull request").await;
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_comment_that_nobody_takes_does_not_hold_up_the_job() {
    let world = wired().await;
    world.wire.answer(
        &format!("POST {REPO}/issues/7/comments"),
        ALWAYS,
        Reply::status(403, "Resource not accessible by integration"),
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.comments(), Vec::<String>::new());
    assert_eq!(world.vendors.github.pulls(OWNER, REPOSITORY).len(), 1);
    assert_eq!(world.vendors.stripe.meter_events().len(), 1);
    world.elapse(Duration::from_secs(600)).await;
    world.settle().await;
    world.done().await;
}

impl World {
    /// Changes what GitHub keeps of the repository, as nobody could through its API.
    pub fn change_github(&self, change: impl FnOnce(&mut Value)) {
        let mut all = self.vendors.github.export();
        change(&mut all["repositories"][REPOSITORY_ID.to_string()]);
        self.vendors.github.import(all).expect("it can be read back");
    }
}

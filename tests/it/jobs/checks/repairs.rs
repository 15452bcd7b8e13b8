//! Failed checks send the change back: the agent reads why, repairs it on the same pull request, and
//! only green is billed.

use super::*;
use stand_in_shared::faults::Moment;

const GREETING: &str = "src/greeting.rs";

/// A check that passes once the greeting is spelled so, and says what is wrong.
fn spelling(written: &str, wanted: &str) -> Check {
    Check {
        passes_with: Some((GREETING.to_owned(), wanted.to_owned())),
        annotation: Some((
            GREETING.to_owned(),
            2,
            format!("Replace `{written}` with `{wanted}`."),
        )),
        log: Some(format!(
            "2026-11-20T10:00:00.0000000Z ##[group]Run spell\n2026-11-20T10:00:01.0000000Z spelling: expected {wanted}\n\
             2026-11-20T10:00:02.0000000Z ##[error]Process completed with exit code 1.\n"
        )),
        ..run("spelling", OURS, Some(20), "failure")
    }
}

/// What the issue asks for does not satisfy the check, and what the check says does.
pub fn wrong_at_first() -> Check {
    spelling("Hello", "Hallo")
}

/// A check that passes within few reads, so that few places are the same.
pub fn brief() -> Check {
    run("build", EVERYWHERE, Some(5), "success")
}

async fn repaired(fault_plan: FaultPlan, pays: Pays) -> (World, AccountId) {
    let (world, account) = with_checks(fault_plan, pays, &[brief(), wrong_at_first()]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    (world, account)
}

/// The commits of ours on the branch of the pull request.
fn ours(world: &World) -> usize {
    let head = the_pull(world).head;
    let commits = world.vendors.github.commits_on(OWNER, REPOSITORY, &head);
    let ours = commits.iter().filter(|one| one.author == "tallyhook[bot]");
    ours.count()
}

fn greeting(world: &World) -> String {
    let head = the_pull(world).head;
    let file = world
        .vendors
        .github
        .file(OWNER, REPOSITORY, &head, GREETING);
    file.expect("the file")
}

#[tokio::test(start_paused = true)]
async fn a_wrong_fix_is_repaired_and_billed_once_when_green() {
    for (seed, pays) in [(1, Pays::ByMeter), (2, Pays::FromCredits)] {
        for fault_plan in [FaultPlan::None, FaultPlan::Seeded(seed)] {
            let (world, account) = repaired(fault_plan, pays).await;
            let end = (JobState::PrOpened, true, "Its 2 checks passed.");
            let job = assert_ended(&world, &account, pays, end).await;
            use JobState::*;
            assert_eq!(
                World::states(&job)[5..],
                [
                    PrCreationInitiated,
                    Validating,
                    Repairing,
                    PrCreationInitiated,
                    Validating,
                    PrOpened
                ]
            );
            assert_eq!((job.repairs, ours(&world)), (1, 2));
            assert!(greeting(&world).contains("Hallo"));
            // The model has read the annotation and the end of the log.
            let calls = world.vendors.model.calls();
            let told = calls.iter().rfind(|call| call.step == "code");
            let told = told.expect("a call").content.clone();
            assert!(
                told.contains("src/greeting.rs:2: Replace `Hello` with `Hallo`.")
                    && told.contains("spelling: expected Hallo\\n##[error]Process completed"),
                "{told}"
            );
            world.done().await;
        }
    }
}

/// The repair is committed on top of our commit, and everything else of the change stays.
#[tokio::test(start_paused = true)]
async fn repairs_end_after_two() {
    let third = spelling("Hullo", "Never");
    let mut checks = vec![brief(), wrong_at_first()];
    checks.extend([spelling("Hallo", "Hullo"), third].map(|check| Check {
        name: "stricter".to_owned(),
        ..check
    }));
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        // One check that asks for another spelling each time.
        let (world, account) = with_checks(FaultPlan::None, pays, &checks[..2]).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        let github = &world.vendors.github;
        for next in [&checks[2], &checks[3]] {
            until(&world, JobState::Repairing).await;
            until_waiting(&world).await;
            github.set_checks(
                OWNER,
                REPOSITORY,
                vec![
                    brief(),
                    Check {
                        name: "spelling".to_owned(),
                        ..next.clone()
                    },
                ],
            );
        }
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "its checks failed: `spelling`, also after it was repaired; it stays open",
        );
        let job = assert_ended(&world, &account, pays, end).await;
        assert_eq!((job.repairs, ours(&world)), (2, 3));
        world.done().await;
    }
}

/// A repair that fails in the same words is the last one.
#[tokio::test(start_paused = true)]
async fn the_same_failure_twice_ends_the_repairs() {
    let (world, account) = with_checks(FaultPlan::None, Pays::FromCredits, &[brief(), red()]).await;
    let calls = |calls: Value| json!({ "calls": calls }).to_string();
    let submit = json!({ "name": "submit", "input": { "title": "t", "body": "b" } });
    let edit = |old: &str, new: &str| json!({ "name": "edit", "input": { "path": GREETING, "old": old, "new": new } });
    world.vendors.model.script_turns(
        "code",
        vec![
            calls(json!([edit("Helo", "Hello"), submit])),
            calls(json!([edit("Hello", "Hullo"), submit])),
        ],
    );
    world.github_sends("issues.opened").await;
    world.settle().await;
    let end = (
        JobState::Failed,
        false,
        "its checks failed: `test`, in the same way after it was repaired; it stays open",
    );
    let job = assert_ended(&world, &account, Pays::FromCredits, end).await;
    assert_eq!((job.repairs, ours(&world)), (1, 2));
    world.done().await;
}

/// A repair that deletes the tests, skips them or changes what the checks look at is refused,
/// and the second such one ends the repairs.
#[tokio::test(start_paused = true)]
async fn checks_are_not_weakened() {
    let test = "#[test]\nfn greets() {\n    assert_eq!(greeter::greeting(), \"Hallo\");\n}\n";
    let call = |name: &str, input: Value| json!({ "name": name, "input": input });
    let submit = call("submit", json!({ "title": "t", "body": "b" }));
    let read = call("read", json!({ "path": "tests/greets.rs" }));
    let skipped = test.replace("#[test]", &format!("#[test]\n#[{}]", "ignore"));
    for (what, tamper) in [
        (
            "test-deleted",
            call("delete", json!({ "path": "tests/greets.rs" })),
        ),
        (
            "test-skipped",
            call(
                "write",
                json!({ "path": "tests/greets.rs", "content": skipped }),
            ),
        ),
        (
            "fewer-assertions",
            call(
                "write",
                json!({ "path": "tests/greets.rs", "content": "#[test]\nfn greets() {}\n" }),
            ),
        ),
        (
            "check-settings",
            call("write", json!({ "path": "tox.ini", "content": "[tox]\n" })),
        ),
    ] {
        let (world, account) =
            with_checks(FaultPlan::None, Pays::ByMeter, &[brief(), wrong_at_first()]).await;
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, "main", "tests/greets.rs", test);
        world.skip(Duration::from_secs(7_200));
        let edit = call(
            "edit",
            json!({ "path": GREETING, "old": "Helo", "new": "Hello" }),
        );
        let answers = [
            vec![edit, submit.clone()],
            vec![read.clone(), tamper, submit.clone()],
            vec![submit.clone()],
        ];
        let answers = answers.map(|calls| json!({ "calls": calls }).to_string());
        world.vendors.model.script_turns("code", answers.to_vec());
        world.github_sends("issues.opened").await;
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "a repair must not weaken the checks",
        );
        let job = assert_ended(&world, &account, Pays::ByMeter, end).await;
        let reason = job.reason.unwrap_or_default();
        assert!(reason.contains(what), "{what}: {reason}");
        assert_eq!(ours(&world), 1, "nothing of it was pushed");
        world.done().await;
    }
}

/// What failed has to be seen to pass: a check that does not come again proves nothing.
#[tokio::test(start_paused = true)]
async fn silence_after_a_repair_is_not_green() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let (world, account) =
            with_checks(FaultPlan::None, pays, &[brief(), wrong_at_first()]).await;
        world.github_sends("issues.opened").await;
        until_waiting(&world).await;
        until(&world, JobState::Repairing).await;
        world
            .vendors
            .github
            .set_checks(OWNER, REPOSITORY, vec![brief()]);
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "`spelling`, and did not complete within an hour after it was repaired",
        );
        assert_ended(&world, &account, pays, end).await;
        world.done().await;
    }
}

/// A world whose job is about to repair its change.
async fn repairing(pays: Pays) -> (World, AccountId, JobRow) {
    let (world, account) =
        with_checks(FaultPlan::Seeded(9), pays, &[brief(), wrong_at_first()]).await;
    world.github_sends("issues.opened").await;
    let job = until(&world, JobState::Repairing).await;
    (world, account, job)
}

/// Who merges takes the fix as it is, whether the webhook or the attempt to push says so.
#[tokio::test(start_paused = true)]
async fn a_merge_during_a_repair_delivers_and_a_closing_does_not() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        for (merges, webhook) in [(true, true), (true, false), (false, true), (false, false)] {
            let (world, account, job) = repairing(pays).await;
            let end = if merges {
                (JobState::Merged, true, "#8 was merged. Job")
            } else {
                (JobState::Closed, false, "#8 was closed without merging")
            };
            people_decide(&world, &job, merges, webhook).await;
            world.settle().await;
            assert_ended(&world, &account, pays, end).await;
            assert_eq!(ours(&world), 1, "nothing was pushed to what people closed");
            decision_arrives(&world, &job, merges).await;
            world.settle().await;
            assert_ended(&world, &account, pays, end).await;
            world.done().await;
        }
    }
}

/// A person pushes while the agent repairs: the branch is theirs, and stays as it is.
#[tokio::test(start_paused = true)]
async fn a_push_by_a_person_ends_the_repairs() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let (world, account, _) = repairing(pays).await;
        let head = the_pull(&world).head;
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, &head, "NOTES.md", "mine\n");
        let pushed = the_pull(&world).head_sha;
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "its checks failed: `spelling`; it stays open",
        );
        assert_ended(&world, &account, pays, end).await;
        let pull = the_pull(&world);
        assert_eq!((pull.head_sha, pull.state.as_str()), (pushed, "open"));
        world.done().await;
    }
}

/// A cancellation stops the agent, and the pull request is closed.
#[tokio::test(start_paused = true)]
async fn a_repair_can_be_cancelled() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let (world, account, _) = repairing(pays).await;
        let asked = world.vendors.model.calls().len();
        world.vendors.github.close_issue(OWNER, REPOSITORY, 7);
        world.github_sends("issues.closed").await;
        world.drain(Queue::GithubEvents).await;
        world.settle().await;
        let end = (JobState::Cancelled, false, "#8 is not delivered");
        assert_ended(&world, &account, pays, end).await;
        assert_eq!(the_pull(&world).state, "closed");
        assert_eq!(
            world.vendors.model.calls().len(),
            asked,
            "nobody was asked again"
        );
        world.done().await;
    }
}

/// Without the permission for logs, the agent reads what the checks themselves say.
#[tokio::test(start_paused = true)]
async fn logs_are_optional() {
    let permissions = [
        ("checks", "read"),
        ("contents", "write"),
        ("issues", "write"),
        ("metadata", "read"),
        ("pull_requests", "write"),
        ("statuses", "read"),
    ];
    let pays = Pays::ByMeter;
    let (world, account) = with_checks(FaultPlan::None, pays, &[brief(), wrong_at_first()]).await;
    world
        .vendors
        .github
        .set_permissions(INSTALLATION_ID, &permissions);
    world.github_sends("issues.opened").await;
    world.settle().await;
    let end = (JobState::PrOpened, true, "Its 2 checks passed.");
    assert_ended(&world, &account, pays, end).await;
    world.done().await;
}

/// A person pushes on top of a repair whose checks are running: nobody has seen them pass.
#[tokio::test(start_paused = true)]
async fn a_repair_that_was_not_seen_to_pass_is_not_billed() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let (world, account, _) = repairing(pays).await;
        until_waiting(&world).await;
        let head = the_pull(&world).head;
        let github = &world.vendors.github;
        let running = Check {
            takes: None,
            ..wrong_at_first()
        };
        github.set_checks(OWNER, REPOSITORY, vec![brief(), running]);
        github.push_file(OWNER, REPOSITORY, &head, "NOTES.md", "mine\n");
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "its checks failed: `spelling`; it stays open",
        );
        assert_ended(&world, &account, pays, end).await;
        assert_eq!(ours(&world), 2);
        world.done().await;
    }
}

/// After a repair the checks may not be read any more. That is not green either.
#[tokio::test(start_paused = true)]
async fn a_repair_whose_checks_cannot_be_read_is_not_billed() {
    for pays in [Pays::ByMeter, Pays::FromCredits] {
        let (world, account) =
            with_checks(FaultPlan::None, pays, &[brief(), wrong_at_first()]).await;
        world.github_sends("issues.opened").await;
        until(&world, JobState::Repairing).await;
        until_waiting(&world).await;
        world
            .vendors
            .github
            .set_permissions(INSTALLATION_ID, &BEFORE_CHECKS);
        // The token for checks has expired.
        world.skip(Duration::from_secs(4_000));
        world.settle().await;
        let end = (
            JobState::Failed,
            false,
            "they could not be read; it stays open",
        );
        assert_ended(&world, &account, pays, end).await;
        world.done().await;
    }
}

/// GitHub is so slow about what a check says that the function's time ends, again and again. The
/// agent then gets no more than the name, and red stays red.
#[tokio::test(start_paused = true)]
async fn what_a_check_says_is_left_out_if_reading_it_never_ends() {
    let (world, account) = World::on_plan(FaultPlan::None, "payg", &WIRED).await;
    let github = &world.vendors.github;
    github.set_checks(OWNER, REPOSITORY, vec![brief(), wrong_at_first()]);
    world.skip(Duration::from_secs(7_200));
    world.github_sends("issues.opened").await;
    until_waiting(&world).await;
    let mut killed = 0;
    for _ in 0..20 {
        let held = world.wire.hold("/annotations", Moment::Before);
        tokio::select! {
            // The function ends here, as at its timeout.
            () = held.reached() => killed += 1,
            _ = until(&world, JobState::Repairing) => break,
        }
        world.elapse(Duration::from_secs(300)).await;
        world.sweep().await;
    }
    assert!((2..12).contains(&killed), "{killed}");
    world.wire.clear();
    world.settle().await;
    let end = (JobState::Failed, false, "its checks failed: `spelling`");
    assert_ended(&world, &account, Pays::ByMeter, end).await;
    world.done().await;
}

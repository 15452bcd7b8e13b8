//! Wherever a process dies while a pull request waits for its checks, the job ends once, with one
//! pull request, one comment and the same money.

use super::repairs::{brief, wrong_at_first};
use super::*;
use stand_in_shared::faults::{Called, Moment, deaths};

struct Story {
    checks: Vec<Check>,
    policy: &'static str,
    end: (JobState, bool, &'static str),
    pull: &'static str,
    /// How many commits of ours the pull request has.
    commits: usize,
}

/// The journey with a death at this call, counted from its beginning. Returns its calls.
async fn journey(story: &Story, pays: Pays, death: Option<(u64, Moment)>) -> Vec<Called> {
    let (world, account) = with_checks(FaultPlan::None, pays, &story.checks).await;
    let github = &world.vendors.github;
    github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", story.policy);
    world.skip(Duration::from_secs(7_200));
    let before = world.stack.faults.calls();
    if let Some((call, moment)) = death {
        world.stack.faults.crash_at(before + call, moment);
    }
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_ended(&world, &account, pays, story.end).await;
    let pull = the_pull(&world);
    assert_eq!(pull.state, story.pull);
    let commits = github.commits_on(OWNER, REPOSITORY, &pull.head);
    let ours = commits
        .iter()
        .filter(|commit| commit.author == "tallyhook[bot]");
    assert_eq!(ours.count(), story.commits, "{commits:?}");
    assert_eq!(github.branches(OWNER, REPOSITORY).len(), 2);
    let calls = world.stack.faults.since(before);
    world.done().await;
    calls
}

/// Dies at every call from this one on; the calls before it have their own journeys.
async fn die_everywhere(story: &Story, ways: &[Pays], first: impl Fn(&[Called]) -> Option<usize>) {
    for pays in ways.iter().copied() {
        let calls = journey(story, pays, None).await;
        let begins = first(&calls).expect("the first of these calls");
        let begins = u64::try_from(begins).expect("few calls");
        let places: Vec<_> = deaths(&calls)
            .into_iter()
            .filter(|(call, _)| *call > begins)
            .collect();
        assert!(places.len() >= 10, "{places:?}");
        for death in places {
            println!("dying at {death:?}, {pays:?}");
            journey(story, pays, Some(death)).await;
        }
    }
}

fn is_look(call: &Called) -> bool {
    call.name.ends_with("/check-runs")
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_before_green() {
    let story = Story {
        checks: vec![brief()],
        policy: "",
        end: (JobState::PrOpened, true, "Its check passed."),
        pull: "open",
        commits: 1,
    };
    let looks = |calls: &[Called]| calls.iter().position(is_look);
    die_everywhere(&story, &[Pays::ByMeter, Pays::FromCredits], looks).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_before_red() {
    let story = Story {
        checks: vec![brief(), run("test", OURS, Some(5), "failure")],
        policy: "[pull]\non_red = 'fail'\n",
        end: (JobState::Failed, false, "its checks failed: `test`"),
        pull: "closed",
        commits: 1,
    };
    // The agent is asked to repair the change before, in vain.
    let looks_again = |calls: &[Called]| {
        let looks = calls
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, call)| is_look(call));
        looks.map(|(at, _)| at).nth(2)
    };
    die_everywhere(&story, &[Pays::FromCredits], looks_again).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_may_die_at_any_call_of_a_repair() {
    let story = Story {
        checks: vec![brief(), wrong_at_first()],
        policy: "",
        end: (JobState::PrOpened, true, "Its 2 checks passed."),
        pull: "open",
        commits: 2,
    };
    let reads_why = |calls: &[Called]| {
        let is_annotation = |call: &Called| call.name.ends_with("/annotations");
        calls.iter().position(is_annotation)
    };
    die_everywhere(&story, &[Pays::FromCredits], reads_why).await;
}

//! What mails and comments say about money is so on every plan: beyond a quota some plans charge,
//! some refuse for a while and a trial refuses for good; a job may be free, and may be billed only
//! when it is merged.

use crate::world::money::Sold;
use crate::world::verbs::ISSUE;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use local_stack::world::{OWNER, REPOSITORY};

/// Opens this many issues on a plan, one after another. Returns the world and its account.
async fn opened(plan: &str, sold: Option<&Sold>, issues: u64) -> (World, AccountId) {
    let settings: Vec<_> = sold
        .map(|sold| ("CATALOGUE", sold.path()))
        .into_iter()
        .chain([("DASHBOARD_URL", "https://tallyhook.test/billing")])
        .collect();
    let (world, account) = World::on_plan(FaultPlan::Seeded(251), plan, &settings).await;
    world.reachable(&account).await;
    for number in 30..30 + issues {
        world.issue_opens(number).await;
        world.settle().await;
    }
    (world, account)
}

/// The text of the only mail with this subject.
fn text(world: &World, subject: &str) -> String {
    let letters = world.vendors.mail.letters();
    let found: Vec<_> = letters
        .iter()
        .filter(|letter| letter.subject == subject)
        .collect();
    assert_eq!(found.len(), 1, "{subject:?} of {:?}", world.subjects());
    found[0].text.clone()
}

fn assert_says(text: &str, says: &[&str], never: &[&str]) {
    for words in says {
        assert!(text.contains(words), "{words:?} in {text}");
    }
    for words in never {
        assert!(!text.contains(words), "no {words:?} in {text}");
    }
}

const NEARLY: &str = "Most of your quota is used";
const USED: &str = "Your quota is used up";

#[tokio::test(start_paused = true)]
async fn a_plan_with_overage_says_what_the_next_fix_costs() {
    let included = (
        "quotas.pull_requests = { limit = 60,",
        "quotas.pull_requests = { limit = 5,",
    );
    let tiers = ("tiers = [{ up_to = 60,", "tiers = [{ up_to = 5,");
    let sold = Sold::with("honest-teams", &[included, tiers]);
    let (world, _) = opened("teams", Some(&sold), 6).await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY).len();
    assert_eq!(pulls, 6, "work continues beyond what is included");
    for subject in [NEARLY, USED] {
        let text = text(&world, subject);
        let says = ["Work continues, and each further one costs 8.00 USD."];
        assert_says(&text, &says, &["refused", "next period"]);
    }
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_trial_says_that_it_does_not_renew() {
    let ten = (
        "quotas.pull_requests = { limit = 10, renews = \"never\" }",
        "quotas.pull_requests = { limit = 2, renews = \"never\" }",
    );
    let sold = Sold::with("honest-trial", &[ten]);
    let (world, account) = opened("trial", Some(&sold), 3).await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY).len();
    assert_eq!(pulls, 2);
    let says = [
        "2 of the 2 pull requests of the plan Trial are used.",
        "do not renew",
        "add a payment method; the plan Pay as you go follows",
    ];
    assert_says(&text(&world, USED), &says, &["next period"]);
    assert!(!world.notices(&account).await.is_empty());
    let comments = world.vendors.github.comments(OWNER, REPOSITORY, 32);
    let refused = comments.iter().find(|comment| comment.by_app);
    // Everybody reads the comment; the account's members read the reason in the job.
    assert_says(
        &refused.expect("a comment").body,
        &["cannot start a job at the moment"],
        &["do not renew", "Trial"],
    );
    let jobs = world.stack.store.job_list(&account, None, 9).await;
    let jobs = jobs.expect("the store answers").rows;
    let reason = jobs.into_iter().find_map(|job| job.reason);
    assert_says(
        &reason.expect("a reason"),
        &["do not renew", "https://tallyhook.test/billing"],
        &["next period"],
    );
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_refuses_says_until_when() {
    let hard = (
        "quotas.pull_requests = { limit = 60, renews = \"subscription\", beyond = \"charge\" }",
        "quotas.pull_requests = { limit = 5, renews = \"month\" }",
    );
    let sold = Sold::with("honest-hard", &[hard]);
    let (world, _) = opened("teams", Some(&sold), 6).await;
    let pulls = world.vendors.github.pulls(OWNER, REPOSITORY).len();
    assert_eq!(pulls, 5);
    let until = "until the next period begins on 2026-12-01";
    assert_says(
        &text(&world, NEARLY),
        &["When they are used up, further ones are refused", until],
        &["Work continues"],
    );
    assert_says(&text(&world, USED), &[until], &["Work continues"]);
    world.done().await;
}

/// The comment under the issue, when the pull request is open and when it has ended.
#[tokio::test(start_paused = true)]
async fn a_comment_says_when_a_job_is_billed() {
    let charges = "meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]";
    let merged = format!("{charges}\nbillable = \"merged\"");
    let sold = Sold::with("honest-merged", &[(charges, &merged)]);
    let path = Some(&sold);
    for (plan, catalogue, merges, opened, over) in [
        (
            "payg",
            None,
            true,
            "tokens, billed once.",
            "#8 was merged. Job",
        ),
        (
            "trial",
            None,
            true,
            "tokens, free of charge.",
            "#8 was merged. Job",
        ),
        (
            "payg",
            path,
            true,
            "tokens, billed once, when it is merged.",
            ", billed once.",
        ),
        (
            "payg",
            path,
            false,
            "tokens, billed once, when it is merged.",
            "closed without merging, so nothing is billed.",
        ),
    ] {
        let settings: Vec<_> = catalogue
            .map(|sold: &Sold| ("CATALOGUE", sold.path()))
            .into_iter()
            .collect();
        let (world, _) = World::on_plan(FaultPlan::Seeded(252), plan, &settings).await;
        world.github_sends("issues.opened").await;
        world.settle().await;
        assert_says(&world.comment(), &[opened], &[]);
        let job = world.commented_job().await;
        let number = job.pull.as_ref().expect("a pull request").number;
        if merges {
            world.vendors.github.merge_pull(OWNER, REPOSITORY, number);
            world
                .pull_closed(&job, |event| {
                    event["pull_request"]["merged"] = true.into();
                })
                .await;
        } else {
            world.vendors.github.close_pull(OWNER, REPOSITORY, number);
            world.pull_closed(&job, |_| {}).await;
        }
        world.settle().await;
        let comment = world.comment();
        assert_says(&comment, &[over], &["when it is merged"]);
        assert_eq!(
            world
                .vendors
                .github
                .comments(OWNER, REPOSITORY, ISSUE)
                .len(),
            1
        );
        world.done().await;
    }
}

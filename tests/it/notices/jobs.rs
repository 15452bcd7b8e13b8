//! One mail per job, if the customer wants it: when the job is delivered or has ended without a
//! pull request.

use super::world;
use crate::world::money::Sold;
use crate::world::{FaultPlan, World};
use domain::ids::AccountId;
use domain::notices::NoticeKind;
use domain::switches::Switch;
use local_stack::world::{OWNER, REPOSITORY};
use stand_in_shared::faults::Moment;

async fn wanted(world: &World, account: &AccountId) {
    let set = world
        .stack
        .store
        .account_notices_set(account, NoticeKind::JobFinished, Switch::On)
        .await;
    set.expect("the store answers");
}

#[tokio::test(start_paused = true)]
async fn a_delivered_job_is_one_mail_that_says_what_it_costs() {
    let merged = (
        "meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]",
        "meter = \"pull_requests\", counts = \"pulls\", each = \"15.00\" }]\nbillable = \"merged\"",
    );
    let sold = Sold::with("mailed-merged", &[merged]);
    for (plan, catalogue, cost) in [
        ("payg", None, "It will appear once on your next invoice."),
        ("trial", None, "It costs nothing."),
        ("credits", None, " credits. Job job_"),
        ("payg", Some(sold.path()), "It is billed when it is merged."),
    ] {
        let settings: Vec<_> = catalogue
            .map(|path| ("CATALOGUE", path))
            .into_iter()
            .collect();
        let (world, account) = World::on_plan(FaultPlan::Seeded(241), plan, &settings).await;
        world.reachable(&account).await;
        wanted(&world, &account).await;
        if plan == "credits" {
            world.adjusts(&account, "5000", "a gift").await;
        }
        world.github_sends("issues.opened").await;
        world.settle().await;
        let letter = world.letter();
        assert_eq!(letter.subject, "A job has finished");
        for words in [
            "Issue #7 of acme/greeter got pull request #8: http://github.test",
            cost,
        ] {
            assert!(letter.text.contains(words), "{plan}: {}", letter.text);
        }
        // The outcome of the pull request causes no mail.
        let job = world.commented_job().await;
        world.vendors.github.close_pull(OWNER, REPOSITORY, 8);
        world.pull_closed(&job, |_| {}).await;
        world.settle().await;
        world.letter();
        world.done().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ends_without_a_pull_request_is_one_mail_too() {
    let (world, account) = world(FaultPlan::Seeded(242), &[]).await;
    wanted(&world, &account).await;
    world.github_sends("issues.opened").await;
    world.turn(::queues::Queue::GithubEvents).await;
    world.github_sends("issues.closed").await;
    world.settle().await;
    let letter = world.letter();
    for words in [
        "Issue #7 of acme/greeter got no pull request, and nothing is billed:",
        "Job job_",
    ] {
        assert!(letter.text.contains(words), "{}", letter.text);
    }
    world.done().await;
}

/// GitHub accepts no comment because the App is uninstalled; the customer still gets the mail.
#[tokio::test(start_paused = true)]
async fn a_customer_gets_a_mail_even_if_the_issue_gets_no_comment() {
    let (world, account) = world(FaultPlan::Seeded(243), &[]).await;
    wanted(&world, &account).await;
    world.github_sends("issues.opened").await;
    world.turn(::queues::Queue::GithubEvents).await;
    world
        .vendors
        .github
        .remove_installation(local_stack::world::INSTALLATION_ID);
    world.settle().await;
    assert!(world.letter().text.contains("got no pull request"));
    world.done().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_who_does_not_want_it() {
    let (world, account) = world(FaultPlan::Seeded(244), &[]).await;
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.ended(&account).await, [], "no row, not only no mail");
    world.done().await;
}

/// Wherever the process that comments on the issue dies, the customer gets one mail.
#[tokio::test(start_paused = true)]
async fn a_process_may_die_between_issue_and_customer() {
    let start = async || {
        let (world, account) = world(FaultPlan::None, &[]).await;
        wanted(&world, &account).await;
        world.github_sends("issues.opened").await;
        for queue in [
            ::queues::Queue::GithubEvents,
            ::queues::Queue::Plan,
            ::queues::Queue::Code,
            ::queues::Queue::Review,
        ] {
            world.turn(queue).await;
        }
        (world, account)
    };
    let (world, _) = start().await;
    world.drain(::queues::Queue::Pulls).await;
    let log = world.stack.faults.log();
    world.settle().await;
    world.letter();
    world.done().await;
    // Other tests cover the calls before the pull request exists.
    let pulled = log
        .iter()
        .rposition(|call| call.ends_with("/pulls"))
        .expect("a pull request is made");
    let calls = |place| u64::try_from(place).expect("few calls");
    println!("{:?}", &log[pulled..]);
    for call in calls(pulled) + 2..=calls(log.len()) {
        for moment in [Moment::Before, Moment::After] {
            let (world, _) = start().await;
            world.stack.faults.crash_at(call, moment);
            world.settle().await;
            world.letter();
            world.assert_delivered_once();
            world.done().await;
        }
    }
}

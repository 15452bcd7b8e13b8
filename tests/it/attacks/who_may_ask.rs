//! Who may have a job made, by what the repository is and how they ask.

use crate::world::wire::{ALWAYS, Reply, WIRED};
use crate::world::{FaultPlan, World};
use domain::inbox::{EventSource, EventState};
use domain::jobs::JobState;
use local_stack::world::{AUTHOR, OWNER, REPOSITORY};
use serde_json::{Value, json};
use std::time::Duration;

/// The person who attacks.
const EVIL: &str = "evil";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    None,
    Contributor,
    Triage,
    Write,
    Bot,
    /// An App that acts as its bot.
    App,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Opened,
    /// An issue template sets the label for its author.
    LabeledByTemplate,
    /// The label on another person's issue.
    LabeledByHand,
    Command,
}

impl Who {
    const ALL: [Self; 6] = [
        Self::None,
        Self::Contributor,
        Self::Triage,
        Self::Write,
        Self::Bot,
        Self::App,
    ];

    fn user(self) -> Value {
        let (login, kind) = match self {
            Self::Bot => ("renovate[bot]", "Bot"),
            Self::App => ("other-app[bot]", "Bot"),
            _ => (EVIL, "User"),
        };
        json!({ "login": login, "id": 8_666, "type": kind })
    }

    /// GitHub shows a past contributor as such in public, and a member of an organization whose
    /// membership is private as well.
    fn association(self) -> &'static str {
        match self {
            Self::None | Self::Bot | Self::App => "NONE",
            Self::Contributor => "CONTRIBUTOR",
            Self::Triage | Self::Write => "COLLABORATOR",
        }
    }

    fn take_role(self, world: &World, private: bool) {
        let role = match self {
            Self::None if private => "none",
            Self::None | Self::Contributor | Self::Bot | Self::App => "read",
            Self::Triage => "triage",
            Self::Write => "write",
        };
        let github = &world.vendors.github;
        github.set_role(OWNER, REPOSITORY, EVIL, role);
    }

    fn may(self, private: bool, how: How) -> bool {
        match (self, private) {
            (Self::Bot | Self::App | Self::None, _) => false,
            (Self::Write, _) => true,
            (Self::Triage, false) => matches!(how, How::LabeledByTemplate | How::LabeledByHand),
            (Self::Contributor, false) => false,
            (Self::Contributor | Self::Triage, true) => true,
        }
    }
}

fn set_author(event: &mut Value, who: Who) {
    event["issue"]["user"] = who.user();
    event["issue"]["author_association"] = who.association().into();
}

/// Sends a request about a new issue. Returns the issue's number, the event's state and outcome.
async fn asks(world: &World, private: bool, who: Who, how: How) -> (u64, EventState, String) {
    let github = &world.vendors.github;
    let number = github.next_number(OWNER, REPOSITORY);
    github.add_issue(OWNER, REPOSITORY, number, "Another", "thing");
    let sample = match how {
        How::Opened => "issues.opened",
        How::LabeledByTemplate | How::LabeledByHand => "issues.labeled",
        How::Command => "issue_comment.created",
    };
    let delivery = world.github_sends_changed(sample, |event| {
        event["repository"]["private"] = private.into();
        event["issue"]["number"] = number.into();
        event["issue"]["id"] = (90_000 + number).into();
        event["sender"] = who.user();
        if who == Who::App {
            event["issue"]["performed_via_github_app"] = json!({ "id": 77 });
        }
        match how {
            How::Opened | How::LabeledByTemplate => set_author(event, who),
            How::LabeledByHand => {}
            How::Command => {
                event["comment"]["id"] = (880_000 + number).into();
                event["comment"]["user"] = who.user();
                event["comment"]["author_association"] = who.association().into();
            }
        }
    });
    let delivery = delivery.await;
    world.settle().await;
    let (state, says) = world.outcome(EventSource::Github, &delivery).await;
    (number, state, says)
}

/// The matrix: every person and every way, in a public and in a private repository.
#[tokio::test(start_paused = true)]
async fn who_may_ask_and_how() {
    for private in [false, true] {
        for who in Who::ALL {
            let world = World::with(FaultPlan::None, &[]).await;
            who.take_role(&world, private);
            let mut granted = 0;
            for how in [
                How::Opened,
                How::LabeledByTemplate,
                How::LabeledByHand,
                How::Command,
            ] {
                let (number, state, says) = asks(&world, private, who, how).await;
                let case = format!("private {private}, {who:?}, {how:?}: {state:?} {says}");
                let comments = world.vendors.github.comments(OWNER, REPOSITORY, number);
                if who.may(private, how) {
                    assert!(says.starts_with("job job_"), "{case}");
                    granted += 1;
                } else if matches!(who, Who::Bot | Who::App) {
                    assert_eq!(state, EventState::Ignored, "{case}");
                    assert!(comments.is_empty(), "{case}");
                } else {
                    assert!(says.starts_with("refused as job"), "{case}");
                    assert_eq!(comments.len(), 1, "{case}");
                    let words = &comments[0].body;
                    assert!(words.contains("/tallyhook approve"), "{case}: {words}");
                }
            }
            assert_eq!(world.asked("plan"), granted, "private {private}, {who:?}");
            world.done().await;
        }
    }
}

/// S1: somebody with a GitHub login opens an issue on a public repository, asks again and again, and
/// claims an association. No model is asked, nothing is pushed or billed, and the issue gets one
/// answer.
#[tokio::test(start_paused = true)]
async fn nobody_from_outside_can_have_code_pushed() {
    let world = World::with(FaultPlan::Seeded(91), &[]).await;
    let from_outside = |event: &mut Value| {
        event["sender"] = Who::None.user();
        set_author(event, Who::None);
    };
    world
        .github_sends_changed("issues.opened", from_outside)
        .await;
    world
        .github_sends_changed("issues.labeled", from_outside)
        .await;
    for (id, association) in [(1, "NONE"), (2, "CONTRIBUTOR"), (3, "OWNER")] {
        let comment = |event: &mut Value| {
            from_outside(event);
            event["comment"]["id"] = (770_000 + id).into();
            event["comment"]["user"] = Who::None.user();
            event["comment"]["author_association"] = association.into();
        };
        world
            .github_sends_changed("issue_comment.created", comment)
            .await;
    }
    world.settle().await;
    assert!(world.vendors.model.calls().is_empty());
    assert!(world.vendors.github.pulls(OWNER, REPOSITORY).is_empty());
    assert!(world.vendors.stripe.meter_events().is_empty());
    assert_eq!(world.comments().len(), 1);
    world.done().await;
}

/// Somebody with write access approves the issue of somebody from outside. The job works on the text of that
/// moment, and what the author writes afterwards changes nothing.
#[tokio::test(start_paused = true)]
async fn an_approval_starts_the_text_that_was_approved() {
    let world = World::with(FaultPlan::None, &[]).await;
    let opened = |event: &mut Value| {
        event["sender"] = Who::None.user();
        set_author(event, Who::None);
    };
    world.github_sends_changed("issues.opened", opened).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 0);
    let approved = |event: &mut Value| {
        set_author(event, Who::None);
        event["issue"]["body"] = "the text that a person has read".into();
        event["comment"]["body"] = "/tallyhook approve".into();
    };
    world
        .github_sends_changed("issue_comment.created", approved)
        .await;
    let edited = |event: &mut Value| {
        opened(event);
        event["action"] = "edited".into();
        event["issue"]["body"] = "the text that nobody has read".into();
    };
    world.github_sends_changed("issues.opened", edited).await;
    world.settle().await;
    assert_eq!(world.present_job().await.state, JobState::PrOpened);
    let calls = world.vendors.model.calls();
    let saw = |text: &str| calls.iter().any(|call| call.content.contains(text));
    assert!(saw("a person has read") && !saw("nobody has read"));
    world.done().await;
}

/// A policy may let anybody in, ask for more than usual, and list bots.
#[tokio::test(start_paused = true)]
async fn a_policy_widens_and_narrows() {
    for (policy, who, granted) in [
        ("role = 'none'", Who::None, true),
        ("role = 'read'", Who::Contributor, true),
        ("role = 'admin'", Who::Write, false),
        ("bots = [8666]", Who::Bot, true),
        ("bots = [8667]", Who::Bot, false),
    ] {
        let world = World::with(FaultPlan::None, &[]).await;
        who.take_role(&world, false);
        let text = format!("[triggers]\n{policy}");
        let github = &world.vendors.github;
        github.push_file(OWNER, REPOSITORY, "main", ".tallyhook.toml", &text);
        let (_, _, says) = asks(&world, false, who, How::Opened).await;
        assert_eq!(says.starts_with("job job_"), granted, "{policy}: {says}");
        world.done().await;
    }
}

const ROLE: &str = "GET github.wire/repos/acme/greeter/collaborators";

/// While GitHub does not say who somebody is, their request waits. It is neither refused nor
/// granted, and the answer is kept for ten minutes.
#[tokio::test(start_paused = true)]
async fn an_outage_delays_the_answer() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world
        .wire
        .answer(ROLE, ALWAYS, Reply::status(502, "bad gateway"));
    let delivery = world.github_sends("issues.opened").await;
    for _ in 0..10 {
        world.turn_all().await;
        world.elapse(Duration::from_secs(60)).await;
        world.sweep().await;
    }
    let row = world.event(EventSource::Github, &delivery).await;
    assert_eq!(row.expect("it is there").state, EventState::Pending);
    assert_eq!((world.asked("plan"), world.comments().len()), (0, 0));
    world.wire.clear();
    world.settle().await;
    world.assert_delivered_once();
    world.issue_opens(40).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 2);
    assert!(world.wire.heard(ROLE).len() > 1);
    world.done().await;
}

/// A member without write who changes their login is nobody to GitHub when it is asked.
#[tokio::test(start_paused = true)]
async fn who_is_unknown_to_github_has_no_role() {
    for private in [false, true] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        let nobody = json!({
            "message": "Not Found", "status": "404",
            "documentation_url": "https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user",
        });
        let nobody = Reply::json(404, nobody);
        world.wire.answer(ROLE, ALWAYS, nobody);
        let sent = world.github_sends_changed("issues.opened", |event| {
            event["repository"]["private"] = private.into();
            event["issue"]["author_association"] = "MEMBER".into();
        });
        let delivery = sent.await;
        world.settle().await;
        let (_, says) = world.outcome(EventSource::Github, &delivery).await;
        assert!(!says.starts_with("job job_"), "private {private}: {says}");
        assert_eq!(world.asked("plan"), 0);
        world.done().await;
    }
}

/// GitHub refuses the question for a moment. The answer that nobody has a role is not kept.
#[tokio::test(start_paused = true)]
async fn a_refused_question_is_asked_again() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    let refused = json!({ "message": "Resource not accessible by integration" });
    world.wire.answer(ROLE, ALWAYS, Reply::json(403, refused));
    world.github_sends("issues.opened").await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 0);
    world.wire.clear();
    world.issue_opens(40).await;
    world.settle().await;
    assert_eq!(world.asked("plan"), 1);
    world.done().await;
}

/// A server that cannot be asked for roles says 404 to the request itself. Then whom the owner let
/// in passes, and nobody else.
#[tokio::test(start_paused = true)]
async fn without_roles_an_association_counts() {
    for (private, association, granted) in [
        (false, "MEMBER", true),
        (false, "OWNER", true),
        (false, "CONTRIBUTOR", false),
        (false, "NONE", false),
        (true, "MEMBER", true),
        (true, "COLLABORATOR", true),
        (true, "CONTRIBUTOR", false),
        (true, "", false),
    ] {
        let world = World::with(FaultPlan::None, &WIRED).await;
        world
            .wire
            .answer(ROLE, ALWAYS, Reply::status(404, "Not Found"));
        let delivery = world.github_sends_changed("issues.opened", |event| {
            event["repository"]["private"] = private.into();
            event["issue"]["author_association"] = association.into();
        });
        let delivery = delivery.await;
        world.settle().await;
        let (_, says) = world.outcome(EventSource::Github, &delivery).await;
        let case = format!("private {private}, {association}: {says}");
        assert_eq!(says.starts_with("job job_"), granted, "{case}");
        world.done().await;
    }
}

/// The owner of a personal repository needs no look-up: GitHub's signature is the proof.
#[tokio::test(start_paused = true)]
async fn the_owner_of_a_repository_is_known_by_id() {
    let world = World::with(FaultPlan::None, &WIRED).await;
    world
        .wire
        .answer(ROLE, ALWAYS, Reply::status(404, "Not Found"));
    let owner = |event: &mut Value| {
        let id = event["repository"]["owner"]["id"].clone();
        let user = json!({ "login": AUTHOR, "id": id, "type": "User" });
        (event["sender"], event["issue"]["user"]) = (user.clone(), user);
    };
    world.github_sends_changed("issues.opened", owner).await;
    world.settle().await;
    world.assert_delivered_once();
    world.done().await;
}

//! Tests GitHub's bodies in every shape.

use super::parse;
use domain::billing::marketplace::ListedPrice;
use domain::ids::OwnerId;
use domain::inbox::events::{
    CommentOn, GithubEvent, InstallationChange, IssueChange, IssueEvent, MarketplaceChange,
    PullState,
};
use domain::time::Timestamp;
use serde_json::{Value, json};

fn read(name: &str, body: &Value) -> Result<GithubEvent, serde_json::Error> {
    parse(name, &serde_json::to_vec(body).expect("JSON"))
}

fn read_issue(name: &str, body: &Value) -> IssueEvent {
    match read(name, body) {
        Ok(GithubEvent::Issue(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn place() -> Value {
    json!({
        "installation": { "id": 1 },
        "repository": { "id": 2, "name": "r", "owner": { "id": 3, "login": "o" }, "default_branch": "trunk" },
        "sender": { "login": "s" },
    })
}

fn with(more: Value) -> Value {
    let mut body = place();
    body.as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    body
}

fn issue() -> Value {
    json!({ "id": 7, "number": 8, "title": "t", "body": null, "updated_at": "2026-11-20T09:00:00Z" })
}

#[test]
fn an_issue_without_text_or_association_is_one() {
    let event = read_issue("issues.opened", &with(json!({ "issue": issue() })));
    assert_eq!(event.change, IssueChange::Opened);
    assert_eq!(
        (
            event.issue.body.as_str(),
            event.issue.author_association.as_str()
        ),
        ("", "")
    );
    assert_eq!(
        (event.origin.default_branch.as_str(), event.origin.via_app),
        ("trunk", None)
    );
}

#[test]
fn required_fields_must_be_present() {
    for field in ["installation", "repository", "sender", "issue"] {
        let mut body = with(json!({ "issue": issue() }));
        body.as_object_mut().expect("an object").remove(field);
        assert!(read("issues.opened", &body).is_err(), "without {field}");
    }
    for field in ["id", "number", "title", "updated_at"] {
        let mut body = with(json!({ "issue": issue() }));
        body["issue"]
            .as_object_mut()
            .expect("an object")
            .remove(field);
        assert!(
            read("issues.opened", &body).is_err(),
            "without the issue's {field}"
        );
    }
    for name in ["issues.labeled", "issue_comment.created"] {
        let body = with(json!({ "issue": issue() }));
        assert!(read(name, &body).is_err(), "{name} without its object");
    }
}

#[test]
fn a_label_is_read_and_the_app_that_opened_its_issue_is_not() {
    let mut body = with(json!({ "issue": issue(), "label": { "name": "tallyhook" } }));
    body["issue"]["performed_via_github_app"] = json!({ "id": 42 });
    let event = read_issue("issues.labeled", &body);
    assert_eq!(event.change, IssueChange::Labeled("tallyhook".to_owned()));
    assert_eq!(event.origin.via_app, None);
    let opened = read_issue("issues.opened", &body);
    assert_eq!(opened.origin.via_app, Some(42));
}

#[test]
fn a_comment_says_whether_it_is_on_an_issue_or_a_pull_request() {
    for (pull, expected) in [
        (Value::Null, CommentOn::Issue),
        (json!({ "url": "x" }), CommentOn::Pull),
        (json!({}), CommentOn::Pull),
    ] {
        let mut body = with(json!({ "issue": issue(), "comment": { "id": 9, "body": "b" } }));
        body["issue"]["pull_request"] = pull;
        let event = read_issue("issue_comment.created", &body);
        assert!(
            matches!(event.change, IssueChange::Commented(comment) if comment.on == expected),
            "{body}"
        );
    }
}

#[test]
fn the_app_that_wrote_is_read_where_it_wrote() {
    let app = json!({ "id": 42 });
    let mut body = with(json!({ "issue": issue(), "comment": { "id": 9, "body": "b" } }));
    body["issue"]["performed_via_github_app"] = app.clone();
    let event = read_issue("issue_comment.created", &body);
    assert_eq!(
        event.origin.via_app, None,
        "a person's comment on the App's issue"
    );
    body["comment"]["performed_via_github_app"] = app;
    let event = read_issue("issue_comment.created", &body);
    assert_eq!(event.origin.via_app, Some(42));
}

#[test]
fn the_state_of_a_pull_request_is_read_from_two_fields() {
    for (merged, state, expected) in [
        (json!(true), "closed", PullState::Merged),
        (json!(false), "closed", PullState::Closed),
        (json!(false), "open", PullState::Open),
    ] {
        let pull = json!({ "number": 8, "head": { "ref": "b", "repo": null }, "merged": merged, "state": state });
        let Ok(GithubEvent::PullRequest(event)) = read(
            "pull_request.closed",
            &with(json!({ "pull_request": pull })),
        ) else {
            panic!("a pull request")
        };
        assert_eq!((event.state, event.head_repository), (expected, None));
    }
}

fn installation(updated_at: Value) -> Result<GithubEvent, serde_json::Error> {
    read(
        "installation.suspend",
        &json!({ "installation": { "id": 1, "account": { "id": 3 }, "updated_at": updated_at } }),
    )
}

/// GitHub sends an installation's time as seconds, or as text with or without an offset. The
/// samples contain all three.
#[test]
fn every_format_of_github_times_is_read() {
    let noon = Timestamp::from_seconds(1_795_172_400);
    for written in [
        json!(1_795_172_400),
        json!("2026-11-20T11:00:00Z"),
        json!("2026-11-20T11:00:00.000Z"),
        json!("2026-11-20T12:00:00.000+01:00"),
        json!("2026-11-20T12:00:00+01:00"),
        json!("2026-11-20T05:30:00-05:30"),
    ] {
        let Ok(GithubEvent::Installation(event)) = installation(written.clone()) else {
            panic!("{written} is not read")
        };
        assert_eq!(
            (event.as_of, event.change),
            (noon, InstallationChange::Suspended),
            "{written}"
        );
    }
    let Ok(GithubEvent::Installation(event)) = installation(Value::Null) else {
        panic!("no time at all")
    };
    assert_eq!(event.as_of, Timestamp::from_millis(0));
}

/// A value that is not a time is an error and never a panic: a signature does not make a body
/// well-formed.
#[test]
fn a_value_that_is_not_a_time_is_an_error() {
    for odd in [
        json!(""),
        json!("yesterday"),
        json!("2026-11-20"),
        json!("2026-11-20T11:00:00"),
        json!("2026-11-20T11:00:00.ééZ"),
        json!("2026-11-20T11:00:00.🦀Z"),
        json!("éééé-11-20T11:00:00Z"),
        json!("99999999999999999-11-20T11:00:00Z"),
        json!("9223372036854775807-01-01T00:00:00Z"),
        json!("2026-13-20T11:00:00Z"),
        json!(true),
        json!([]),
        json!({}),
        json!(1.5),
    ] {
        assert!(installation(odd.clone()).is_err(), "{odd}");
    }
}

/// A free plan has neither a monthly nor a yearly price. The buyer may not have a usable address.
#[test]
fn a_purchase_has_an_owner_and_a_price() {
    for (monthly, yearly, mail, price, reachable) in [
        (
            48_000,
            0,
            json!("billing@acme.example"),
            ListedPrice::Paid,
            true,
        ),
        (0, 480_000, json!(""), ListedPrice::Paid, false),
        (0, 0, json!("nobody"), ListedPrice::Free, false),
        (0, 0, Value::Null, ListedPrice::Free, false),
    ] {
        let plan = json!({ "id": 5501, "name": "Team", "monthly_price_in_cents": monthly, "yearly_price_in_cents": yearly });
        let account = json!({ "id": 3, "login": "acme", "organization_billing_email": mail });
        let body = json!({
            "effective_date": "2026-11-20T00:00:00+00:00",
            "marketplace_purchase": { "account": account, "plan": plan },
        });
        let Ok(GithubEvent::Marketplace(event)) = read("marketplace_purchase.changed", &body)
        else {
            panic!("a purchase")
        };
        assert_eq!(
            (event.listed.price, event.mail.is_some()),
            (price, reachable),
            "{body}"
        );
        assert_eq!(
            (event.owner, event.change),
            (OwnerId::new(3), MarketplaceChange::Changed)
        );
    }
}

#[test]
fn other_events_are_not_read() {
    for name in [
        "star.created",
        "issues.pinned",
        "issues",
        "ping",
        "installation.new_permissions_accepted",
        "",
    ] {
        assert_eq!(
            parse(name, b"not even JSON").expect("ignored"),
            GithubEvent::Ignored {
                name: name.to_owned()
            }
        );
    }
}

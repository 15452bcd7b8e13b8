//! Tests the lifecycle of an assist, and the billing effects of its ends.

use super::*;
use crate::billing::plans::{BasisPoints, Billable};
use crate::jobs::Funding;
use crate::ledger;
use crate::retry::{ATTEMPTS_MAX, Retry};
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_795_210_980_000);
const UNTIL: Timestamp = Timestamp::from_millis(1_795_211_280_000);

fn credits(whole: u64) -> Credits {
    Credits::from_micros(whole * 1_000_000).expect("an amount")
}

fn assist() -> Assist {
    let held = credits(10);
    Assist::queued(AssistFacts {
        id: AssistId::mint(NOW, [1; 10]),
        account: AccountId::mint(NOW, [2; 10]),
        kind: AssistKind::CommitSummary,
        terms: Terms {
            places: crate::billing::quotas::QuotaPlaces::default(),
            funding: Funding::Prepaid {
                held,
                markup: BasisPoints(2_000),
                fee: Credits::ZERO,
            },
            billable: Billable::PrOpened,
            budget: Some(held),
            period: "2026-11".to_owned(),
            priced_by: "v".to_owned(),
            spending: None,
        },
        created_at: NOW,
    })
}

fn lease() -> AssistLease {
    assist().claim(UNTIL, NOW).expect("nobody has it").granted()
}

fn failure(retry: Retry) -> Failure {
    Failure {
        retry,
        source: "why".into(),
    }
}

#[test]
fn an_answer_is_paid_for_and_the_rest_comes_back() {
    let answer = AssistAnswer::CommitSummary(SummaryText {
        text: "words".to_owned(),
        diff: DiffStats::default(),
    });
    let used = ModelUsage {
        model: "m".to_owned(),
        tokens: Tokens::of(3, 4),
        cost: credits(5),
        calls: Vec::new(),
    };
    let done = lease().done(answer, used, NOW);
    assert_eq!(
        (done.row().state, done.row().tries.due_at),
        (AssistState::Done, None)
    );
    let BillingEffect::Billed {
        capture: Some(capture),
        usage,
        ..
    } = done.money()
    else {
        panic!("{:?}", done.money())
    };
    let entry = capture.entry();
    assert_eq!(
        (entry.kind, entry.amount, entry.free),
        (ledger::EntryKind::Capture, credits(6), credits(4).signed())
    );
    assert_eq!(entry.cause, format!("SETTLEMENT#{}", assist().facts.id));
    assert!(usage.is_empty());
}

#[test]
fn without_an_answer_nothing_is_paid() {
    let failed = lease().failed(&failure(Retry::Never), 0, NOW);
    assert_eq!(
        (failed.row().state, failed.row().reason.as_deref()),
        (AssistState::Failed, Some("why"))
    );
    let BillingEffect::Released {
        release: Some(release),
        ..
    } = failed.money()
    else {
        panic!("{:?}", failed.money())
    };
    assert_eq!(
        (release.entry().kind, release.entry().free),
        (ledger::EntryKind::Release, credits(10).signed())
    );
}

#[test]
fn tries_are_counted_and_end() {
    let wait = Duration::from_secs(7);
    let later = lease().failed(&failure(Retry::After(wait)), 0, NOW);
    assert_eq!(
        (later.row().state, later.row().tries.attempts),
        (AssistState::Queued, 0)
    );
    assert_eq!(later.row().tries.due_at, Some(NOW.plus(wait)));
    assert_eq!(later.money(), BillingEffect::None);
    let mut row = assist();
    for tries in 1..ATTEMPTS_MAX {
        let now = row.tries.not_before.unwrap_or(NOW);
        let lease = row
            .claim(now.plus(wait), now)
            .expect("its time has come")
            .granted();
        row = lease.failed(&failure(Retry::Soon), 0, now).row().clone();
        assert_eq!(
            (row.state, row.tries.attempts),
            (AssistState::Queued, tries)
        );
    }
    let now = row.tries.not_before.expect("it waits");
    let last = row
        .claim(now.plus(wait), now)
        .expect("its time has come")
        .granted();
    let last = last.failed(&failure(Retry::Soon), 0, now);
    assert_eq!(last.row().state, AssistState::Failed);
    assert_eq!(
        last.row().reason.as_deref(),
        Some("gave up after 12 attempts: why")
    );
}

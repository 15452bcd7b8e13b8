//! Tests what a transition does to money: usage owed, holds captured and released.

use super::*;

#[test]
fn a_usage_record_is_born_with_its_pull_request() {
    let Staged::Opening(job) = at(JobState::PrCreationInitiated).staged() else {
        panic!("opening")
    };
    let transition = lease(job).opened(
        PullRef {
            number: 8,
            url: "u".to_owned(),
        },
        None,
        NOW,
    );
    let BillingEffect::Billed {
        capture: None,
        usage,
        ..
    } = transition.money()
    else {
        panic!("a pull request is charged")
    };
    let [usage] = usage.as_slice() else {
        panic!("once")
    };
    assert_eq!(
        (usage.of.clone(), usage.value, usage.at),
        (UsageSource::Job(facts().id), 1, NOW)
    );
    assert_eq!(
        usage.identifier.to_string(),
        format!("use_{}-pull_requests", facts().id.ulid()),
        "fixed by the job, not by the try"
    );
}

const HELD: u64 = 600;

/// A job in a state that is paid from credits and has cost this many credits so far.
fn prepaid(state: JobState, billable: Billable, cost: u64) -> JobRow {
    let held = Credits::whole(HELD).expect("an amount");
    let funding = Funding::Prepaid {
        held,
        markup: BasisPoints(2_000),
        fee: Credits::ZERO,
    };
    let row = at(state);
    let terms = Terms {
        places: crate::billing::quotas::QuotaPlaces::default(),
        funding,
        billable,
        ..row.facts.terms.clone()
    };
    let pull = Some(PullRef {
        number: 8,
        url: "u".to_owned(),
    })
    .filter(|_| state == JobState::PrOpened);
    let cost = Credits::whole(cost).expect("an amount");
    JobRow {
        facts: JobFacts {
            terms,
            ..row.facts.clone()
        },
        cost,
        pull,
        ..row
    }
}

/// The microcredits of the hold that a transition releases and spends, or `None` if it does not
/// touch the hold.
fn settled(money: &BillingEffect) -> Option<(u64, u64)> {
    let posting = match money {
        BillingEffect::None => return None,
        BillingEffect::Billed {
            capture: posting, ..
        }
        | BillingEffect::Released {
            release: posting, ..
        } => posting.as_ref()?,
    };
    let (back, held) = (
        posting.entry().free.unsigned_abs(),
        posting.entry().held.unsigned_abs(),
    );
    assert_eq!(held, HELD * MICROS, "a hold is settled whole");
    Some((back, held - back))
}

#[test]
fn every_way_out_settles_a_hold_once() {
    for billable in [Billable::PrOpened, Billable::Merged] {
        for state in JobState::ALL {
            for seen in moves(&prepaid(state, billable, 100)) {
                let to = seen.row.state;
                let bills = match billable {
                    Billable::PrOpened => JobState::PrOpened,
                    Billable::Merged => JobState::Merged,
                };
                let expected = match (seen.from_state, to) {
                    (from, to) if from == to || from.is_over() => None,
                    (_, to) if to == bills => Some(((HELD - 120) * MICROS, 120 * MICROS)),
                    (from, to) if takes(from, to) => Some(((HELD - 120) * MICROS, 120 * MICROS)),
                    (from, _) if from == bills => None,
                    (_, to) if to.is_over() => Some((HELD * MICROS, 0)),
                    _ => None,
                };
                assert_eq!(
                    settled(&seen.money),
                    expected,
                    "{} to {}, {billable:?}",
                    seen.from_state.as_str(),
                    to.as_str()
                );
            }
        }
    }
}

#[test]
fn nobody_pays_more_than_was_reserved() {
    for (cost, spent) in [
        (0, 0),
        (1, 1_200_000),
        (500, HELD * MICROS),
        (501, HELD * MICROS),
        (10_000, HELD * MICROS),
    ] {
        let Staged::Opening(job) =
            prepaid(JobState::PrCreationInitiated, Billable::PrOpened, cost).staged()
        else {
            panic!("opening")
        };
        let transition = lease(job).opened(
            PullRef {
                number: 8,
                url: "u".to_owned(),
            },
            None,
            NOW,
        );
        assert_eq!(
            settled(&transition.money()),
            Some((HELD * MICROS - spent, spent)),
            "{cost}"
        );
    }
}

#[test]
fn a_fix_that_was_paid_for_costs_its_tokens_only() {
    let mut row = prepaid(JobState::PrCreationInitiated, Billable::PrOpened, 100);
    let held = Credits::whole(HELD).expect("an amount");
    let fee = Credits::whole(15).expect("an amount");
    row.facts.terms.funding = Funding::Prepaid {
        held,
        markup: BasisPoints(2_000),
        fee,
    };
    let Staged::Opening(job) = row.staged() else {
        panic!("opening")
    };
    let opened = lease(job).opened(
        PullRef {
            number: 8,
            url: "u".to_owned(),
        },
        None,
        NOW,
    );
    assert_eq!(
        settled(&opened.money()),
        Some(((HELD - 135) * MICROS, 135 * MICROS))
    );
    let paid = opened.with_fix_paid();
    assert_eq!(
        settled(&paid.money()),
        Some(((HELD - 120) * MICROS, 120 * MICROS))
    );
    assert_eq!(
        (paid.from_version(), paid.from_state()),
        (opened.from_version(), opened.from_state())
    );
}

#[test]
fn a_metered_job_tells_every_meter_what_it_counts() {
    let mut row = at(JobState::PrCreationInitiated);
    let counts = vec![
        (Meter::pull_requests(), MeteredUnit::Pulls),
        (
            Meter::parse("tokens").expect("a meter"),
            MeteredUnit::Tokens,
        ),
    ];
    let customer = CustomerId::parse("cus_1").expect("an id");
    row.facts.terms.funding = Funding::Metered { customer, counts };
    row.tokens = Tokens::of(30, 12);
    let opened = |row: &JobRow| {
        let Staged::Opening(job) = row.clone().staged() else {
            panic!("opening")
        };
        match lease(job)
            .opened(
                PullRef {
                    number: 8,
                    url: "u".to_owned(),
                },
                None,
                NOW,
            )
            .money()
        {
            BillingEffect::Billed {
                capture: None,
                usage,
                ..
            } => usage
                .iter()
                .map(|usage| (usage.meter.to_string(), usage.value))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        opened(&row),
        [("pull_requests".to_owned(), 1), ("tokens".to_owned(), 42)]
    );
    row.fix_paid = FixPaid::Before;
    assert_eq!(
        opened(&row),
        [("tokens".to_owned(), 42)],
        "of a fix that was paid for, only the tokens"
    );
    row.fix_paid = FixPaid::WithJob;
    row.tokens = Tokens::default();
    assert_eq!(
        opened(&row),
        [("pull_requests".to_owned(), 1)],
        "nothing is not told"
    );
}

/// People may reopen and merge a pull request after its job has ended. The job was settled then.
#[test]
fn a_merge_after_the_end_costs_nothing() {
    for billable in [Billable::PrOpened, Billable::Merged] {
        let mut row = prepaid(JobState::Closed, billable, 100);
        row.timeline.push(TimelineEntry {
            state: JobState::Closed,
            at: BORN,
        });
        let Staged::Closed(job) = row.staged() else {
            panic!("closed")
        };
        let merged = job.merged(NOW);
        assert_eq!(merged.money(), BillingEffect::None);
        assert!(!merged.frees_issue());
        assert_eq!(merged.row().untold(), Some(CommentState::Merged));
    }
}

//! Tests the jobs of external agents.

use super::*;
use crate::billing::plans::Limit;
use crate::jobs::delegated::WAITED_FOR;

#[test]
fn an_outside_agent_s_job_pays_for_the_fix_and_for_no_tokens() {
    let credits = |whole: u64| Credits::from_micros(whole * MICROS).expect("credits");
    let offer = |funding| Offer {
        uses: Vec::new(),
        terms: Terms {
            places: crate::billing::quotas::QuotaPlaces::default(),
            funding,
            billable: Billable::Merged,
            budget: Some(credits(600)),
            ..facts().terms
        },
        limit: Limit::Unlimited,
        overdraft: Credits::ZERO,
    };
    let prepaid = |fee| Funding::Prepaid {
        held: credits(600),
        markup: BasisPoints(2_000),
        fee,
    };
    let terms = offer(prepaid(credits(15))).outside().terms;
    assert_eq!((terms.billable, terms.budget), (Billable::PrOpened, None));
    assert!(
        matches!(terms.funding, Funding::Prepaid { held, fee, .. } if held == fee && fee == credits(15))
    );
    assert_eq!(
        offer(prepaid(Credits::ZERO)).outside().terms.funding,
        Funding::Free
    );
    let metered = |counts| {
        let customer = CustomerId::parse("cus_1").expect("an id");
        offer(Funding::Metered { customer, counts })
            .outside()
            .terms
            .funding
    };
    let (pulls, tokens) = (
        (Meter::pull_requests(), MeteredUnit::Pulls),
        (Meter::tokens(), MeteredUnit::Tokens),
    );
    let Funding::Metered { counts, .. } = metered(vec![pulls.clone(), tokens.clone()]) else {
        panic!("metered")
    };
    assert_eq!(counts, [pulls]);
    assert_eq!(metered(vec![tokens]), Funding::Free);
}

/// Its issue may have another job by the time its pull request is merged.
#[test]
fn a_delegated_job_frees_its_issue_once() {
    let Staged::Delegated(job) = at(JobState::Delegated).staged() else {
        panic!("delegated")
    };
    assert_eq!(job.until(), facts().created_at.plus(WAITED_FOR));
    let delivered = job.delivered(
        PullRef {
            number: 8,
            url: "u".to_owned(),
        },
        NOW,
    );
    assert!(delivered.frees_issue() && delivered.row().is_delegated());
    let Staged::Opened(job) = delivered.row().clone().staged() else {
        panic!("opened")
    };
    assert!(!job.merged(NOW).frees_issue());
}

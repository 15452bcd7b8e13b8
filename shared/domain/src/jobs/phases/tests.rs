//! Tests which reports are billable, how a fix is identified, and what it costs.

use super::*;
use crate::billing::plans::{BasisPoints, Billable, MeteredUnit};
use crate::billing::usage::Meter;
use crate::ids::CustomerId;
use crate::jobs::Terms;
use crate::ledger::Cause;

const NOW: Timestamp = Timestamp::from_millis(1_795_210_980_000);

fn report(phase: Phase, ending: PhaseResult) -> PhaseReport {
    let repository = RepositoryName::parse("Acme/Greeter").expect("a name");
    PhaseReport {
        id: ActionId::mint(NOW, [1; 10]),
        account: AccountId::mint(NOW, [2; 10]),
        phase,
        ending,
        fix: Fix::of_issue(repository.owner(), repository.name(), 12),
        repository,
        issue_number: Some(12),
        job: None,
        pull_request: None,
        commit: None,
        run_id: None,
        data: None,
        occurred_at: NOW,
        at: NOW,
        counted: ReportBilling::NotBillable,
        fee: None,
    }
}

#[test]
fn which_reports_are_billable_stands_in_the_catalogue() {
    let by_default = PhasePredicate {
        phase: "mitigate".to_owned(),
        result: "success".to_owned(),
    };
    let otherwise = PhasePredicate {
        phase: "validate".to_owned(),
        result: "failure".to_owned(),
    };
    for (phase, ending, default, other) in [
        (Phase::Scan, PhaseResult::Success, false, false),
        (Phase::Scan, PhaseResult::Failure, false, false),
        (Phase::Validate, PhaseResult::Success, false, false),
        (Phase::Validate, PhaseResult::Failure, false, true),
        (Phase::Mitigate, PhaseResult::Success, true, false),
        (Phase::Mitigate, PhaseResult::Failure, false, false),
    ] {
        let report = report(phase, ending);
        assert_eq!(
            report.is_billable(&by_default),
            default,
            "{phase:?} {ending:?}"
        );
        assert_eq!(
            report.is_billable(&otherwise),
            other,
            "{phase:?} {ending:?}"
        );
    }
}

#[test]
fn a_fix_is_known_again_however_it_is_written() {
    let name = |text| RepositoryName::parse(text).expect("a name");
    assert_eq!(
        Fix::of_issue("Acme", "greeter", 7),
        Fix::of_issue("acme", "Greeter", 7)
    );
    assert_eq!(
        Fix::named(&name("ACME/greeter"), "CVE-2026:1"),
        Fix::named(&name("acme/greeter"), "CVE-2026:1")
    );
    let issue = Fix::of_issue("acme", "greeter", 7);
    for other in ["issue-7", "7", "Issue-7"] {
        assert_ne!(
            Fix::named(&name("acme/greeter"), other),
            Some(issue.clone()),
            "no name is an issue's"
        );
    }
    assert_eq!(Fix::parse(issue.as_str()), Some(issue));
    for bad in ["", "a b", "a#b", "a/b", "é", &"x".repeat(101)] {
        assert_eq!(Fix::named(&name("acme/greeter"), bad), None, "{bad}");
    }
}

#[test]
fn a_fix_is_paid_for_in_the_plan_s_way() {
    let report = report(Phase::Mitigate, PhaseResult::Success);
    let offer = |funding| Offer {
        terms: Terms {
            places: crate::billing::quotas::QuotaPlaces::default(),
            funding,
            billable: Billable::PrOpened,
            budget: None,
            period: "2026-11".to_owned(),
            priced_by: "v".to_owned(),
            spending: None,
        },
        limit: Limit::Of(10),
        uses: vec![],
        overdraft: Credits::ZERO,
    };
    let fee = Credits::whole(15).expect("an amount");
    let prepaid = |fee| Funding::Prepaid {
        held: fee,
        markup: BasisPoints(2_000),
        fee,
    };
    let charge = report.charge(&offer(prepaid(fee)));
    let posting = charge.posting.expect("a posting");
    assert_eq!(
        (posting.cause(), posting.entry().free),
        (&Cause::Fix(report.fix.clone()), -fee.signed())
    );
    assert_eq!(
        (posting.bounds().0 < 0, charge.usage.len()),
        (true, 0),
        "what is delivered may become debt"
    );
    assert_eq!(report.charge(&offer(prepaid(Credits::ZERO))).posting, None);
    let customer = CustomerId::parse("cus_1").expect("an id");
    let counts = vec![
        (Meter::pull_requests(), MeteredUnit::Pulls),
        (Meter::tokens(), MeteredUnit::Tokens),
    ];
    let charge = report.charge(&offer(Funding::Metered { customer, counts }));
    assert_eq!(charge.posting, None);
    let [usage] = charge.usage.as_slice() else {
        panic!("the fix, and no tokens: {:?}", charge.usage)
    };
    assert_eq!((&usage.meter, usage.value), (&Meter::pull_requests(), 1));
    assert_eq!(
        charge.limit,
        Limit::Unlimited,
        "what is paid for counts beyond"
    );
    let charge = report.charge(&offer(Funding::Free));
    assert_eq!((charge.posting, charge.usage.len()), (None, 0));
    assert_eq!(
        charge.limit,
        Limit::Of(10),
        "what is free ends with its quota"
    );
}

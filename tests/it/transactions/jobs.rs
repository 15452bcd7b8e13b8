//! Jobs, assists and agents' reports.

use super::{act, on_both, opened};
use crate::billing::spending::crowds::{PERIOD, job, money};
use crate::ledger::{NOW, account, gift, micros};
use domain::billing::plans::Limit;
use domain::billing::quotas::QuotaUse;
use domain::billing::usage::Meter;
use domain::ids::{AccountId, AssistId};
use domain::jobs::assists::{Assist, AssistFacts, AssistKind, AssistTask, CommitRef};
use domain::jobs::fixes::Fix;
use domain::jobs::phases::{FixCharge, Phase, PhaseReport, PhaseResult, ReportBilling};
use domain::jobs::repositories::RepositoryName;
use domain::jobs::{self, FixPaid, PullRef, Staged};
use domain::ledger::{Balance, EntryDetails, HoldId, Posting};
use domain::retry::Failure;
use domain::time::Timestamp;
use domain::units::Credits;
use std::time::Duration;
use store::{
    Advanced, AssistCreated, Claimed, JobCreated, NewAssist, NewJob, Reported, SummaryPlace,
};

fn hold(new: &NewJob, amount: u64) -> Option<Posting> {
    let (id, label) = (
        HoldId::Job(new.row.facts.id.clone()),
        EntryDetails::default(),
    );
    let amount = (micros(amount), Credits::ZERO);
    Some(Posting::hold(
        &new.row.facts.account,
        id,
        amount,
        label,
        NOW,
    ))
}

/// A job for this issue, distinguished by `n`.
fn job_of_issue(id: &AccountId, n: u64, issue: u64) -> NewJob {
    let mut new = job(id, n, "1.00");
    new.row.facts.issue_number = issue;
    new
}

fn of_quota(meter: Meter, limit: Limit) -> QuotaUse {
    QuotaUse {
        meter,
        period: PERIOD.to_owned(),
        amount: 1,
        limit,
    }
}

#[tokio::test]
async fn a_new_job_says_why_it_is_none() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let made = async |new: &NewJob| store.job_create(new).await.expect("an answer");
        let first = job_of_issue(&id, 1, 1);
        let of_first = first.row.facts.id.clone();
        assert_eq!(made(&first).await, JobCreated::New, "{on}");
        // The fact, its issue and its row all exist by now: the fact decides.
        assert_eq!(
            made(&first).await,
            JobCreated::Existing(of_first.clone()),
            "{on}"
        );
        let joined = made(&job_of_issue(&id, 2, 1)).await;
        assert_eq!(joined, JobCreated::Joined(of_first), "{on}");

        let mut beyond = job_of_issue(&id, 3, 3);
        beyond.limit = Limit::Of(1);
        assert_eq!(made(&beyond).await, JobCreated::QuotaUsed, "{on}");
        beyond.limit = Limit::Unlimited;
        beyond.uses = vec![
            of_quota(Meter::tokens(), Limit::Unlimited),
            of_quota(Meter::agents(), Limit::Of(1)),
        ];
        assert_eq!(made(&beyond).await, JobCreated::New, "{on}");
        let mut busy = job_of_issue(&id, 6, 6);
        busy.uses.clone_from(&beyond.uses);
        let full = JobCreated::OtherQuotaUsed(Meter::agents());
        assert_eq!(made(&busy).await, full, "{on}");

        let closed = made(&job_of_issue(&account(9), 4, 4)).await;
        assert_eq!(closed, JobCreated::AccountClosed, "{on}");

        let mut poor = job_of_issue(&id, 5, 5);
        poor.hold = hold(&poor, 7);
        let nothing = Balance::default();
        assert_eq!(made(&poor).await, JobCreated::OutOfCredits(nothing), "{on}");

        // Credits are also insufficient, but the limit decides first.
        store
            .spend_limit_set(&id, &money(1), NOW)
            .await
            .expect("an answer");
        assert_eq!(made(&poor).await, JobCreated::SpendLimitReached, "{on}");

        let mut refused = job_of_issue(&id, 6, 6);
        refused.row = jobs::refused(refused.row.facts, "why");
        let refuse = async || store.job_refuse(&refused).await.expect("an answer");
        assert_eq!(refuse().await, JobCreated::New, "{on}");
        let existing = JobCreated::Existing(refused.row.facts.id.clone());
        assert_eq!(refuse().await, existing, "{on}");
    })
    .await;
}

#[tokio::test]
async fn a_move_that_comes_second_is_stale() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let new = job_of_issue(&id, 1, 1);
        store.job_create(&new).await.expect("an answer");
        let cancel = async || {
            let Staged::Queued(job) = new.row.clone().staged() else {
                panic!("it is queued");
            };
            let cancelled = job.cancel("why", NOW);
            store.job_advance(&cancelled).await.expect("an answer")
        };
        assert!(matches!(cancel().await, Advanced::Applied(_)), "{on}");
        assert_eq!(cancel().await, Advanced::Stale, "{on}");
    })
    .await;
}

/// The first worker's lease ran out while it worked, and a second one has taken the same step. The
/// job's state is the same, so only its version tells that the first one is too late.
#[tokio::test]
async fn a_worker_whose_lease_ran_out_changes_nothing() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let new = job_of_issue(&id, 1, 1);
        store.job_create(&new).await.expect("an answer");
        let until = NOW.plus(Duration::from_secs(300));
        let Staged::Queued(job) = new.row.clone().staged() else {
            panic!("it is queued");
        };
        let claim = job.claim(until, NOW).expect("nobody holds it");
        let Ok(Claimed::Yours(first)) = store.job_claim(claim).await else {
            panic!("nobody else claims it");
        };
        let found = store.job_find(&new.row.facts.id).await.expect("an answer");
        let Staged::Planning(job) = found.expect("the job").staged() else {
            panic!("it is being planned");
        };
        let later = until.plus(Duration::from_secs(300));
        let claim = job.claim(later, until).expect("the lease has run out");
        let Ok(Claimed::Yours(second)) = store.job_claim(claim).await else {
            panic!("nobody else claims it");
        };
        let busy = Failure::after(Duration::from_secs(300), "not yet");
        let late = first.failed(&busy, 0, until);
        let advanced = store.job_advance(&late).await.expect("an answer");
        assert_eq!(advanced, Advanced::Stale, "{on}");
        let kept = second.failed(&busy, 0, until);
        let advanced = store.job_advance(&kept).await.expect("an answer");
        assert!(matches!(advanced, Advanced::Applied(_)), "{on}");
    })
    .await;
}

fn report(id: &AccountId, n: u8, issue: u64) -> PhaseReport {
    PhaseReport {
        id: act(n),
        account: id.clone(),
        phase: Phase::Mitigate,
        ending: PhaseResult::Success,
        repository: RepositoryName::of("acme", "greeter").expect("a name"),
        issue_number: Some(issue),
        fix: Fix::of_issue("acme", "greeter", issue),
        job: None,
        pull_request: Some(1),
        commit: None,
        run_id: None,
        data: None,
        occurred_at: NOW,
        at: NOW,
        counted: ReportBilling::NotBillable,
        fee: None,
    }
}

#[tokio::test]
async fn a_fix_is_charged_once_by_any_reporter() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let charge = FixCharge {
            period: PERIOD.to_owned(),
            limit: Limit::Unlimited,
            posting: None,
            usage: vec![],
            outlay: None,
        };
        let record = async |report: &PhaseReport| {
            let recorded = store.phase_record(report, Some(&charge)).await;
            recorded.expect("an answer")
        };
        let first = report(&id, 1, 1);
        assert_eq!(
            record(&first).await,
            Reported::Now(ReportBilling::Billed),
            "{on}"
        );
        // The fix is also charged by now, but the report decides.
        let Reported::Already(known) = record(&first).await else {
            panic!("{on}: it is known");
        };
        assert_eq!(known.counted, ReportBilling::Billed, "{on}");
        let other = PhaseReport {
            pull_request: Some(2),
            ..first.clone()
        };
        assert_eq!(record(&other).await, Reported::ActReused, "{on}");
        let second = report(&id, 2, 1);
        let before = Reported::Now(ReportBilling::AlreadyBilled);
        assert_eq!(record(&second).await, before, "{on}");

        // The issue's job finds the fix already paid, and is delivered without its price.
        let mut new = job_of_issue(&id, 1, 1);
        new.row = jobs::delegated(new.row.facts);
        assert_eq!(
            store.job_create(&new).await.expect("an answer"),
            JobCreated::New,
            "{on}"
        );
        let Staged::Delegated(job) = new.row.staged() else {
            panic!("it is delegated");
        };
        let pull = PullRef {
            number: 1,
            url: "https://github.com/acme/greeter/pull/1".to_owned(),
        };
        let delivered = store.job_advance(&job.delivered(pull, NOW)).await;
        let Advanced::Applied(row) = delivered.expect("an answer") else {
            panic!("{on}: nobody else moved it");
        };
        assert_eq!(row.fix_paid, FixPaid::Before, "{on}");
    })
    .await;
}

fn assist(id: &AccountId, n: u8, sha: &str) -> NewAssist {
    let commit = || CommitRef::parse("acme", "greeter", sha).expect("a commit");
    let mut terms = job(id, 1, "1.00").row.facts.terms;
    terms.period = PERIOD.to_owned();
    let facts = AssistFacts {
        id: AssistId::mint(NOW, [n; 10]),
        account: id.clone(),
        kind: AssistKind::CommitSummary,
        terms,
        created_at: NOW,
    };
    NewAssist {
        row: Assist::queued(facts),
        task: AssistTask::CommitSummary(commit()),
        place: Some(SummaryPlace {
            commit: commit(),
            instead_of: None,
        }),
        counts: None,
        uses: Vec::new(),
        hold: None,
    }
}

#[tokio::test]
async fn a_new_assist_says_why_it_is_none() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let ask = async |new: &NewAssist| store.assist_create(new).await.expect("an answer");
        let shas = ["a", "b", "c", "d"].map(|digit| digit.repeat(40));
        let first = assist(&id, 1, &shas[0]);
        assert_eq!(ask(&first).await, AssistCreated::New, "{on}");
        // Its commit is also taken by now, but the request itself decides.
        assert_eq!(ask(&first).await, AssistCreated::Existing, "{on}");
        let second = assist(&id, 2, &shas[0]);
        assert_eq!(ask(&second).await, AssistCreated::Taken, "{on}");

        let counted = |n, sha: &str| NewAssist {
            counts: Some((Meter::free_assists(), PERIOD.to_owned(), Limit::Of(1))),
            ..assist(&id, n, sha)
        };
        assert_eq!(ask(&counted(3, &shas[1])).await, AssistCreated::New, "{on}");
        let used_up = ask(&counted(4, &shas[2])).await;
        assert_eq!(used_up, AssistCreated::UsedUp, "{on}");
        let calls = |n, sha: &str| NewAssist {
            uses: vec![of_quota(Meter::api_calls(), Limit::Of(1))],
            ..assist(&id, n, sha)
        };
        assert_eq!(ask(&calls(6, &shas[2])).await, AssistCreated::New, "{on}");
        let used_up = ask(&calls(7, &shas[3])).await;
        let expected = AssistCreated::QuotaUsed(Meter::api_calls());
        assert_eq!(used_up, expected, "{on}");

        let mut poor = assist(&id, 5, &shas[3]);
        let (held, label) = ((micros(7), Credits::ZERO), EntryDetails::default());
        let hold_id = HoldId::Assist(poor.row.facts.id.clone());
        poor.hold = Some(Posting::hold(&id, hold_id, held, label, NOW));
        store
            .ledger_post(&[gift(&id, 1, 6)])
            .await
            .expect("an answer");
        let balance = store.balance_find(&id).await.expect("an answer");
        let out = AssistCreated::OutOfCredits(balance);
        assert_eq!(ask(&poor).await, out, "{on}");
        store
            .spend_limit_set(&id, &money(1), NOW)
            .await
            .expect("an answer");
        assert_eq!(ask(&poor).await, AssistCreated::SpendLimitReached, "{on}");
    })
    .await;
}

/// A worker's lease runs out, another takes the work in the same state, and then the first returns:
/// what it writes changes nothing.
#[tokio::test]
async fn a_worker_whose_lease_ran_out_writes_nothing() {
    on_both(async |_, store, on| {
        let id = opened(store, 1).await;
        let new = job_of_issue(&id, 1, 1);
        store.job_create(&new).await.expect("an answer");
        let job = &new.row.facts.id;
        let (lasts, mut now) = (Duration::from_secs(60), NOW);
        let claim = async |now: Timestamp| {
            let row = store.job_find(job).await.expect("an answer");
            let until = now.plus(lasts);
            let claim = match row.expect("the job").staged() {
                Staged::Queued(job) => job.claim(until, now),
                Staged::Planning(job) => job.claim(until, now),
                other => panic!("{other:?}"),
            };
            let claim = claim.expect("nobody has it");
            match store.job_claim(claim).await.expect("an answer") {
                Claimed::Yours(lease) => *lease,
                other => panic!("{other:?}"),
            }
        };
        let first = claim(now).await;
        now = now.plus(lasts);
        let second = claim(now).await;
        let late = first.failed(&Failure::after(lasts, "late"), 0, now);
        let late = store.job_advance(&late).await.expect("an answer");
        assert_eq!(late, Advanced::Stale, "{on}");
        let kept = store.job_find(job).await.expect("an answer");
        assert_eq!(kept.as_ref(), Some(second.row()), "{on}");
        let ended = second.cancelled("enough", now);
        let ended = store.job_advance(&ended).await.expect("an answer");
        assert!(matches!(ended, Advanced::Applied(_)), "{on}");
    })
    .await;
}

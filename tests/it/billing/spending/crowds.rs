//! Many concurrent spenders on real threads never spend a unit too much.

use crate::ledger::{NOW, account, books, gift, micros};
use domain::accounts::{Account, AccountBilling, NewAccount};
use domain::billing::plans::{Billable, Limit, MeteredUnit, Rate};
use domain::billing::quotas::QuotaPlaces;
use domain::billing::spending::{
    MICROS, SpendChange, SpendLimit, SpendLine, SpendUnit, Spending, Spent,
};
use domain::billing::usage::Meter;
use domain::ids::{AccountId, ActionId, CustomerId, InstallationId, JobId, RepositoryId};
use domain::jobs::pulls::PullOptions;
use domain::jobs::steps::IssueText;
use domain::jobs::{self, Funding, JobFacts, Staged, Terms};
use domain::ledger::{EntryDetails, HoldId, Posting};
use domain::units::Credits;
use domain::units::{Currency, Money};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{Advanced, JobCreated, NewJob, Post, Store};

pub const PERIOD: &str = "2026-11";

/// A job for the n-th issue whose pull request has this price.
pub fn job(account: &AccountId, n: u64, rate: &str) -> NewJob {
    let line = SpendLine {
        meter: Meter::pull_requests(),
        counts: MeteredUnit::Pulls,
        most: 1,
        rate: Rate::parse(rate).expect("a rate"),
    };
    let spending = Spending {
        period: PERIOD.to_owned(),
        unit: SpendUnit::Money,
        lines: vec![line],
        reserved: 0,
    };
    let customer = CustomerId::parse("cus_1").expect("an id");
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    let facts = JobFacts {
        id: JobId::mint(NOW, [a, b, c, d, e, f, g, h, 0, 0]),
        account: account.clone(),
        installation: InstallationId::new(1),
        repository: RepositoryId::new(2),
        owner_login: "acme".to_owned(),
        repository_name: "greeter".to_owned(),
        base_branch: "main".to_owned(),
        issue_number: n,
        trigger: format!("issue-{n}"),
        asked_by: "ann".to_owned(),
        caused_by: None,
        retry_of: None,
        wishes: PullOptions::default(),
        terms: Terms {
            funding: Funding::Metered {
                customer,
                counts: vec![(Meter::pull_requests(), MeteredUnit::Pulls)],
            },
            billable: Billable::PrOpened,
            budget: None,
            period: PERIOD.to_owned(),
            priced_by: "v".to_owned(),
            spending: Some(spending),
            places: QuotaPlaces::default(),
        },
        created_at: NOW,
    };
    NewJob {
        row: jobs::queued(facts),
        order: IssueText::of("t", "b"),
        limit: Limit::Unlimited,
        uses: Vec::new(),
        hold: None,
        caps: Vec::new(),
    }
}

/// Opens the account, because only open accounts can have jobs.
async fn opened(store: &Store, id: &AccountId) {
    let account = Account {
        id: id.clone(),
        customer: CustomerId::parse("cus_1").expect("an id"),
        plan: "payg".to_owned(),
        wish: None,
        way: None,
        billing: AccountBilling::Stripe,
        moved_to: None,
        created_at: NOW,
    };
    let new = NewAccount {
        account,
        installation: None,
        owner: None,
    };
    while store.account_create(&new).await.is_err() {}
}

pub fn money(minor: i64) -> SpendLimit {
    let currency = Currency::parse("usd").expect("a currency");
    SpendLimit {
        money: Some(Money { minor, currency }),
        credits: None,
    }
}

/// Creates these jobs concurrently, each until there is an answer. Returns the ids of the created
/// jobs.
async fn made(
    store: &Store,
    account: &AccountId,
    numbers: std::ops::Range<u64>,
    rate: &'static str,
) -> Vec<JobId> {
    let tasks: Vec<_> = numbers
        .map(|n| {
            let (store, account) = (store.clone(), account.clone());
            tokio::spawn(async move {
                let new = job(&account, n, rate);
                loop {
                    match store.job_create(&new).await {
                        // A write whose answer was lost to contention may have succeeded.
                        Ok(JobCreated::New | JobCreated::Existing(_)) => {
                            return Some(new.row.facts.id);
                        }
                        Ok(JobCreated::SpendLimitReached) => return None,
                        Ok(other) => panic!("{other:?}"),
                        Err(_) => {}
                    }
                }
            })
        })
        .collect();
    let mut ids = Vec::new();
    for task in tasks {
        ids.extend(task.await.expect("no thread panics"));
    }
    ids
}

/// Cancels jobs concurrently.
async fn cancelled(store: &Store, ids: &[JobId]) {
    let tasks: Vec<_> = ids
        .iter()
        .map(|id| {
            let (store, id) = (store.clone(), id.clone());
            tokio::spawn(async move {
                loop {
                    let row = store
                        .job_find(&id)
                        .await
                        .expect("an answer")
                        .expect("a job");
                    let Staged::Queued(job) = row.staged() else {
                        return;
                    };
                    if let Ok(Advanced::Applied(_)) =
                        store.job_advance(&job.cancel("why", NOW)).await
                    {
                        return;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no thread panics");
    }
}

async fn spent(store: &Store, account: &AccountId, unit: SpendUnit) -> Spent {
    store
        .spent_find(account, PERIOD, unit)
        .await
        .expect("an answer")
}

/// At a flat price, at rising tiers and at falling tiers: of 64 jobs, as many begin as the limit
/// pays for. Each cancelled job makes room for another, and the sum is what the jobs cost together.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_jobs_at_once_as_many_begin_as_the_limit_pays_for() {
    for (rate, minor, fit) in [
        ("1500", 30_000, 20_u8),
        ("1500", 30_001, 20),
        ("1500", 29_999, 19),
        ("1500", 0, 0),
        ("10:0,inf:800", 8_000, 20),
        ("10:0,inf:800", 0, 10),
        ("10:1500,inf:800", 23_000, 20),
    ] {
        let (store, id) = (books(u64::from(fit) + 3).await, account(1));
        opened(&store, &id).await;
        store
            .spend_limit_set(&id, &money(minor), NOW)
            .await
            .expect("an answer");
        let won = made(&store, &id, 0..64, rate).await;
        assert_eq!(won.len(), usize::from(fit), "at {rate} of {minor}");
        let whole = Rate::parse(rate).expect("a rate").micros(u64::from(fit));
        let all = spent(&store, &id, SpendUnit::Money).await;
        assert_eq!(
            all,
            Spent {
                spent: 0,
                reserved: whole
            },
            "at {rate} of {minor}"
        );
        assert!(whole <= u64::try_from(minor).expect("small") * MICROS);

        let half = won.len() / 2;
        cancelled(&store, &won[..half]).await;
        let again = made(&store, &id, 64..128, rate).await;
        assert_eq!(again.len(), half, "at {rate} of {minor}");
        let all = spent(&store, &id, SpendUnit::Money).await;
        assert_eq!(all.spent + all.reserved, whole, "at {rate} of {minor}");
        cancelled(&store, &[&won[half..], &again].concat()).await;
        assert_eq!(
            spent(&store, &id, SpendUnit::Money).await,
            Spent::default(),
            "at {rate} of {minor}"
        );
    }
}

pub fn hold(id: &AccountId, n: u64, amount: Credits) -> (Posting, SpendChange) {
    let mut digest = [1; 16];
    digest[8..].copy_from_slice(&n.to_be_bytes());
    let hold = HoldId::Own(ActionId::of_digest(digest));
    let posting = Posting::hold(
        id,
        hold,
        (amount, Credits::ZERO),
        EntryDetails::default(),
        NOW,
    )
    .counted_in(PERIOD);
    (posting, SpendChange::hold(id, PERIOD, amount))
}

/// Once a lower limit has been confirmed, nothing begins beyond it, whatever was read before.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_limit_that_is_lowered_among_64_holds_for_all_that_begin_after() {
    let none = |credits| SpendLimit {
        money: None,
        credits: Some(micros(credits)),
    };
    let (mut early, mut refused) = (0, 0);
    for round in 0..20 {
        let (store, id) = (books(round).await, account(1));
        store
            .ledger_post(&[gift(&id, 1, 1_000)])
            .await
            .expect("an answer");
        store
            .spend_limit_set(&id, &none(1_000), NOW)
            .await
            .expect("an answer");
        let lowered = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let (store, id, lowered) = (store.clone(), id.clone(), Arc::clone(&lowered));
                tokio::spawn(async move {
                    let (posting, outlay) = hold(&id, n, micros(7));
                    loop {
                        match store.hold_make(&posting, &outlay).await {
                            Ok(Post::Posted | Post::AlreadyPosted) => return true,
                            Ok(Post::SpendLimitReached) => return false,
                            Ok(other) => panic!("{other:?}"),
                            Err(_) => {
                                assert!(!lowered.load(Ordering::Relaxed) || n < 64, "patience")
                            }
                        }
                    }
                })
            })
            .collect();
        while spent(&store, &id, SpendUnit::Credits).await.reserved < 70 {
            tokio::task::yield_now().await;
        }
        store
            .spend_limit_set(&id, &none(70), NOW)
            .await
            .expect("an answer");
        let at_once = spent(&store, &id, SpendUnit::Credits).await.reserved;
        lowered.store(true, Ordering::Relaxed);
        let mut won = 0;
        for task in tasks {
            won += u64::from(task.await.expect("no thread panics"));
        }
        let all = spent(&store, &id, SpendUnit::Credits).await;
        assert_eq!(
            all,
            Spent {
                spent: 0,
                reserved: won * 7
            }
        );
        assert_eq!(
            all.reserved, at_once,
            "round {round}: something began beyond the lower limit"
        );
        early += won;
        refused += 64 - won;
    }
    assert!(
        early >= 200 && refused > 0,
        "{early} began and {refused} were refused: no race took place"
    );
}

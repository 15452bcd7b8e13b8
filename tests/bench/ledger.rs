//! Measures the ledger: `cargo bench --bench ledger`.
//!
//! Runs postings through the real store on an embedded DynamoDB in memory. It alternates them with
//! a baseline, the bare transaction with the same items and conditions, so that both run on the
//! same machine under the same load: once without conflicts and once with a conflict in about every
//! seventh transaction. Prints rates, latencies and attempts. Fails if the ledger does not agree,
//! never because it is slow.

use boot::{Aws, AwsSettings, Outside, Web};
use domain::ids::{AccountId, ActionId, JobId};
use domain::ledger::{AdjustmentSide, EntryDetails, HoldId, Posting};
use domain::retry::Failure;
use domain::time::Timestamp;
use domain::units::Credits;
use stand_in_aws::EmbeddedAws;
use stand_in_aws::baseline::Yardstick;
use stand_in_shared::faults::{Faults, scramble};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::schema;
use store::{Connection, KeyRing, Post, Store};
use tokio::task::JoinSet;
use tokio::time::Instant;

const ACCOUNTS: u64 = 1_000;
/// One thread per writer.
const WRITERS: u64 = 64;
/// The number of rounds; each measures the ledger and then the baseline.
const ROUNDS: u64 = 4;
/// Postings per round.
const POSTINGS: u64 = 1_000;
const PAIRS: u64 = 1_500;
const READS: u64 = 20_000;
const SEED: u64 = 2_026;
const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000);
const KEY: &str = "a-key-of-the-bench-that-is-long-enough";

#[tokio::main(worker_threads = 64)]
async fn main() -> anyhow::Result<()> {
    for (title, conflicts) in [
        ("nothing in the way", false),
        ("every seventh transaction conflicts", true),
    ] {
        println!(
            "\n| {title}; {WRITERS} writers | a second | p50 ms | p99 ms | attempts | of the bare transaction |"
        );
        println!("|---|---|---|---|---|---|");
        let bench = Bench::open(conflicts).await?;
        bench
            .postings(&format!("postings on {ACCOUNTS} accounts"), ACCOUNTS, 0)
            .await?;
        bench.postings("postings on one account", 1, 1).await?;
        bench.pairs().await?;
        bench.reads().await?;
        bench.audit().await?;
    }
    Ok(())
}

/// A ledger and a baseline, each on its own store.
struct Bench {
    store: Store,
    ledger_faults: Faults,
    yardstick: Yardstick,
    bare_faults: Faults,
    accounts: Arc<Vec<AccountId>>,
}

/// The measurements of one load.
#[derive(Default)]
struct Tally {
    done: u64,
    calls: u64,
    took: Duration,
    waits: Vec<Duration>,
}

impl Bench {
    async fn open(conflicts: bool) -> anyhow::Result<Self> {
        let faults = || {
            if conflicts {
                Faults::none().with_conflicts(SEED)
            } else {
                Faults::none()
            }
        };
        let (ledger_faults, bare_faults) = (faults(), faults());
        let ((aws, random), (bare, _)) = (embedded(&ledger_faults)?, embedded(&bare_faults)?);
        let ring = KeyRing::read(Some(&KEY.into()))?;
        let keys = Arc::new(
            move || -> Pin<Box<dyn Future<Output = Result<KeyRing, Failure>> + Send>> {
                let ring = ring.clone();
                Box::pin(async move { Ok(ring) })
            },
        );
        for aws in [&aws, &bare] {
            let connection = Connection::new(&aws.sdk, None);
            connection.table_ensure(&schema::MAIN, "main").await?;
            connection.table_ensure(&schema::LEDGER, "ledger").await?;
        }
        // The last account is the hot one.
        let accounts = (0..=ACCOUNTS)
            .map(|n| AccountId::mint(NOW, number_bytes(n)))
            .collect();
        Ok(Self {
            store: Connection::new(&aws.sdk, None)
                .store("main", random)
                .with_ledger("ledger", keys),
            ledger_faults,
            yardstick: Yardstick::new(&bare.sdk, "main", "ledger"),
            bare_faults,
            accounts: Arc::new(accounts),
        })
    }

    /// Postings of one credit on this many accounts, alternating with the bare transaction.
    async fn postings(&self, title: &str, accounts: u64, load: u8) -> anyhow::Result<()> {
        let skip = if accounts == 1 { ACCOUNTS } else { 0 };
        let whose = move |n: u64| usize::try_from(skip + n % accounts);
        let (mut ours, mut bare) = (Tally::default(), Tally::default());
        for round in 0..ROUNDS {
            let first = round * POSTINGS;
            let ledger = async |tally: &mut Tally| {
                let (store, all) = (self.store.clone(), Arc::clone(&self.accounts));
                let one = move |n: u64| {
                    let (store, all) = (store.clone(), Arc::clone(&all));
                    async move { posted(&store, gift(&all[whose(n)?], load, n)).await }
                };
                tally.run(&self.ledger_faults, first, POSTINGS, one).await
            };
            let yardstick = async |tally: &mut Tally| {
                let (yard, all) = (self.yardstick.clone(), Arc::clone(&self.accounts));
                let one = move |n: u64| {
                    let (yard, all) = (yard.clone(), Arc::clone(&all));
                    async move {
                        Ok(yard
                            .write(
                                all[whose(n)?].as_str(),
                                &format!("{load} {n}"),
                                NOW.millis(),
                            )
                            .await?)
                    }
                };
                tally.run(&self.bare_faults, first, POSTINGS, one).await
            };
            if round % 2 == 0 {
                ledger(&mut ours).await?;
                yardstick(&mut bare).await?;
            } else {
                yardstick(&mut bare).await?;
                ledger(&mut ours).await?;
            }
        }
        let share = ours.rate() * 100 / bare.rate().max(1);
        ours.print(title, &format!("{}.{:02}", share / 100, share % 100));
        bare.print(&format!("the bare transaction for {title}"), "1");
        Ok(())
    }

    /// A hold followed by its settlement.
    async fn pairs(&self) -> anyhow::Result<()> {
        let (store, all) = (self.store.clone(), Arc::clone(&self.accounts));
        let mut tally = Tally::default();
        let one = move |n: u64| {
            let (store, all) = (store.clone(), Arc::clone(&all));
            async move {
                let account = &all[usize::try_from(n % ACCOUNTS)?];
                let (hold, half) = (
                    HoldId::Job(JobId::mint(NOW, number_bytes(n))),
                    credits(500_000)?,
                );
                let label = || label("hold");
                posted(
                    &store,
                    Posting::hold(account, hold.clone(), (half, Credits::ZERO), label(), NOW),
                )
                .await?;
                posted(
                    &store,
                    Posting::settle(account, hold, (half, credits(300_000)?), label(), NOW),
                )
                .await
            }
        };
        tally.run(&self.ledger_faults, 0, PAIRS, one).await?;
        tally.print(
            &format!("pairs of a hold and its settlement on {ACCOUNTS} accounts"),
            "",
        );
        Ok(())
    }

    /// Strongly consistent reads of balances.
    async fn reads(&self) -> anyhow::Result<()> {
        let (store, all) = (self.store.clone(), Arc::clone(&self.accounts));
        let mut tally = Tally::default();
        let one = move |n: u64| {
            let (store, all) = (store.clone(), Arc::clone(&all));
            async move {
                let balance = store
                    .balance_find(&all[usize::try_from(n % ACCOUNTS)?])
                    .await?;
                anyhow::ensure!(!balance.available.is_zero(), "everybody has something");
                Ok(())
            }
        };
        tally.run(&self.ledger_faults, 0, READS, one).await?;
        tally.print("balances read", "");
        Ok(())
    }

    /// Verifies that no posting was lost or doubled.
    async fn audit(&self) -> anyhow::Result<()> {
        let audit = self.store.ledger_audit().await?;
        let expected = 2 * ROUNDS * POSTINGS + 2 * PAIRS;
        anyhow::ensure!(audit.faults.is_empty(), "{}", audit.faults.join("; "));
        anyhow::ensure!(
            audit.entries == expected,
            "{} entries, not {expected}",
            audit.entries
        );
        println!(
            "\n{expected} entries on {} accounts agree with their balances",
            audit.accounts
        );
        Ok(())
    }
}

impl Tally {
    /// Runs `count` operations on all writers at once.
    async fn run<F>(
        &mut self,
        faults: &Faults,
        first: u64,
        count: u64,
        one: impl Fn(u64) -> F + Clone + Send + 'static,
    ) -> anyhow::Result<()>
    where
        F: Future<Output = anyhow::Result<()>> + Send,
    {
        let next = Arc::new(AtomicU64::new(first));
        let (calls, began) = (faults.calls(), Instant::now());
        // Runs inside `Faults::run`, which counts the calls.
        let all = async {
            let mut writers = JoinSet::new();
            for _ in 0..WRITERS {
                let (one, next) = (one.clone(), Arc::clone(&next));
                writers.spawn(async move {
                    let mut waits = Vec::new();
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        if n >= first + count {
                            return anyhow::Ok(waits);
                        }
                        let began = Instant::now();
                        one(n).await?;
                        waits.push(began.elapsed());
                    }
                });
            }
            while let Some(waits) = writers.join_next().await {
                self.waits.extend(waits??);
            }
            anyhow::Ok(())
        };
        faults
            .run(all)
            .await
            .ok_or_else(|| anyhow::anyhow!("no process dies here"))??;
        self.took += began.elapsed();
        self.calls += faults.calls() - calls;
        self.done += count;
        Ok(())
    }

    fn rate(&self) -> u64 {
        u64::try_from(u128::from(self.done) * 1_000_000 / self.took.as_micros().max(1))
            .unwrap_or(u64::MAX)
    }

    fn print(&self, title: &str, share: &str) {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let at = |percent: usize| {
            let tenths = waits
                .get((waits.len().max(1) - 1) * percent / 100)
                .map_or(0, Duration::as_micros)
                / 100;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        let attempts = self.calls * 100 / self.done.max(1);
        println!(
            "| {title} | {} | {} | {} | {}.{:02} | {share} |",
            self.rate(),
            at(50),
            at(99),
            attempts / 100,
            attempts % 100
        );
    }
}

/// An in-memory AWS and the source of its random numbers.
fn embedded(faults: &Faults) -> anyhow::Result<(Aws, store::Random)> {
    let seed = AtomicU64::new(SEED);
    let random: store::Random = Arc::new(move || {
        seed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
            Some(scramble(seed))
        })
        .unwrap_or_else(|seed| seed)
    });
    let outside = Outside {
        aws: aws_smithy_runtime_api::client::http::SharedHttpClient::new(EmbeddedAws::open(
            None,
            faults.clone(),
        )?),
        web: Web::new(tower::service_fn(async |_| {
            Err("no outside call is made here".into())
        })),
        clock: Arc::new(|| NOW),
        random: Arc::clone(&random),
    };
    Ok((Aws::new(AwsSettings::embedded(), &outside), random))
}

async fn posted(store: &Store, posting: Posting) -> anyhow::Result<()> {
    match store.ledger_post(std::slice::from_ref(&posting)).await? {
        Post::Posted => Ok(()),
        other => Err(anyhow::anyhow!("{other:?}")),
    }
}

/// A posting of one credit, the n-th of a load.
fn gift(account: &AccountId, load: u8, n: u64) -> Posting {
    let mut digest = [load; 16];
    digest[8..].copy_from_slice(&n.to_be_bytes());
    let one = Credits::whole(1).unwrap_or(Credits::ZERO);
    Posting::adjustment(
        account,
        ActionId::of_digest(digest),
        (one, AdjustmentSide::Credit),
        label("bench"),
        NOW,
    )
}

fn credits(micros: u64) -> anyhow::Result<Credits> {
    Credits::from_micros(micros).ok_or_else(|| anyhow::anyhow!("too many credits"))
}

fn label(source: &str) -> EntryDetails {
    EntryDetails {
        source: source.to_owned(),
        ..EntryDetails::default()
    }
}

fn number_bytes(n: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

//! The ledger through the real store: whatever is posted, in any order and concurrently, a balance
//! equals the sum of its entries, and no account spends credits that it does not have.

pub mod adjustments;
pub mod budgets;
pub mod command_line;
pub mod credits;
pub mod crowds;
pub mod debits;
pub mod expired_holds;
pub mod expiry;
pub mod grants;
pub mod jobs;
pub mod plans;
pub mod sealing;
pub mod sequences;

use boot::{Aws, AwsSettings, Outside, Web};
use domain::ids::{AccountId, ActionId, JobId};
use domain::ledger::{AdjustmentSide, EntryDetails, HoldId, Posting};
use domain::retry::Failure;
use domain::time::Timestamp;
use domain::units::Credits;
use stand_in_aws::EmbeddedAws;
use stand_in_shared::faults::{Faults, scramble};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use store::schema;
use store::{Connection, KeyRing, Store};

pub const NOW: Timestamp = Timestamp::from_millis(crate::world::BIRTH);
const KEY: &str = "a-key-of-the-tests-that-is-long-enough";

/// An in-memory store without functions, whose transactions conflict by this seed.
pub async fn books(seed: u64) -> Store {
    let faults = Faults::none().with_conflicts(seed);
    let aws = EmbeddedAws::open(None, faults).expect("memory");
    reached(aws, seed, |connection| connection).await.1
}

/// The store on these tables, and its connection.
pub async fn reached(
    aws: EmbeddedAws,
    seed: u64,
    connect: impl Fn(Connection) -> Connection,
) -> (Connection, Store) {
    let random = AtomicU64::new(seed);
    let outside = Outside {
        aws: aws_smithy_runtime_api::client::http::SharedHttpClient::new(aws),
        web: Web::new(tower::service_fn(async |_| {
            Err("no outside call is made here".into())
        })),
        clock: Arc::new(|| NOW),
        random: Arc::new(move || {
            random
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
                    Some(scramble(seed))
                })
                .expect("always some")
        }),
    };
    let aws = Aws::new(AwsSettings::embedded(), &outside);
    let connection = connect(Connection::new(&aws.sdk, None));
    for (table, name) in [
        (&schema::MAIN, "main"),
        (&schema::LEDGER, "ledger"),
        (&schema::EVENTS, "events"),
    ] {
        connection.table_ensure(table, name).await.expect("a table");
    }
    let ring = KeyRing::read(Some(&KEY.into())).expect("a key");
    let keys = Arc::new(
        move || -> std::pin::Pin<Box<dyn Future<Output = Result<KeyRing, Failure>> + Send>> {
            let ring = ring.clone();
            Box::pin(async move { Ok(ring) })
        },
    );
    let store = connection
        .store("main", outside.random.clone())
        .with_ledger("ledger", keys);
    (connection, store)
}

pub fn account(n: u8) -> AccountId {
    AccountId::mint(NOW, [n; 10])
}

pub fn micros(amount: u64) -> Credits {
    Credits::from_micros(amount).expect("an amount")
}

fn digest(kind: u8, n: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Grants credits to an account; the n-th grant.
pub fn gift(account: &AccountId, n: u64, amount: u64) -> Posting {
    let action = ActionId::of_digest(digest(1, n));
    Posting::adjustment(
        account,
        action,
        (micros(amount), AdjustmentSide::Credit),
        EntryDetails::default(),
        NOW,
    )
}

/// Takes credits from an account; the n-th time.
fn fine(account: &AccountId, n: u64, amount: u64) -> Posting {
    let action = ActionId::of_digest(digest(2, n));
    Posting::adjustment(
        account,
        action,
        (micros(amount), AdjustmentSide::Debit),
        EntryDetails::default(),
        NOW,
    )
}

fn hold_id(n: u64) -> HoldId {
    let [a, b, c, d, e, f, g, h] = n.to_be_bytes();
    HoldId::Job(JobId::mint(NOW, [a, b, c, d, e, f, g, h, 0, 0]))
}

fn hold(account: &AccountId, n: u64, amount: u64) -> Posting {
    Posting::hold(
        account,
        hold_id(n),
        (micros(amount), Credits::ZERO),
        EntryDetails::default(),
        NOW,
    )
}

fn settle(account: &AccountId, n: u64, held: u64, used: u64) -> Posting {
    Posting::settle(
        account,
        hold_id(n),
        (micros(held), micros(used)),
        EntryDetails::default(),
        NOW,
    )
}

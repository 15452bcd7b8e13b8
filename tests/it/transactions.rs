//! The meaning of a refused transaction depends on the item that failed its condition, never on the
//! item's position.
//!
//! Every story is played twice: on a plain store, and on one whose transactions all begin with an
//! unrelated item. The answers are the same.

mod accounts;
mod billing;
mod jobs;

use crate::ledger::{NOW, account, reached};
use domain::accounts::signups::SignUpSource;
use domain::accounts::{Account, AccountBilling, NewAccount};
use domain::ids::{AccountId, ActionId, CustomerId, InstallationId, OwnerId};
use serde_json::json;
use stand_in_aws::EmbeddedAws;
use stand_in_shared::faults::Faults;
use store::{AccountCreated, Connection, Store};

type Connect = fn(Connection) -> Connection;

/// Plays a story on both stores. The text names the store.
async fn on_both(story: impl AsyncFn(&Connection, &Store, &str)) {
    let stores: [(&str, Connect); 2] = [
        ("plain", |plain| plain),
        ("with an unrelated item", Connection::with_unrelated_item),
    ];
    for (name, connect) in stores {
        let aws = EmbeddedAws::open(None, Faults::none()).expect("memory");
        let (connection, store) = reached(aws, 1, connect).await;
        story(&connection, &store, name).await;
    }
}

fn act(n: u8) -> ActionId {
    ActionId::of_digest([n; 16])
}

fn customer(n: u8) -> CustomerId {
    CustomerId::parse(&format!("cus_{n}")).expect("an id")
}

/// The n-th account, created for the n-th owner's installation.
fn new_account(n: u8) -> NewAccount {
    NewAccount {
        account: Account {
            id: account(n),
            customer: customer(n),
            plan: "payg".to_owned(),
            wish: None,
            way: Some(SignUpSource::Installation),
            billing: AccountBilling::Stripe,
            moved_to: None,
            created_at: NOW,
        },
        installation: Some(InstallationId::new(n.into())),
        owner: Some(OwnerId::new(n.into())),
    }
}

async fn opened(store: &Store, n: u8) -> AccountId {
    let new = new_account(n);
    assert_eq!(
        store.account_create(&new).await.expect("an answer"),
        AccountCreated::New
    );
    new.account.id
}

/// Without this, the stories would prove nothing.
#[tokio::test]
async fn the_unrelated_item_is_a_part_of_each_transaction() {
    let aws = EmbeddedAws::open(None, Faults::none()).expect("memory");
    let (_, store) = reached(aws.clone(), 1, Connection::with_unrelated_item).await;
    opened(&store, 1).await;
    aws.row_put(
        "main",
        &json!({ "pk": { "S": "UNRELATED" }, "sk": { "S": "UNRELATED" } }),
    );
    let error = store
        .account_create(&new_account(2))
        .await
        .expect_err("its condition fails");
    assert_eq!(error.to_string(), "could not create an account (contended)");
}

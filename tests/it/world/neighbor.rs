//! A second customer in every world, with an account, credits, a repository and an issue. Names and
//! numbers are the demo's wherever two customers may have the same. Nobody acts for it, so at the
//! end of every test it must have what it had.
//!
//! The demo's organization also has a second repository, in which nothing happens.

use domain::accounts::{Account, AccountBilling, NewAccount};
use domain::ids::{AccountId, ActionId, CustomerId, InstallationId, OwnerId};
use domain::ledger::{AdjustmentSide, EntryDetails, Posting};
use domain::units::Credits;
use local_stack::stack::{LEDGER_TABLE, MAIN_TABLE, Stack};
use local_stack::world::{
    INSTALLATION_ID, ISSUE_BODY, ISSUE_TITLE, OWNER, OWNER_ID, REPOSITORY, Vendors,
};
use serde_json::Value;
use stand_in_github::{CommentView, PullView};
use store::{AccountCreated, Post};

const ACCOUNT: &str = "acc_01hf7yat00ne1ghb0r00000000";
pub const CUSTOMER: &str = "cus_TallyhookNeighbor";
const NEIGHBOR: &str = "umbra";
const NEIGHBOR_ID: u64 = 9_801;
const NEIGHBOR_REPOSITORY_ID: u64 = 5_801;
const NEIGHBOR_INSTALLATION_ID: u64 = 7_801;
/// The second repository of the demo's organization.
const SECOND: &str = "handbook";
const SECOND_ID: u64 = 5_802;
const ISSUE: u64 = 7;
const FILES: [(&str, &str); 1] = [("README.md", "# What the neighbor wrote\n")];

/// Everything that could be done to the neighbor, and to the second repository.
#[derive(Debug, PartialEq)]
pub struct Neighbor {
    /// Every row of both tables that names the account or its customer.
    rows: Vec<(&'static str, Value)>,
    customer: Value,
    metered: usize,
    repositories: Vec<Repository>,
}

#[derive(Debug, PartialEq)]
struct Repository {
    branches: Vec<(String, String)>,
    pulls: Vec<PullView>,
    comments: Vec<CommentView>,
    labels: Vec<String>,
}

impl Neighbor {
    /// Adds the neighbor's things at the vendors.
    pub fn furnish(vendors: &Vendors) {
        let (github, stripe) = (&vendors.github, &vendors.stripe);
        github.add_repository(
            NEIGHBOR_INSTALLATION_ID,
            NEIGHBOR_ID,
            NEIGHBOR,
            NEIGHBOR_REPOSITORY_ID,
            REPOSITORY,
            "main",
            &FILES,
        );
        github.add_repository(
            INSTALLATION_ID,
            OWNER_ID,
            OWNER,
            SECOND_ID,
            SECOND,
            "main",
            &FILES,
        );
        for (owner, repository) in [(NEIGHBOR, REPOSITORY), (OWNER, SECOND)] {
            github.add_issue(owner, repository, ISSUE, ISSUE_TITLE, ISSUE_BODY);
        }
        stripe.add_customer(CUSTOMER, "billing@umbra.example");
    }

    /// Creates the neighbor's account with 500 credits, and returns what it has.
    pub async fn moves_in(stack: &Stack) -> Self {
        let now = stack.outside.now();
        let account = Account {
            id: AccountId::parse(ACCOUNT).expect("an id"),
            customer: CustomerId::parse(CUSTOMER).expect("an id"),
            plan: "credits".to_owned(),
            wish: None,
            way: None,
            billing: AccountBilling::Stripe,
            moved_to: None,
            created_at: now,
        };
        let posting = Posting::adjustment(
            &account.id,
            ActionId::of_digest([7; 16]),
            (Credits::whole(500).expect("few"), AdjustmentSide::Credit),
            EntryDetails::default(),
            now,
        );
        let new = NewAccount {
            account,
            installation: Some(InstallationId::new(NEIGHBOR_INSTALLATION_ID)),
            owner: Some(OwnerId::new(NEIGHBOR_ID)),
        };
        let created = stack.store.account_create(&new).await;
        assert_eq!(created.expect("the store answers"), AccountCreated::New);
        let posted = stack.store.ledger_post(&[posting]).await;
        assert_eq!(posted.expect("the store answers"), Post::Posted);
        Self::now(stack)
    }

    /// What the neighbor has now.
    fn now(stack: &Stack) -> Self {
        let names = |row: &Value| {
            let text = row.to_string();
            text.contains(ACCOUNT) || text.contains(CUSTOMER)
        };
        let tables = [MAIN_TABLE, LEDGER_TABLE].into_iter();
        let rows = tables.flat_map(|table| {
            let rows = stack.tables.rows(table).into_iter();
            rows.filter(names).map(move |row| (table, row))
        });
        let (github, stripe) = (&stack.vendors.github, &stack.vendors.stripe);
        let metered = stripe.meter_events();
        let repository = |id| {
            let (owner, name) = github.name_of(id).expect("nobody deletes it");
            Repository {
                branches: github.branches(&owner, &name),
                pulls: github.pulls(&owner, &name),
                comments: github.comments(&owner, &name, ISSUE),
                labels: github.labels(&owner, &name, ISSUE),
            }
        };
        Self {
            rows: rows.collect(),
            customer: stripe.customer(CUSTOMER).expect("the customer is there"),
            metered: metered
                .iter()
                .filter(|event| event.customer == CUSTOMER)
                .count(),
            repositories: [NEIGHBOR_REPOSITORY_ID, SECOND_ID].map(repository).into(),
        }
    }

    /// Deletes the account and its credits, for a test that counts everybody's.
    pub fn moves_out(&mut self, stack: &Stack) {
        for (table, row) in self.rows.drain(..) {
            stack.tables.row_remove(table, &row);
        }
    }

    /// Asserts that the neighbor has what it had.
    pub fn assert_untouched(&self, stack: &Stack) {
        assert_eq!(
            *self,
            Self::now(stack),
            "something was done to another customer, or in another repository"
        );
    }
}

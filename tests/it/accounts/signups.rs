//! Sign-ups: from a request to a working account, exactly once, by installing the App or by mail.

pub mod joining;
mod mails;
mod moving;
mod owners;
mod pages;

use crate::world::World;
use crate::world::neighbor::CUSTOMER as NEIGHBOR;
use bytes::Bytes;
use domain::accounts::signups::{Applicant, SignUpState};
use domain::accounts::{Account, Payer};
use domain::ids::{AccountId, InstallationId, OwnerId};
use domain::notices::NoticeOutcome;
use http::Response;
use local_stack::world::{CUSTOMER, INSTALLATION_ID, OWNER_ID};
use serde_json::Value;
use store::SignUpRow;

/// The text of a page.
pub fn text(response: &Response<Bytes>) -> String {
    String::from_utf8(response.body().to_vec()).expect("UTF-8")
}

impl World {
    /// Stripe customers that were created here, oldest first, without those with which a world begins.
    pub fn made_customers(&self) -> Vec<Value> {
        let mut customers = self.vendors.stripe.customers();
        customers.retain(|customer| customer["id"] != CUSTOMER && customer["id"] != NEIGHBOR);
        customers
    }

    /// The sign-up of an applicant.
    pub async fn signup(&self, applicant: &Applicant) -> SignUpRow {
        self.stack
            .store
            .signup_find(applicant)
            .await
            .expect("the store answers")
            .expect("a sign-up")
    }

    /// The account that pays for the demo's owner, if there is one.
    pub async fn payer(&self) -> Option<AccountId> {
        let (owner, installation) = (OwnerId::new(OWNER_ID), InstallationId::new(INSTALLATION_ID));
        match self
            .stack
            .store
            .payer_find(owner, installation)
            .await
            .expect("the store answers")
        {
            Payer::Account(account) => Some(account),
            Payer::Unknown | Payer::Inactive => None,
        }
    }

    /// Asserts that the sign-up created one customer, one account and one welcome mail.
    pub async fn assert_provisioned_once(
        &self,
        applicant: &Applicant,
        welcome: NoticeOutcome,
    ) -> Account {
        let row = self.signup(applicant).await;
        assert_eq!(
            (row.state, row.sign_up.email, row.sign_up.name),
            (SignUpState::Done, None, None)
        );
        let found = self
            .stack
            .store
            .account_find(&row.sign_up.account)
            .await
            .expect("the store answers");
        let account = found.expect("the account is there");
        let mine =
            |customer: &&Value| customer["metadata"]["tallyhook_account"] == account.id.as_str();
        let customers = self.made_customers();
        let customers: Vec<_> = customers
            .iter()
            .filter(mine)
            .map(|customer| &customer["id"])
            .collect();
        assert_eq!(customers, [account.customer.as_str()]);
        let owner = self
            .stack
            .store
            .customer_find(&account.customer)
            .await
            .expect("the store answers");
        assert_eq!(owner.as_ref(), Some(&account.id));
        let notices = self
            .stack
            .store
            .notice_list(&account.id)
            .await
            .expect("the store answers");
        let ended: Vec<_> = notices
            .iter()
            .map(|notice| (notice.fact.as_str(), notice.ended.map(|end| end.0)))
            .collect();
        assert_eq!(ended, [("welcome", Some(welcome))]);
        account
    }
}

//! Sign-ups: one row for each applicant, due until the applicant has an account.
//!
//! The first sign-up of an applicant is kept, and a second one changes nothing. One transaction
//! ends the sign-up and creates the account, its links, the welcome notice, and the reveal link in
//! it, so all of it exists once or none of it. After that, the address and the name are removed
//! from the row and kept only on the account.

use crate::Store;
use crate::accounts::reveals::reveal_attributes;
use crate::accounts::{account_attributes, account_in, customer_attributes};
use crate::db::error::StoreError;
use crate::db::item::{Attributes, Item, number, text, time};
use crate::db::keys;
use crate::db::pages;
use crate::db::pages::{Cursor, Page, Placed};
use crate::db::table::Updated;
use crate::db::tx::{Change, Committed, put_new};
use crate::notices::mailings;
use crate::notices::notice_attributes;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::accounts::addresses::MailAddress;
use domain::accounts::api_keys::Reveal;
use domain::accounts::signups::{
    AddressDigest, Applicant, CustomerCreation, SignUp, SignUpSource, SignUpState,
};
use domain::accounts::{Account, AccountBilling, NewAccount};
use domain::ids::{AccountId, CustomerId, InstallationId};
use domain::jobs::RESEND_AFTER;
use domain::notices::Notice;
use domain::time::Timestamp;

/// Returns the applicant of a mail address.
pub fn mail_applicant(address: &MailAddress) -> Applicant {
    let digest = AddressDigest::parse(&mailings::digest(address));
    Applicant::Mail(digest.expect("a SHA-256 in hexadecimal digits"))
}

/// A sign-up and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignUpRow {
    /// The first sign-up of the applicant.
    pub sign_up: SignUp,
    pub state: SignUpState,
    /// The creation of its Stripe customer, once that has started.
    pub tried: Option<CustomerCreation>,
    /// The reason for the state, if there is more to say.
    pub why: Option<String>,
    /// When it ended, once it has.
    pub ended_at: Option<Timestamp>,
}

/// Whether a sign-up is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignUpOwed {
    /// The sign-up was written.
    Now,
    /// The applicant signed up before. Contains the earlier sign-up, which still applies.
    Already(Box<SignUpRow>),
}

/// The result of provisioning an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provisioned {
    /// The account was created, and its welcome notice is due.
    Now,
    /// The sign-up was no longer owed.
    Already,
    /// The customer, installation, or owner is already linked to that other account.
    Taken(AccountId),
}

/// The result of changing a sign-up's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignUpMoved {
    /// The state was changed.
    Now,
    /// The state does not allow this change.
    Stays(SignUpState),
    /// There is no such sign-up.
    Unknown,
}

/// Reasons to refuse a new account, in order of precedence. `Ended` comes first, because a repeated
/// provisioning also finds its customer linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Ended,
    Taken,
}

const READ: &str = "read a sign-up";
const PROVISION: &str = "provision an account";

impl Store {
    /// Records an applicant's sign-up, once. [`domain::accounts::signups::begins`] determines its
    /// first state.
    pub async fn signup_owe(
        &self,
        sign_up: &SignUp,
        begins: SignUpState,
        now: Timestamp,
    ) -> Result<SignUpOwed, StoreError> {
        match self
            .table
            .put_new("owe a sign-up", attributes(sign_up, begins, now))
            .await?
        {
            Updated::Done(()) => Ok(SignUpOwed::Now),
            Updated::Refused(_) => {
                let known = self.signup_find(&sign_up.applicant).await?;
                let known = known.ok_or_else(|| {
                    StoreError::bad_item(READ, &sign_up.applicant.pointer(), "pk")
                })?;
                Ok(SignUpOwed::Already(Box::new(known)))
            }
        }
    }

    pub async fn signup_find(
        &self,
        applicant: &Applicant,
    ) -> Result<Option<SignUpRow>, StoreError> {
        let found = self.table.get(READ, &keys::sign_up(applicant)).await?;
        found.as_ref().map(row_of).transpose()
    }

    /// Records an attempt to create the Stripe customer before the attempt is made: its round, and
    /// the time of the first attempt.
    pub async fn signup_try(
        &self,
        applicant: &Applicant,
        now: Timestamp,
    ) -> Result<Option<CustomerCreation>, StoreError> {
        let change = Change::of(keys::sign_up(applicant))
            .set_expression(
                "#tried_at = if_not_exists(#tried_at, :now)",
                vec![("now", time(now))],
            )
            .set_expression(
                "#round = if_not_exists(#round, :one)",
                vec![("one", number(1))],
            )
            .when(
                "#state = :owed",
                vec![("owed", text(SignUpState::Owed.as_str()))],
            );
        self.signup_tried(change).await
    }

    /// Starts a new round, unless another caller already has.
    pub async fn signup_try_again(
        &self,
        applicant: &Applicant,
        was: CustomerCreation,
        now: Timestamp,
    ) -> Result<Option<CustomerCreation>, StoreError> {
        let change = Change::of(keys::sign_up(applicant))
            .set("tried_at", time(now))
            .set("round", number(was.round + 1))
            .remove("failed_at");
        self.signup_tried(in_round(change, was)).await
    }

    /// Records that Stripe stores a failure under the idempotency key of this round, unless a new
    /// round has started.
    pub async fn signup_try_failed(
        &self,
        applicant: &Applicant,
        was: CustomerCreation,
        now: Timestamp,
    ) -> Result<Option<CustomerCreation>, StoreError> {
        let change = Change::of(keys::sign_up(applicant)).set_expression(
            "#failed_at = if_not_exists(#failed_at, :now)",
            vec![("now", time(now))],
        );
        self.signup_tried(in_round(change, was)).await
    }

    async fn signup_tried(&self, change: Change) -> Result<Option<CustomerCreation>, StoreError> {
        let tried = self
            .table
            .update_returning("begin a customer", change, ReturnValue::AllNew);
        match tried.await? {
            Updated::Done(row) => tried_of(&Item::new(&row, READ)),
            Updated::Refused(_) => Ok(None),
        }
    }

    /// Creates the account of a sign-up, its links, the welcome notice, and the reveal link in it,
    /// and ends the sign-up.
    pub async fn signup_provision(
        &self,
        sign_up: &SignUp,
        customer: CustomerId,
        welcome: &Notice,
        reveal: Option<(&str, &Reveal)>,
        now: Timestamp,
    ) -> Result<Provisioned, StoreError> {
        let account = Account {
            id: sign_up.account.clone(),
            customer,
            plan: sign_up.plan.clone(),
            wish: sign_up.wish.clone(),
            way: Some(sign_up.way),
            billing: AccountBilling::Stripe,
            moved_to: None,
            created_at: now,
        };
        let new = NewAccount {
            account,
            installation: sign_up.installation,
            owner: sign_up.owner(),
        };
        let mut profile = account_attributes(&new.account);
        profile.extend(
            sign_up
                .email
                .as_ref()
                .map(|mail| ("mail".to_owned(), text(mail.as_str()))),
        );
        profile.extend(
            sign_up
                .name
                .as_ref()
                .map(|name| ("name".to_owned(), text(name))),
        );
        let mut tx = self.table.transaction(PROVISION);
        tx.add(ended(&sign_up.applicant, SignUpState::Done, now).item(&self.table))
            .or(Refusal::Ended);
        tx.add(put_new(&self.table, profile));
        let welcome = notice_attributes(&sign_up.account, welcome, now);
        tx.add(put_new(&self.table, welcome));
        tx.add(put_new(&self.table, customer_attributes(&new.account)))
            .or(Refusal::Taken);
        for link in self.links(&new, &sign_up.account) {
            tx.add(link.item(&self.table)).or(Refusal::Taken);
        }
        if let Some((digest, reveal)) = reveal {
            tx.add(put_new(&self.table, reveal_attributes(digest, reveal)));
        }
        match tx.commit().await? {
            Committed::Written => Ok(Provisioned::Now),
            Committed::Refused(Refusal::Ended, _) => Ok(Provisioned::Already),
            Committed::Refused(Refusal::Taken, old) => account_in(&old).map(Provisioned::Taken),
        }
    }

    /// Ends a sign-up whose applicant got an account another way.
    pub async fn signup_joined(
        &self,
        applicant: &Applicant,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let change =
            ended(applicant, SignUpState::Done, now).set("account", text(account.as_str()));
        self.table
            .update("join a sign-up to an account", change)
            .await
            .map(drop)
    }

    /// Records why an owed sign-up is waiting.
    pub async fn signup_waits(&self, applicant: &Applicant, why: &str) -> Result<(), StoreError> {
        let change = Change::of(keys::sign_up(applicant))
            .set("why", text(why))
            .when(
                "#state = :owed",
                vec![("owed", text(SignUpState::Owed.as_str()))],
            );
        self.table
            .update("say why a sign-up waits", change)
            .await
            .map(drop)
    }

    /// Approves a sign-up that was waiting for approval or was refused, so that its account is
    /// owed.
    pub async fn signup_approve(
        &self,
        applicant: &Applicant,
        now: Timestamp,
    ) -> Result<SignUpMoved, StoreError> {
        let key = keys::sign_up(applicant);
        let due = keys::due(&key);
        let change = Change::of(key)
            .set("state", text(SignUpState::Owed.as_str()))
            .set("owner", text(keys::sign_ups(SignUpState::Owed)))
            .set("dx", text(due))
            .set("due_at", time(now.plus(RESEND_AFTER)))
            .remove("why")
            .remove("ended_at")
            .when(
                "#state = :waiting OR #state = :refused",
                vec![
                    ("waiting", text(SignUpState::WaitingForApproval.as_str())),
                    ("refused", text(SignUpState::Refused.as_str())),
                ],
            );
        self.signup_moved(change).await
    }

    /// Refuses a sign-up that has no account yet. It is no longer due.
    pub async fn signup_refuse(
        &self,
        applicant: &Applicant,
        why: &str,
        now: Timestamp,
    ) -> Result<SignUpMoved, StoreError> {
        let change = Change::of(keys::sign_up(applicant))
            .set("state", text(SignUpState::Refused.as_str()))
            .set("owner", text(keys::sign_ups(SignUpState::Refused)))
            .set("ended_at", time(now))
            .set("why", text(why))
            .remove("dx")
            .remove("due_at")
            .when(
                "#state = :waiting OR #state = :owed",
                vec![
                    ("waiting", text(SignUpState::WaitingForApproval.as_str())),
                    ("owed", text(SignUpState::Owed.as_str())),
                ],
            );
        self.signup_moved(change).await
    }

    async fn signup_moved(&self, change: Change) -> Result<SignUpMoved, StoreError> {
        match self.table.update("move a sign-up", change).await? {
            Updated::Done(()) => Ok(SignUpMoved::Now),
            Updated::Refused(row) if row.is_empty() => Ok(SignUpMoved::Unknown),
            Updated::Refused(row) => state_of(&Item::new(&row, READ)).map(SignUpMoved::Stays),
        }
    }

    /// Lists the sign-ups in a state, newest first. A changed sign-up can take a moment to appear.
    pub async fn signup_list(
        &self,
        state: SignUpState,
        from: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<SignUpRow>, StoreError> {
        const LIST: &str = "list sign-ups";
        let query = self.table.query().index_name("timeline");
        let query = pages::of(query, &keys::sign_ups(state));
        let found = pages::newest(LIST, query, (from, limit), |attributes| {
            let item = Item::new(attributes, LIST);
            let applicant = keys::sign_up_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?;
            Ok(Some(Placed::new(
                item.time("at")?,
                applicant.pointer(),
                applicant,
            )))
        });
        let Page { rows, next } = pages::page(found.await?, limit);
        let rows =
            futures::future::try_join_all(rows.iter().map(|applicant| self.signup_find(applicant)))
                .await?;
        Ok(Page {
            rows: rows.into_iter().flatten().collect(),
            next,
        })
    }
}

/// Ends an owed sign-up, and removes the applicant's personal data.
fn ended(applicant: &Applicant, state: SignUpState, now: Timestamp) -> Change {
    Change::of(keys::sign_up(applicant))
        .set("state", text(state.as_str()))
        .set("owner", text(keys::sign_ups(state)))
        .set("ended_at", time(now))
        .remove("dx")
        .remove("due_at")
        .remove("email")
        .remove("name")
        .remove("why")
        .when(
            "#state = :owed",
            vec![("owed", text(SignUpState::Owed.as_str()))],
        )
}

fn attributes(sign_up: &SignUp, state: SignUpState, now: Timestamp) -> Attributes {
    let key = keys::sign_up(&sign_up.applicant);
    let mut item = key.attributes();
    let mut more = vec![
        ("account", text(sign_up.account.as_str())),
        ("way", text(sign_up.way.as_str())),
        ("plan", text(&sign_up.plan)),
        ("state", text(state.as_str())),
        // `owner` and `at` are the keys of index `timeline`.
        ("owner", text(keys::sign_ups(state))),
        ("at", time(sign_up.at)),
    ];
    more.extend(sign_up.wish.as_ref().map(|wish| ("wish", text(wish))));
    more.extend(
        sign_up
            .email
            .as_ref()
            .map(|email| ("email", text(email.as_str()))),
    );
    more.extend(sign_up.name.as_ref().map(|name| ("name", text(name))));
    more.extend(
        sign_up
            .installation
            .map(|installation| ("installation", number(installation))),
    );
    if state == SignUpState::Owed {
        more.extend([
            ("dx", text(keys::due(&key))),
            ("due_at", time(now.plus(RESEND_AFTER))),
        ]);
    }
    item.extend(
        more.into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    item
}

fn state_of(item: &Item<'_>) -> Result<SignUpState, StoreError> {
    item.parsed("state", |word| SignUpState::parse(word).ok_or(()))
}

/// Applies the change only while the sign-up is owed and still in this round.
fn in_round(change: Change, was: CustomerCreation) -> Change {
    let values = vec![
        ("owed", text(SignUpState::Owed.as_str())),
        ("was", number(was.round)),
    ];
    change.when("#state = :owed AND #round = :was", values)
}

fn tried_of(item: &Item<'_>) -> Result<Option<CustomerCreation>, StoreError> {
    let Some(since) = item.find_time("tried_at")? else {
        return Ok(None);
    };
    Ok(Some(CustomerCreation {
        round: item.number("round")?,
        since,
        failed_at: item.find_time("failed_at")?,
    }))
}

fn row_of(attributes: &Attributes) -> Result<SignUpRow, StoreError> {
    let item = Item::new(attributes, READ);
    let owned = |name| Ok::<_, StoreError>(item.find_text(name)?.map(str::to_owned));
    let email = item
        .find_text("email")?
        .map(|text| MailAddress::parse(text).map_err(|_| item.bad("email")));
    let sign_up = SignUp {
        applicant: keys::sign_up_of(item.text("pk")?).ok_or_else(|| item.bad("pk"))?,
        account: item.parsed("account", AccountId::parse)?,
        way: item.parsed("way", |word| SignUpSource::parse(word).ok_or(()))?,
        plan: item.text("plan")?.to_owned(),
        wish: owned("wish")?,
        email: email.transpose()?,
        name: owned("name")?,
        installation: item.find_number("installation")?.map(InstallationId::new),
        at: item.time("at")?,
    };
    Ok(SignUpRow {
        sign_up,
        state: state_of(&item)?,
        tried: tried_of(&item)?,
        why: owned("why")?,
        ended_at: item.find_time("ended_at")?,
    })
}

//! An account's mail address and notice settings, and the addresses that receive no mail.
//!
//! Mail to an address that bounced once is not sent again, whichever account has the address. The
//! address is stored as a digest, because it is only ever compared. The row keeps both the latest
//! bounce and the latest time that an operator unmuted the address, so duplicate and late bounces
//! do not undo the operator's decision, and the reverse.

use crate::db::error::StoreError;
use crate::db::item::{Item, number, text, time};
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::db::{digests, keys};
use crate::{Finished, Store};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::accounts::addresses::MailAddress;
use domain::ids::{AccountId, CustomerId};
use domain::notices::NoticeKind;
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::work::RESEND_AFTER;

/// An account's mail address and notice settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailing {
    /// The address, if one is known.
    pub address: Option<MailAddress>,
    switches: Vec<(NoticeKind, Switch)>,
}

impl Mailing {
    /// Whether the account receives notices of this kind.
    pub fn switch(&self, kind: NoticeKind) -> Switch {
        if kind.is_always_sent() {
            return Switch::On;
        }
        let chosen = self.switches.iter().find(|(known, _)| *known == kind);
        chosen.map_or_else(|| kind.at_first(), |(_, switch)| *switch)
    }
}

/// An account's mail address that Stripe does not have yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedMail {
    pub account: AccountId,
    pub customer: CustomerId,
    /// Absent if the account has no address any more.
    pub address: Option<MailAddress>,
    /// Which change of an operator it is.
    pub version: u64,
    /// Which idempotency key of this change is used.
    pub key_number: u64,
}

impl OwedMail {
    /// The idempotency key for the call.
    pub fn idempotency_key(&self) -> String {
        let Self {
            account,
            version,
            key_number,
            ..
        } = self;
        format!("tallyhook-mail-{account}-{version}-{key_number}")
    }
}

/// Whether there was an account to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountChanged {
    /// The account was changed.
    Now,
    /// There is no such account.
    Unknown,
}

/// Whether an address was muted before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmuted {
    /// The address was muted, and no longer is.
    Now,
    /// The address was not muted.
    Already,
}

/// Whether an address is muted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Muted {
    /// Mail to the address bounced, so no mail is sent to it.
    Yes,
    /// Mail is sent to the address.
    No,
}

impl Store {
    /// Sets an account's mail address. Without an address, the account receives no mail.
    pub async fn account_mail_set(
        &self,
        account: &AccountId,
        address: Option<&MailAddress>,
    ) -> Result<AccountChanged, StoreError> {
        let change = Change::of(keys::account(account));
        let change = change.set_or_remove("mail", address.map(|address| text(address.as_str())));
        self.account_change("set an account's mail", change).await
    }

    /// Sets an account's mail address, and makes the account's row due until Stripe has it, too.
    pub async fn account_mail_owe(
        &self,
        account: &AccountId,
        address: &MailAddress,
        now: Timestamp,
    ) -> Result<AccountChanged, StoreError> {
        let key = keys::account(account);
        let due = keys::due(&key);
        let change = Change::of(key)
            .set("mail", text(address.as_str()))
            .set("mail_key", number(1))
            .set("dx", text(due))
            .set("due_at", time(now.plus(RESEND_AFTER)))
            .add("mail_version", number(1))
            .remove("swept");
        self.account_change("owe Stripe an account's mail", change)
            .await
    }

    /// Reads the mail address that Stripe does not have yet, if there is one; strongly consistent.
    pub async fn account_mail_owed(
        &self,
        account: &AccountId,
    ) -> Result<Option<OwedMail>, StoreError> {
        const READ: &str = "read the mail that Stripe is owed";
        let found = self.table.get(READ, &keys::account(account)).await?;
        let Some(found) = found.filter(|row| row.contains_key("dx")) else {
            return Ok(None);
        };
        let item = Item::new(&found, READ);
        let address = item.find_text("mail")?;
        let address = address.map(|text| MailAddress::parse(text).map_err(|_| item.bad("mail")));
        Ok(Some(OwedMail {
            account: account.clone(),
            customer: item.parsed("customer", CustomerId::parse)?,
            address: address.transpose()?,
            version: item.number("mail_version")?,
            key_number: item.number("mail_key")?,
        }))
    }

    /// Moves on to the next idempotency key, unless another run has done that.
    pub async fn account_mail_next_key(&self, owed: &OwedMail) -> Result<Finished, StoreError> {
        let change = Change::of(keys::account(&owed.account))
            .set("mail_key", number(owed.key_number + 1))
            .when(
                "#mail_version = :version AND #mail_key = :seen",
                vec![
                    ("version", number(owed.version)),
                    ("seen", number(owed.key_number)),
                ],
            );
        self.owed_mail_change(change).await
    }

    /// Records that Stripe has the address, unless an operator has changed it since.
    pub async fn account_mail_settled(&self, owed: &OwedMail) -> Result<Finished, StoreError> {
        let change = Change::of(keys::account(&owed.account))
            .remove("dx")
            .remove("due_at")
            .remove("swept")
            .when(
                "attribute_exists(dx) AND #mail_version = :version",
                vec![("version", number(owed.version))],
            );
        self.owed_mail_change(change).await
    }

    async fn owed_mail_change(&self, change: Change) -> Result<Finished, StoreError> {
        let changed = self.table.update("move an owed mail on", change).await?;
        Ok(match changed {
            Updated::Done(()) => Finished::Now,
            Updated::Refused(_) => Finished::Already,
        })
    }

    /// Sets whether an account receives notices of a kind.
    pub async fn account_notices_set(
        &self,
        account: &AccountId,
        kind: NoticeKind,
        switch: Switch,
    ) -> Result<AccountChanged, StoreError> {
        let change = Change::of(keys::account(account))
            .set(attribute(kind), AttributeValue::Bool(switch.is_on()));
        self.account_change("switch an account's notices", change)
            .await
    }

    async fn account_change(
        &self,
        operation: &'static str,
        change: Change,
    ) -> Result<AccountChanged, StoreError> {
        let change = change.when("attribute_exists(pk)", vec![]);
        Ok(match self.table.update(operation, change).await? {
            Updated::Done(()) => AccountChanged::Now,
            Updated::Refused(_) => AccountChanged::Unknown,
        })
    }

    /// Reads an account's mail address and notice settings.
    pub async fn account_mail_find(&self, account: &AccountId) -> Result<Mailing, StoreError> {
        let operation = "find an account's mail";
        let found = self.table.get(operation, &keys::account(account)).await?;
        let attributes = found.unwrap_or_default();
        let item = Item::new(&attributes, operation);
        let address = item
            .find_text("mail")?
            .map(|text| MailAddress::parse(text).map_err(|_| item.bad("mail")));
        let mut switches = Vec::new();
        for kind in NoticeKind::ALL
            .iter()
            .copied()
            .filter(|kind| attributes.contains_key(attribute(*kind)))
        {
            switches.push((kind, item.switch(attribute(kind))?));
        }
        Ok(Mailing {
            address: address.transpose()?,
            switches,
        })
    }

    /// Mutes an address because mail to it bounced at this time. A bounce older than an operator's
    /// unmute has no effect.
    pub async fn mail_mute(&self, address: &MailAddress, at: Timestamp) -> Result<(), StoreError> {
        let change = Change::of(keys::muted(&digest(address))).set("muted_at", time(at));
        let change = change.when(
            "attribute_not_exists(#muted_at) OR #muted_at < :at",
            vec![("at", time(at))],
        );
        self.table.update("mute an address", change).await.map(drop)
    }

    /// Unmutes an address.
    pub async fn mail_unmute(
        &self,
        address: &MailAddress,
        now: Timestamp,
    ) -> Result<Unmuted, StoreError> {
        let operation = "unmute an address";
        let change = Change::of(keys::muted(&digest(address))).set("unmuted_at", time(now)).when(
            "#muted_at > #unmuted_at OR (attribute_exists(#muted_at) AND attribute_not_exists(#unmuted_at))",
            vec![],
        );
        Ok(match self.table.update(operation, change).await? {
            Updated::Done(()) => Unmuted::Now,
            Updated::Refused(_) => Unmuted::Already,
        })
    }

    /// Checks whether an address is muted: it is if its last bounce is later than the last unmute.
    pub async fn mail_muted(&self, address: &MailAddress) -> Result<Muted, StoreError> {
        let operation = "look whether an address is muted";
        let found = self
            .table
            .get(operation, &keys::muted(&digest(address)))
            .await?;
        let Some(found) = found else {
            return Ok(Muted::No);
        };
        let item = Item::new(&found, operation);
        let muted = item.time("muted_at")?;
        Ok(match item.find_time("unmuted_at")? {
            Some(unmuted) if unmuted >= muted => Muted::No,
            Some(_) | None => Muted::Yes,
        })
    }
}

/// Returns the digest that identifies an address, independent of how it is written.
pub(crate) fn digest(address: &MailAddress) -> String {
    digests::of(&address.folded())
}

/// The profile attribute that stores whether an account wants notices of a kind.
const fn attribute(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Welcome => "notices_welcome",
        NoticeKind::PaymentFailed => "notices_payment_failed",
        NoticeKind::ActionRequired => "notices_action_required",
        NoticeKind::TrialEnding => "notices_trial_ending",
        NoticeKind::QuotaNearlyUsed => "notices_quota_nearly_used",
        NoticeKind::QuotaUsed => "notices_quota_used",
        NoticeKind::ServiceEnding => "notices_service_ending",
        NoticeKind::ServiceStopped => "notices_service_stopped",
        NoticeKind::LowBalance => "notices_low_balance",
        NoticeKind::TopUpNeeded => "notices_top_up_needed",
        NoticeKind::TopUpCharged => "notices_top_up_charged",
        NoticeKind::TopUpConfirm => "notices_top_up_confirm",
        NoticeKind::TopUpOff => "notices_top_up_off",
        NoticeKind::SpendLimitNear => "notices_spend_limit_near",
        NoticeKind::SpendLimitReached => "notices_spend_limit_reached",
        NoticeKind::JobFinished => "notices_job_finished",
        NoticeKind::AdminJoined => "notices_admin_joined",
    }
}

//! Where an account's mail goes, what it wants to be told of, and the addresses that take no mail.
//!
//! Mail to an address that came back once is not sent again, whoever's address it is; it is kept as its digest, since all
//! that is ever asked is whether it is one of them. When it came back and when an operator said that it may be tried again
//! both stand there, each the latest, so that neither a doubled nor a late word of the one undoes the other.

use crate::Store;
use crate::db::error::StoreError;
use crate::db::item::{Item, text, time};
use crate::db::table::Updated;
use crate::db::tx::Change;
use crate::db::{digests, keys};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::accounts::addresses::MailAddress;
use domain::ids::AccountId;
use domain::notices::NoticeKind;
use domain::switches::Switch;
use domain::time::Timestamp;

/// Where an account's mail goes, and what it does not want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailing {
    /// The address, if one is known.
    pub address: Option<MailAddress>,
    switches: Vec<(NoticeKind, Switch)>,
}

impl Mailing {
    /// Whether the account is to be told of this kind.
    pub fn switch(&self, kind: NoticeKind) -> Switch {
        let chosen = self.switches.iter().find(|(known, _)| *known == kind);
        chosen.map_or_else(|| kind.at_first(), |(_, switch)| *switch)
    }
}

/// Whether there was an account to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountChanged {
    /// It says so now.
    Now,
    /// There is no such account.
    Unknown,
}

/// Whether an address took no mail before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmuted {
    /// It was muted, and is not any more.
    Now,
    /// It was not.
    Already,
}

/// Whether mail goes to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Muted {
    /// It does not: mail to it came back.
    Yes,
    /// Nothing is known against it.
    No,
}

impl Store {
    /// Says where an account's mail goes; to nobody without an address.
    pub async fn account_mail_set(
        &self,
        account: &AccountId,
        address: Option<&MailAddress>,
    ) -> Result<AccountChanged, StoreError> {
        let change = Change::of(keys::account(account));
        let change = change.set_or_remove("mail", address.map(|address| text(address.as_str())));
        self.account_change("set an account's mail", change).await
    }

    /// Says whether an account is to be told of a kind.
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

    /// Where an account's mail goes, and what it wants.
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

    /// Sends no more mail to an address, since mail to it came back at that moment. What is older than the word of an
    /// operator that it may be written to again changes nothing.
    pub async fn mail_mute(&self, address: &MailAddress, at: Timestamp) -> Result<(), StoreError> {
        let change = Change::of(keys::muted(&digest(address))).set("muted_at", time(at));
        let change = change.when(
            "attribute_not_exists(#muted_at) OR #muted_at < :at",
            vec![("at", time(at))],
        );
        self.table.update("mute an address", change).await.map(drop)
    }

    /// Sends mail to an address again.
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

    /// Whether mail goes to an address: it does not if it came back later than anybody said that it may be tried again.
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

/// What an address is known by, however it is written.
pub(crate) fn digest(address: &MailAddress) -> String {
    digests::of(&address.folded())
}

/// Where an account's profile says whether it wants a kind.
const fn attribute(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::Welcome => "notices_welcome",
        NoticeKind::PaymentFailed => "notices_payment_failed",
        NoticeKind::ActionRequired => "notices_action_required",
        NoticeKind::TrialEnding => "notices_trial_ending",
        NoticeKind::QuotaNearlyUsed => "notices_quota_nearly_used",
        NoticeKind::QuotaUsed => "notices_quota_used",
        NoticeKind::LowBalance => "notices_low_balance",
        NoticeKind::TopUpNeeded => "notices_top_up_needed",
        NoticeKind::SpendLimitNear => "notices_spend_limit_near",
        NoticeKind::SpendLimitReached => "notices_spend_limit_reached",
        NoticeKind::JobFinished => "notices_job_finished",
    }
}

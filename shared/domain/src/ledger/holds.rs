//! What credits are held for, and the pointer to a hold that has expired.

use crate::ids::{AccountId, ActionId, AssistId, JobId};
use std::fmt;

/// What credits are held for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldId {
    Job(JobId),
    Assist(AssistId),
    /// The customer's own work.
    Own(ActionId),
}

impl HoldId {
    /// Parses a hold id.
    pub fn parse(text: &str) -> Option<Self> {
        let job = JobId::parse(text).map(Self::Job);
        let assist = || AssistId::parse(text).map(Self::Assist);
        job.or_else(|_| assist())
            .or_else(|_| ActionId::parse(text).map(Self::Own))
            .ok()
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => job.fmt(f),
            Self::Assist(assist) => assist.fmt(f),
            Self::Own(action) => action.fmt(f),
        }
    }
}

/// Identifies a hold of an account; messages point to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HoldKey {
    pub account: AccountId,
    pub hold: HoldId,
}

impl HoldKey {
    /// The text that messages contain.
    pub fn pointer(&self) -> String {
        format!("{}#{}", self.account, self.hold)
    }

    /// Parses a message's pointer.
    pub fn parse(text: &str) -> Result<Self, BadHoldKey> {
        let (account, hold) = text.split_once('#').ok_or(BadHoldKey)?;
        Ok(Self {
            account: AccountId::parse(account).map_err(|_| BadHoldKey)?,
            hold: HoldId::parse(hold).ok_or(BadHoldKey)?,
        })
    }
}

/// A malformed pointer to a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadHoldKey;

impl fmt::Display for BadHoldKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hold pointer consists of an account id, `#` and a hold id")
    }
}

impl std::error::Error for BadHoldKey {}

//! One table: its name, and the client that reaches it.

use crate::db::keys;
use crate::db::tx::{Tx, check_when};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;

/// A table as the contexts use it.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// See [`crate::Connection::with_unrelated_item`].
    unrelated_item: UnrelatedItem,
}

/// Whether each transaction begins with an item that has nothing to do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnrelatedItem {
    Absent,
    First,
}

impl Table {
    pub(crate) const fn new(client: Client, name: String, unrelated_item: UnrelatedItem) -> Self {
        Self {
            client,
            name,
            unrelated_item,
        }
    }

    /// Another table on the same connection.
    pub(crate) fn beside(&self, name: String) -> Self {
        Self::new(self.client.clone(), name, self.unrelated_item)
    }

    /// An empty transaction. `operation` names it in errors.
    pub(crate) fn transaction<R: Ord>(&self, operation: &'static str) -> Tx<R> {
        let unrelated = match self.unrelated_item {
            UnrelatedItem::Absent => None,
            UnrelatedItem::First => Some(self.unrelated()),
        };
        Tx::new(self.client.clone(), operation, unrelated)
    }

    fn unrelated(&self) -> TransactWriteItem {
        check_when(self, keys::unrelated(), "attribute_not_exists(pk)", vec![])
    }
}

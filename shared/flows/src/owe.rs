//! Writes a row that is due, and sends the message that has it processed immediately.
//!
//! Safe to run twice: the row is written first and only once. If the message is lost, the row is
//! due and the sweeper sends it. A second run finds the row and sends nothing.

use domain::ids::AccountId;
use domain::notices::Notice;
use domain::retry::Failure;
use domain::time::Timestamp;
use queues::{Message, Queues};
use store::{NoticeOwed, Store};

/// Records a notice for an account and queues it.
pub async fn notice(
    store: &Store,
    queues: &Queues,
    account: &AccountId,
    notice: &Notice,
    now: Timestamp,
) -> Result<(), Failure> {
    if store.notice_owe(account, notice, now).await? == NoticeOwed::Now {
        let message = Message::Notice(notice.key(account));
        queues.send(&message, Some(account)).await?;
    }
    Ok(())
}

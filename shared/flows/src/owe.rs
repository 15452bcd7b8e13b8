//! A row that owes work, with the message that has it done at once.
//!
//! The row is written first and once; if the message is lost, the row is due and the sweeper sends it. A second run finds
//! the row and sends nothing.

use domain::ids::AccountId;
use domain::notices::Notice;
use domain::retry::Failure;
use domain::time::Timestamp;
use queues::{Message, Queues};
use store::{NoticeOwed, Store};

/// Owes an account a notice.
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

//! Mutes addresses whose mail bounced or whose reader complained.
//!
//! The message from SES is the only record. Muting an address stores the time of the bounce and
//! only moves it forward, so a duplicate or late message does no harm.

use crate::Ctx;
use domain::retry::{Done, Failure};
use mail_api::Feedback;

/// Handles one message from SES.
pub async fn handle(ctx: &Ctx, body: &str) -> Result<Done, Failure> {
    let Feedback::Unwelcome { addresses, at } = Feedback::read(body)? else {
        return Ok(Done::Ignored("nothing against an address"));
    };
    for address in &addresses {
        ctx.store.mail_mute(address, at).await?;
    }
    tracing::warn!(
        mail.muted = addresses.len(),
        "mail bounced or its reader complained; its addresses are muted"
    );
    Ok(Done::Applied(format!("muted: {}", addresses.len())))
}

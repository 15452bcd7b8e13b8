//! A mail came back, or its reader complained: that address is not written to again.
//!
//! The queue's message is all there is of it. Muting knows the moment at which it came back and only grows, so the same
//! message twice or a late one does no harm.

use crate::Ctx;
use domain::retry::{Done, Failure};
use mail_api::Feedback;

/// Acts on what SES says of a mail.
pub async fn handle(ctx: &Ctx, body: &str) -> Result<Done, Failure> {
    let Feedback::Unwelcome { addresses, at } = Feedback::read(body)? else {
        return Ok(Done::Ignored("nothing against an address"));
    };
    for address in &addresses {
        ctx.store.mail_mute(address, at).await?;
    }
    tracing::warn!(
        mail.muted = addresses.len(),
        "mail came back, and its address is not written to again"
    );
    Ok(Done::Applied(format!("muted: {}", addresses.len())))
}

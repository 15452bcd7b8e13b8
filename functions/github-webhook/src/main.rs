//! The Lambda binary of this function.

use boot::Trust;
use boot::runtime::{refuse, serve_webhooks, start};
use github_webhook::{Ctx, receive};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (settings, outside) = start(Trust::Amazon);
    let ctx = Ctx::connect(settings, outside);
    ctx.warm().await.unwrap_or_else(|error| refuse(&error));
    serve_webhooks(|request| receive(&ctx, request))
        .await
        .unwrap_or_else(|error| refuse(&error));
}

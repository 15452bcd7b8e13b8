//! The Lambda binary of this function.

use api::{Ctx, respond, router};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    boot::runtime::run_http(
        |settings, outside| router(Ctx::connect(settings, outside)),
        respond,
    )
    .await;
}

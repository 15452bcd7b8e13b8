//! The Lambda binary of this function.

use recovery::{Ctx, on_schedule};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    boot::runtime::run_consumer(Ctx::connect, on_schedule).await;
}

//! The Lambda binary of this function.

use notices::{Ctx, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    boot::runtime::run_consumer(Ctx::connect, handle).await;
}

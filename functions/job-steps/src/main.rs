//! The Lambda binary of this function.

use job_steps::{Ctx, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    boot::runtime::run_consumer(Ctx::connect, handle).await;
}

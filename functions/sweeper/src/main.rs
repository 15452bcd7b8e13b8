//! The Lambda binary of this door.

use boot::runtime::{refuse, serve_events};
use boot::{Env, Outside, log_to_stdout};
use sweeper::{Config, Ctx, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::of_process();
    log_to_stdout(&env);
    let config = Config::read(env).unwrap_or_else(|error| refuse(&error));
    let outside = Outside::real(config.trust()).unwrap_or_else(|error| refuse(&error));
    let ctx = Ctx::connect(config, outside);
    let run = async |_: serde_json::Value, deadline| match handle(&ctx, deadline).await {
        Ok(swept) => serde_json::json!({ "sent": swept.sent }),
        Err(failure) => {
            tracing::error!(error = %failure, alarm = true, "the sweep was cut short; the next one goes on");
            serde_json::json!({ "error": "cut short" })
        }
    };
    serve_events(run)
        .await
        .unwrap_or_else(|error| refuse(&error));
}

//! The Lambda binary of this door.

use boot::runtime::{refuse, serve_events};
use boot::{Env, Outside, log_to_stdout};
use github_events::{Config, Ctx, handle};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::of_process();
    log_to_stdout(&env);
    let config = Config::read(env).unwrap_or_else(|error| refuse(&error));
    let outside = Outside::real(config.trust()).unwrap_or_else(|error| refuse(&error));
    let ctx = Ctx::connect(config, outside);
    serve_events(|event, deadline| handle(&ctx, event, deadline))
        .await
        .unwrap_or_else(|error| refuse(&error));
}

//! The Lambda binary of this door.

use api::{Config, Ctx, respond, router};
use boot::runtime::{refuse, serve_http};
use boot::{Env, Outside, log_to_stdout};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let env = Env::of_process();
    log_to_stdout(&env);
    let config = Config::read(env).unwrap_or_else(|error| refuse(&error));
    let outside = Outside::real(config.trust()).unwrap_or_else(|error| refuse(&error));
    let router = router(Ctx::connect(config, outside));
    serve_http(|request| respond(router.clone(), request))
        .await
        .unwrap_or_else(|error| refuse(&error));
}

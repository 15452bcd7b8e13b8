//! Logging: one JSON line for each event on standard output, from which Lambda collects it.

use crate::Env;
use crate::setting::LEVEL;
use tracing::level_filters::LevelFilter;

/// Starts logging at the level of `RUST_LOG`. Libraries log at `warn` at most, because their lines
/// may contain data that we must not keep.
pub fn log_to_stdout(env: &Env) {
    log_at(env, LevelFilter::INFO);
}

/// Logs to standard output. Uses the level `otherwise` if `RUST_LOG` is unset or invalid.
pub fn log_at(env: &Env, otherwise: LevelFilter) {
    log_to(env, otherwise, std::io::stdout);
}

/// Writes the same lines to another writer.
pub fn log_to<W>(env: &Env, otherwise: LevelFilter, writer: W)
where
    W: for<'a> tracing_subscriber::fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    use tracing_subscriber::filter::Targets;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let level = env
        .find(LEVEL.name)
        .and_then(|text| text.parse::<LevelFilter>().ok())
        .unwrap_or(otherwise);
    let ours = OURS.iter().map(|target| (*target, level));
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(ours);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false);
    let lines = lines.with_writer(writer);
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
}

const OURS: [&str; 25] = [
    "admin",
    "api",
    "boot",
    "flows",
    "github_api",
    "github_events",
    "github_webhook",
    "job_steps",
    "local",
    "mail_api",
    "model_api",
    "notices",
    "provisioning",
    "pull_requests",
    "queues",
    "reconciliation",
    "recovery",
    "rest",
    "store",
    "stripe_api",
    "stripe_events",
    "stripe_webhook",
    "sweeper",
    "usage_reports",
    "web",
];

//! The environment of one receiver: the stand-ins, the settings, the process.

use crate::aws::{Aws, State};
use crate::lambda::{Answer, Lambda};
use crate::process::Process;
use crate::tls;
use crate::webhook::{Coming, SECRET, Vendor, Webhook};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;
use std::time::Duration;

/// An environment in which receivers can run.
pub struct Stage {
    binary: PathBuf,
    vendor: Vendor,
    aws: Aws,
    bundle: PathBuf,
    log: bool,
}

/// One running receiver.
pub struct Run<'a> {
    stage: &'a Stage,
    lambda: Lambda,
    pub process: Process,
}

impl Stage {
    /// Creates the stand-ins for this binary.
    pub fn new(binary: &Path, log: bool) -> Result<Self, Box<dyn Error>> {
        let (root, tls) = tls::authority()?;
        let bundle = std::env::temp_dir().join(format!("bench-{}.pem", std::process::id()));
        fs::write(&bundle, root)?;
        let aws = Aws::start(&tls)?;
        Ok(Self {
            binary: binary.canonicalize()?,
            vendor: Vendor::of(binary),
            aws,
            bundle,
            log,
        })
    }

    /// The vendor whose webhooks the receiver accepts.
    pub const fn vendor(&self) -> Vendor {
        self.vendor
    }

    /// The state of the AWS stand-in.
    pub fn aws(&self) -> MutexGuard<'_, State> {
        self.aws.state()
    }

    /// Empties the table and the queue, and sets their latencies.
    pub fn reset(&self, put: Duration, send: Duration) {
        self.aws().reset(put, send);
    }

    /// Starts the receiver.
    pub fn run(&self) -> Result<Run<'_>, Box<dyn Error>> {
        let lambda = Lambda::start()?;
        let url = format!("https://{}:{}", tls::HOST, self.aws.port);
        let queue = format!("{url}/123456789012/events");
        let settings = [
            ("AWS_LAMBDA_RUNTIME_API", lambda.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", "receiver".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench".to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "ASIABENCHBENCHBENCH0".to_owned()),
            (
                "AWS_SECRET_ACCESS_KEY",
                "bench/bench/bench/bench/bench/bench/benc".to_owned(),
            ),
            // As long as a real token, because it is signed and sent with every call.
            ("AWS_SESSION_TOKEN", "IQoJbenc".repeat(100)),
            ("AWS_CA_BUNDLE", self.bundle.display().to_string()),
            ("AWS_ENDPOINT_URL_DYNAMODB", url.clone()),
            ("AWS_ENDPOINT_URL_SQS", url),
            ("EVENTS_TABLE", "events".to_owned()),
            ("GITHUB_EVENTS_QUEUE_URL", queue.clone()),
            ("GITHUB_WEBHOOK_SECRETS", SECRET.to_owned()),
            ("STRIPE_EVENTS_QUEUE_URL", queue),
            ("STRIPE_WEBHOOK_SECRETS", SECRET.to_owned()),
        ];
        let process = Process::start(&self.binary, &settings, self.log)?;
        Ok(Run {
            stage: self,
            lambda,
            process,
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.bundle);
    }
}

impl Run<'_> {
    /// Sends one webhook. Returns the answer's status and the part of the latency that is not
    /// AWS's.
    pub fn feed(
        &self,
        webhook: &Webhook,
        coming: Coming,
    ) -> Result<(Answer, Duration), Box<dyn Error>> {
        let event = webhook.wrap(coming);
        let before = self.stage.aws().busy();
        let answer = self.lambda.invoke(event)?;
        let busy = self.stage.aws().busy() - before;
        let own = answer.latency.saturating_sub(busy);
        Ok((answer, own))
    }

    /// The CPU time so far, once the process waits for its next event.
    pub fn cpu_at_rest(&self) -> Result<Duration, Box<dyn Error>> {
        let mut before = self.process.cpu()?;
        loop {
            std::thread::sleep(Duration::from_millis(2));
            let now = self.process.cpu()?;
            if now == before {
                return Ok(now);
            }
            before = now;
        }
    }
}

//! The figures of one receiver.

use crate::checks;
use crate::report::{Figure, Report};
use crate::stage::Stage;
use crate::units;
use crate::webhook::{Coming, Webhook};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Latencies, the time in which AWS was busy during each, and the CPU time.
type Spun = (Vec<Duration>, Vec<Duration>, Duration);

const STARTS: u32 = 15;
const WARM_UP: u32 = 50;
const FAST: u32 = 3_000;
const SLOW: u32 = 300;
const PUT: Duration = Duration::from_millis(3);
const SEND: Duration = Duration::from_millis(5);

/// Checks a receiver and measures it.
pub fn measure(binary: &Path, log: bool) -> Result<Report, Box<dyn Error>> {
    let stage = Stage::new(binary, log)?;
    let (event, body) = stage.vendor().sample();
    let feed = Feed {
        stage: &stage,
        event,
        body,
    };
    let checks = checks::all(&stage)?;

    let mut figures = vec![Figure::whole(
        "body",
        "bytes",
        Webhook::new(stage.vendor(), event, &feed.body, 0).bytes(),
    )];
    figures.extend(feed.cold()?);
    figures.extend(feed.warm()?);
    figures.extend(sizes(binary)?);
    Ok(Report { checks, figures })
}

struct Feed<'a> {
    stage: &'a Stage,
    event: &'static str,
    body: String,
}

impl Feed<'_> {
    fn webhook(&self, n: u32) -> Webhook {
        Webhook::new(self.stage.vendor(), self.event, &self.body, n)
    }

    /// From exec to the first answer, including new connections.
    fn cold(&self) -> Result<Vec<Figure>, Box<dyn Error>> {
        let mut cpu = Vec::new();
        for n in 0..STARTS {
            self.stage.reset(Duration::ZERO, Duration::ZERO);
            let run = self.stage.run()?;
            run.feed(&self.webhook(n), Coming::Signed)?;
            cpu.push(run.cpu_at_rest()?);
        }
        Ok(vec![Figure::millis("cold CPU", median(cpu))])
    }

    /// One process under load, first with an AWS that answers immediately, then with one of usual
    /// latency.
    fn warm(&self) -> Result<Vec<Figure>, Box<dyn Error>> {
        self.stage.reset(Duration::ZERO, Duration::ZERO);
        let run = self.stage.run()?;
        let spin = |from: u32, count: u32| -> Result<Spun, Box<dyn Error>> {
            let before = run.cpu_at_rest()?;
            let (mut whole, mut own) = (Vec::new(), Vec::new());
            for n in from..from + count {
                let (answer, rest) = run.feed(&self.webhook(n), Coming::Signed)?;
                if answer.status != 202 {
                    return Err(format!("webhook {n} was answered with {}", answer.status).into());
                }
                whole.push(answer.latency);
                own.push(rest);
            }
            Ok((whole, own, (run.cpu_at_rest()? - before) / count))
        };
        spin(0, WARM_UP)?;
        self.stage.reset(Duration::ZERO, Duration::ZERO);
        let (whole, own, cpu) = spin(WARM_UP, FAST)?;
        let (calls, put_units, life) = {
            let aws = self.stage.aws();
            let items = aws.items.iter().map(|((_, sk), item)| (sk.as_str(), item));
            (
                f64::from(aws.calls),
                f64::from(aws.units),
                f64::from(units::life(items)),
            )
        };
        self.stage.reset(PUT, SEND);
        let (slow_whole, slow_own, slow_cpu) = spin(WARM_UP + FAST, SLOW)?;
        let count = f64::from(FAST);
        Ok(vec![
            Figure::millis("p50 at 0 delay", percentile(whole.clone(), 50)),
            Figure::millis("p99 at 0 delay", percentile(whole, 99)),
            Figure::millis("overhead p50 at 0 delay", percentile(own, 50)),
            Figure::micros("CPU per webhook at 0 delay", cpu),
            Figure::millis("p50 at 3 + 5 ms", percentile(slow_whole, 50)),
            Figure::millis("overhead p50 at 3 + 5 ms", percentile(slow_own.clone(), 50)),
            Figure::millis("overhead p99 at 3 + 5 ms", percentile(slow_own, 99)),
            Figure::micros("CPU per webhook at 3 + 5 ms", slow_cpu),
            Figure::new(
                "peak memory",
                "MiB",
                f64::from(run.process.peak_kib()?) / 1024.0,
            ),
            Figure::new("calls per webhook", "", calls / count),
            Figure::new("write units, put", "", put_units / count),
            Figure::new("write units, whole life", "", life / count),
        ])
    }
}

fn sizes(binary: &Path) -> Result<[Figure; 2], Box<dyn Error>> {
    let bytes = fs::read(binary)?;
    let mut zip = DeflateEncoder::new(Vec::new(), Compression::default());
    zip.write_all(&bytes)?;
    let zip = zip.finish()?;
    Ok([
        Figure::whole("binary", "KiB", bytes.len() / 1024),
        Figure::whole("binary, deflated", "KiB", zip.len() / 1024),
    ])
}

fn median(of: Vec<Duration>) -> Duration {
    percentile(of, 50)
}

fn percentile(mut of: Vec<Duration>, percent: usize) -> Duration {
    of.sort();
    of.get(of.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}

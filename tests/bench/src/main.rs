//! Measures a receiver's release binary as a black box, and checks that it loses nothing.
//!
//! ```text
//! cargo build --release -p github-webhook
//! cargo run --release -p bench -- receiver target/release/github-webhook
//! cargo run --release -p bench -- corpus target/release/github-webhook FOLDER
//! ```
//!
//! The bench plays the Lambda Runtime API and, over TLS, DynamoDB and SQS. Everything stays on this
//! machine. It exits with an error if a check fails. `--json` prints for machines, and `--log`
//! shows the receiver's own lines. `corpus` reports the cost of storing a folder of payloads
//! (`<event>.<anything>.json`). `samples` generates payloads to train a dictionary from: see
//! `shared/store/dictionaries`. `retrieve --data DIR` prints the files that `agent::retrieval` finds
//! for each issue of a data set, and counts the fixes among them. `play --data DIR` makes the real
//! fixes with the agent's tools and compares every byte.
//!
//! *cold CPU*: from exec to the first answer, until the process is idle. *overhead*: a webhook's
//! latency minus the time in which AWS was busy with it. *write units, whole life*: the put, its
//! index entry, and its finish. Linux only, because it reads the kernel's own accounting.

mod aws;
mod cases;
mod checks;
mod corpus;
mod lambda;
mod play;
mod process;
mod receiver;
mod report;
mod retrieve;
mod samples;
mod stage;
mod tls;
mod units;
mod webhook;
mod wire;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "bench receiver BINARY | corpus BINARY FOLDER | samples VENDOR FOLDER COUNT | retrieve --data DIR | play --data DIR  [--json] [--log]";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (flags, words): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    let (json, log) = (
        flags.iter().any(|flag| flag == "--json"),
        flags.iter().any(|flag| flag == "--log"),
    );
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let report = match words.as_slice() {
        ["samples", vendor, folder, count] => {
            samples::write(vendor, Path::new(folder), count.parse()?)?;
            return Ok(ExitCode::SUCCESS);
        }
        ["play", data] if flags == ["--data"] => return play::measure(Path::new(data)),
        ["retrieve", data] if flags == ["--data"] => return retrieve::measure(Path::new(data)),
        ["receiver", binary] => receiver::measure(Path::new(binary), log)?,
        ["corpus", binary, folder] => corpus::measure(Path::new(binary), Path::new(folder), log)?,
        _ => return Err(USAGE.into()),
    };
    if json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

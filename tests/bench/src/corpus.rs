//! Measures the cost of storing a folder of payloads. A file's name begins with its event, and its
//! text is the body.

use crate::report::{Figure, Report};
use crate::stage::Stage;
use crate::units;
use crate::webhook::{Coming, Vendor, Webhook, compact};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Sends every payload of a folder to the receiver.
pub fn measure(binary: &Path, folder: &Path, log: bool) -> Result<Report, Box<dyn Error>> {
    let stage = Stage::new(binary, log)?;
    let run = stage.run()?;
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "json")
    });
    let (mut bytes, mut puts, mut lives) = (0, Vec::new(), Vec::new());
    for (n, file) in (0..).zip(&files) {
        let name = file
            .file_name()
            .into_string()
            .map_err(|name| format!("{} is no text", name.display()))?;
        let text = fs::read_to_string(file.path())?;
        let body = if let Vendor::Github = stage.vendor() {
            compact(&text)
        } else {
            text
        };
        let webhook = Webhook::new(
            stage.vendor(),
            name.split('.').next().unwrap_or_default(),
            &body,
            n,
        );
        stage.reset(Duration::ZERO, Duration::ZERO);
        let (answer, _) = run.feed(&webhook, Coming::Signed)?;
        if answer.status != 202 {
            return Err(format!("{name} was answered with {}", answer.status).into());
        }
        let aws = stage.aws();
        bytes += webhook.bytes();
        puts.push(aws.units);
        lives.push(units::life(
            aws.items.iter().map(|((_, sk), item)| (sk.as_str(), item)),
        ));
    }
    if files.is_empty() {
        return Err(format!("there is no payload in {}", folder.display()).into());
    }
    let at_most = |most: u32| puts.iter().filter(|&&units| units <= most).count();
    let figures = vec![
        Figure::whole("payloads", "", files.len()),
        Figure::whole("mean body", "bytes", bytes / files.len()),
        Figure::new("write units, put, mean", "", mean(&puts)),
        Figure::new(
            "write units, put, most",
            "",
            f64::from(puts.iter().copied().max().unwrap_or(0)),
        ),
        Figure::whole("payloads of 1 unit", "", at_most(1)),
        Figure::whole("payloads of at most 2", "", at_most(2)),
        Figure::whole("payloads of at most 3", "", at_most(3)),
        Figure::new("write units, life, mean", "", mean(&lives)),
        Figure::new(
            "write units, life, most",
            "",
            f64::from(lives.iter().copied().max().unwrap_or(0)),
        ),
        Figure::new(
            "peak memory",
            "MiB",
            f64::from(run.process.peak_kib()?) / 1024.0,
        ),
    ];
    Ok(Report {
        checks: Vec::new(),
        figures,
    })
}

fn mean(of: &[u32]) -> f64 {
    f64::from(of.iter().sum::<u32>()) / f64::from(u32::try_from(of.len()).unwrap_or(u32::MAX))
}

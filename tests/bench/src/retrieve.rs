//! How well `agent::retrieval` finds the files that real fixes changed.

use crate::cases::{Case, Data};
use agent::retrieval::{Question, retrieve};
use serde_json::json;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

const FILES_MAX: usize = 20;

/// Prints one line a case, `{"id", "files"}` with the best 20, and the sums to stderr. Cases
/// without a tree are named and left out, and the bench then fails.
pub fn measure(data: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let data = Data::load(data)?;
    let mut sums = Sums::default();
    for case in &data.cases {
        let Some(base) = data.base(case)? else {
            continue;
        };
        let begin = cpu_micros()?;
        let question = Question {
            title: &case.title,
            body: &case.body,
        };
        let found = retrieve(&base, &question, FILES_MAX);
        sums.times
            .entry(case.repository.clone())
            .or_default()
            .push(cpu_micros()? - begin);
        let files: Vec<String> = found.into_iter().map(|found| found.path).collect();
        sums.count(case, &files);
        println!("{}", json!({"id": case.id, "files": files}));
    }
    sums.print();
    Ok(match data.missing() {
        None => ExitCode::SUCCESS,
        Some(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    })
}

#[derive(Default)]
struct Sums {
    /// By tier: cases, and those with all files among the first 1, 5, 10 and 20.
    tiers: BTreeMap<String, [usize; 5]>,
    times: BTreeMap<String, Vec<u64>>,
}

impl Sums {
    fn count(&mut self, case: &Case, files: &[String]) {
        if case.gold_files.is_empty() {
            return;
        }
        for tier in ["all", case.tier.as_str()] {
            let sums = self.tiers.entry(tier.to_owned()).or_default();
            sums[0] += 1;
            for (sum, within) in sums[1..].iter_mut().zip([1, 5, 10, 20]) {
                let first = &files[..files.len().min(within)];
                let found = case.gold_files.iter().all(|gold| first.contains(gold));
                *sum += usize::from(found);
            }
        }
    }

    fn print(&mut self) {
        for (tier, [cases, one, five, ten, twenty]) in &self.tiers {
            eprintln!("{tier}: {cases} cases, @1 {one}, @5 {five}, @10 {ten}, @20 {twenty}");
        }
        for (repository, micros) in &mut self.times {
            micros.sort_unstable();
            let (middle, most) = (micros[micros.len() / 2], micros[micros.len() - 1]);
            eprintln!(
                "{repository}: {} ms CPU in the middle, {} at most",
                middle / 1_000,
                most / 1_000
            );
        }
    }
}

/// The process's own CPU time, as the kernel counts it.
fn cpu_micros() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    let nanos: u64 = stat.split(' ').next().ok_or("no CPU time")?.parse()?;
    Ok(nanos / 1_000)
}

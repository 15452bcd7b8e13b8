//! What failed checks say, as the agent reads it.
//!
//! Tests print what they were given, and anybody can write a test, so all of it is data. It is
//! bounded, and its end counts most: that is where programs say why they stop.

use crate::text::truncate;

/// What one failed check says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    pub check: String,
    pub says: String,
}

/// The most bytes kept of a check's name.
const NAME_BYTES_MAX: usize = 200;
/// The most bytes kept of what a check says.
const SAYS_BYTES_MAX: usize = 12 * 1024;
/// How GitHub Actions begins the line about a step that failed.
const FAILED: &str = "##[error]";
/// How it begins lines about itself.
const NOISE: &str = "##[";

impl CheckReport {
    /// The report of a check, from what it says at several places.
    pub fn of(name: &str, said: &[String]) -> Self {
        let said = said.iter().map(|text| plain(text).trim().to_owned());
        let said: Vec<_> = said.filter(|text| !text.is_empty()).collect();
        Self {
            check: truncate(&plain(name), NAME_BYTES_MAX).to_owned(),
            says: last(&said.join("\n"), SAYS_BYTES_MAX).to_owned(),
        }
    }
}

/// What a job of GitHub Actions printed before its first step that failed, and the lines about the
/// failure.
pub fn log_tail(log: &str) -> String {
    let text = plain(log);
    let lines: Vec<&str> = text.lines().map(without_time).collect();
    let is_failure = |line: &&str| line.starts_with(FAILED);
    let end = lines
        .iter()
        .position(is_failure)
        .map_or(lines.len(), |first| {
            let failures = lines[first..].iter().take_while(|line| is_failure(line));
            first + failures.count()
        });
    let mut kept = Vec::new();
    let mut times = 1;
    for line in lines[..end].iter().map(|line| line.trim_end()) {
        if line.starts_with(NOISE) && !line.starts_with(FAILED) {
            continue;
        }
        if kept.last().is_some_and(|last| last == line) {
            times += 1;
            continue;
        }
        if times > 1 {
            kept.push(format!("({times} times)"));
            times = 1;
        }
        kept.push(line.to_owned());
    }
    last(kept.join("\n").trim(), SAYS_BYTES_MAX).to_owned()
}

/// A line of a log without the time at its beginning, so that two runs can be compared.
fn without_time(line: &str) -> &str {
    let Some((time, rest)) = line.split_once(' ') else {
        return line;
    };
    let is_time = time.len() >= 20 && time.ends_with('Z') && time.as_bytes()[10] == b'T';
    if is_time { rest } else { line }
}

/// Text without colors, control characters and invisible ones.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A sequence of colors ends with a letter.
            '\u{1b}' if chars.peek() == Some(&'[') => {
                chars.find(char::is_ascii_alphabetic);
            }
            '\n' | '\t' => out.push(c),
            _ if c.is_control() || is_invisible(c) => {}
            _ => out.push(c),
        }
    }
    out
}

/// Zero-width, direction and tag characters.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The end of a text, from the beginning of a line.
fn last(text: &str, bytes: usize) -> &str {
    let Some(mut at) = text.len().checked_sub(bytes).filter(|at| *at > 0) else {
        return text;
    };
    while !text.is_char_boundary(at) {
        at += 1;
    }
    let cut = &text[at..];
    cut.find('\n').map_or(cut, |end| &cut[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_cut_at_its_failure() {
        let log = "\u{feff}2026-11-20T10:00:00.1234567Z ##[group]Run cargo test\n\
            2026-11-20T10:00:01.0000000Z \u{1b}[36;1mcargo test\u{1b}[0m\n\
            2026-11-20T10:00:01.0000000Z ##[endgroup]\n\
            2026-11-20T10:00:02.0000000Z waiting\n\
            2026-11-20T10:00:03.0000000Z waiting\n\
            2026-11-20T10:00:04.0000000Z waiting\n\
            2026-11-20T10:00:05.0000000Z assertion failed\r\n\
            2026-11-20T10:00:06.0000000Z ##[error]Process completed with exit code 101.\n\
            2026-11-20T10:00:07.0000000Z Post job cleanup.\n";
        assert_eq!(
            log_tail(log),
            "cargo test\nwaiting\n(3 times)\nassertion failed\n##[error]Process completed with exit code 101."
        );
        assert_eq!(log_tail("all\nof it\n"), "all\nof it");
        assert_eq!(log_tail(""), "");
    }

    #[test]
    fn the_end_of_a_long_text_is_kept() {
        let long: String = (0..5_000).map(|n| format!("line {n} é\n")).collect();
        let tail = log_tail(&long);
        assert!(tail.len() <= SAYS_BYTES_MAX && tail.starts_with("line "));
        assert!(tail.ends_with("line 4999 é"), "{tail}");
        let report = CheckReport::of(
            &"n".repeat(300),
            &["summary".to_owned(), String::new(), long],
        );
        assert!(report.check.len() == NAME_BYTES_MAX && report.says.len() <= SAYS_BYTES_MAX);
        let report = CheckReport::of("te\u{202e}st", &[String::new(), "a\u{200b}b".to_owned()]);
        assert_eq!(
            (report.check.as_str(), report.says.as_str()),
            ("test", "ab")
        );
    }
}

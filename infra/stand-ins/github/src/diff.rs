//! Diffs between two texts in the format of GitHub's `patch`: hunks with three lines of context.

use std::fmt::Write;

pub(super) struct Patch {
    pub text: String,
    pub additions: usize,
    pub deletions: usize,
}

const CONTEXT: usize = 3;
/// Above this many pairs of lines, the middle is shown as replaced; a stand-in needs no better
/// algorithm.
const PAIRS_MAX: usize = 4_000_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Same,
    Del,
    Add,
}

type Line<'a> = (Mark, &'a str);

pub(super) fn patch(old: &str, new: &str) -> Patch {
    let lines = edits(
        &old.split_inclusive('\n').collect::<Vec<_>>(),
        &new.split_inclusive('\n').collect::<Vec<_>>(),
    );
    let count = |mark| lines.iter().filter(|line| line.0 == mark).count();
    Patch {
        text: hunks(&lines),
        additions: count(Mark::Add),
        deletions: count(Mark::Del),
    }
}

fn edits<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let start = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    let mut lines: Vec<Line<'a>> = old[..start]
        .iter()
        .map(|line| (Mark::Same, *line))
        .collect();
    lines.extend(middle(
        &old_rest[..old_rest.len() - end],
        &new_rest[..new_rest.len() - end],
    ));
    lines.extend(
        old[old.len() - end..]
            .iter()
            .map(|line| (Mark::Same, *line)),
    );
    lines
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let common = if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        vec![]
    } else {
        common_lengths(old, new)
    };
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if common.is_empty() || i == old.len() || j == new.len() {
            lines.extend(old[i..].iter().map(|line| (Mark::Del, *line)));
            lines.extend(new[j..].iter().map(|line| (Mark::Add, *line)));
            break;
        }
        if old[i] == new[j] {
            lines.push((Mark::Same, old[i]));
            (i, j) = (i + 1, j + 1);
        } else if common[i + 1][j] >= common[i][j + 1] {
            lines.push((Mark::Del, old[i]));
            i += 1;
        } else {
            lines.push((Mark::Add, new[j]));
            j += 1;
        }
    }
    lines
}

/// `[i][j]` is the length of the longest common subsequence of the lines from `i` and from `j` on.
fn common_lengths(old: &[&str], new: &[&str]) -> Vec<Vec<u32>> {
    let mut lengths = vec![vec![0; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = if old[i] == new[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    lengths
}

fn hunks(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut next = 0;
    while let Some(offset) = lines[next..].iter().position(|line| line.0 != Mark::Same) {
        let start = (next + offset).saturating_sub(CONTEXT).max(next);
        let end = hunk_end(lines, next + offset);
        let before = &lines[..start];
        let inside = &lines[start..end];
        let old = range(before, inside, Mark::Add);
        let new = range(before, inside, Mark::Del);
        write!(
            out,
            "@@ -{old} +{new} @@\n{}",
            inside.iter().map(printed).collect::<String>()
        )
        .expect("into a String");
        next = end;
    }
    out.truncate(out.trim_end_matches('\n').len());
    out
}

/// Changes separated by less than two contexts share a hunk.
fn hunk_end(lines: &[Line], mut last_change: usize) -> usize {
    loop {
        let window = &lines[last_change + 1..lines.len().min(last_change + 2 + 2 * CONTEXT)];
        match window.iter().position(|line| line.0 != Mark::Same) {
            Some(offset) => last_change += 1 + offset,
            None => return lines.len().min(last_change + 1 + CONTEXT),
        }
    }
}

fn range(before: &[Line], inside: &[Line], other_side: Mark) -> String {
    let count = |lines: &[Line]| lines.iter().filter(|line| line.0 != other_side).count();
    match (count(before), count(inside)) {
        (first, 0) => format!("{first},0"),
        (first, 1) => format!("{}", first + 1),
        (first, many) => format!("{},{many}", first + 1),
    }
}

fn printed((mark, line): &Line) -> String {
    let sign = match mark {
        Mark::Same => ' ',
        Mark::Del => '-',
        Mark::Add => '+',
    };
    match line.strip_suffix('\n') {
        Some(line) => format!("{sign}{line}\n"),
        None => format!("{sign}{line}\n\\ No newline at end of file\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(patch(old, new).text, expected);
    }

    #[test]
    fn patches_read_as_git_prints_them() {
        check("", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b");
        check("a\n", "", "@@ -1 +0,0 @@\n-a");
        check("a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c");
        check(
            "a",
            "b\n",
            "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b",
        );
        check("same\n", "same\n", "");
    }

    #[test]
    fn far_changes_are_separate_hunks() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("2\n3\n", "2\nthree\n").replace("18\n", "");
        let patch = patch(&old, &new);
        assert_eq!((patch.additions, patch.deletions), (1, 2));
        assert_eq!(
            patch.text,
            "@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n 4\n 5\n 6\n@@ -15,6 +15,5 @@\n 15\n 16\n 17\n-18\n 19\n 20"
        );
    }
}

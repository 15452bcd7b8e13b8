//! Line diffs in git's unified format, with bounded work.
//!
//! The work is counted in compared lines and not measured in time, so that two texts always have
//! the same diff and no pair of texts occupies a process for long. A diff is the shortest one while
//! the work suffices. Beyond that, lines that occur once in each text split the texts into parts,
//! and a part that still differs too much is shown as removed and added.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

/// The most comparisons of lines for one diff, apart from reading the texts once.
const COMPARISONS_MAX: u64 = 3_000_000;
/// The most edits of a shortest diff. Its memory grows with their square.
const EDITS_MAX: usize = 1_000;
const CONTEXT_LINES: usize = 3;

/// The diff between two texts, or an empty text if they are the same.
pub fn unified(before: &str, after: &str, old: &str, new: &str) -> String {
    let (old, new) = (lines(old), lines(new));
    let mut text = String::new();
    for hunk in hunks(&compared(&old, &new)) {
        if text.is_empty() {
            text = format!("--- {before}\n+++ {after}\n");
        }
        write_hunk(&mut text, hunk, &old, &new);
    }
    text
}

/// How many lines a diff removes and adds.
pub fn counts(old: &str, new: &str) -> (usize, usize) {
    let changes = compared(&lines(old), &lines(new));
    let removed = changes.iter().map(|change| change.old.len()).sum();
    (removed, changes.iter().map(|change| change.new.len()).sum())
}

fn compared(old: &[&str], new: &[&str]) -> Vec<Replaced> {
    let mut numbers = HashMap::new();
    let mut number = |line| {
        let next = numbers.len();
        *numbers.entry(line).or_insert(next)
    };
    let olds: Vec<usize> = old.iter().map(|line| number(*line)).collect();
    let news: Vec<usize> = new.iter().map(|line| number(*line)).collect();
    changes(&olds, &news).0
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Lines that are replaced: those of the old text by those of the new text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Replaced {
    old: Range<usize>,
    new: Range<usize>,
}

/// What is left of [`COMPARISONS_MAX`].
struct Budget(u64);

impl Budget {
    fn take(&mut self, comparisons: usize) -> Option<()> {
        let comparisons = u64::try_from(comparisons).ok()?;
        self.0 = self.0.checked_sub(comparisons)?;
        Some(())
    }
}

/// The changes in order, and the comparisons that finding them took.
fn changes(old: &[usize], new: &[usize]) -> (Vec<Replaced>, u64) {
    let mut budget = Budget(COMPARISONS_MAX);
    let mut found = Vec::new();
    let mut parts = vec![Replaced {
        old: 0..old.len(),
        new: 0..new.len(),
    }];
    // The last part comes first in the texts.
    while let Some(part) = parts.pop() {
        let part = trimmed(part, old, new);
        if part.old.is_empty() || part.new.is_empty() {
            if !(part.old.is_empty() && part.new.is_empty()) {
                found.push(part);
            }
            continue;
        }
        // Half of what is left, so that something is left for the parts.
        let mut half = Budget(budget.0 / 2);
        let (lines, others) = (&old[part.old.clone()], &new[part.new.clone()]);
        let same = shortest(lines, others, &mut half);
        budget.0 = budget.0.div_ceil(2) + half.0;
        if let Some(same) = same {
            found.extend(gaps(&part, &same));
            continue;
        }
        let size = lines.len().saturating_add(others.len());
        let same = budget.take(size).map(|()| anchors(lines, others));
        match same {
            Some(same) if !same.is_empty() => parts.extend(gaps(&part, &same).rev()),
            Some(_) | None => found.push(part),
        }
    }
    (found, COMPARISONS_MAX - budget.0)
}

/// The part without the lines that are the same at its beginning and its end.
fn trimmed(part: Replaced, old: &[usize], new: &[usize]) -> Replaced {
    let Replaced {
        old: mut olds,
        new: mut news,
    } = part;
    while !olds.is_empty() && !news.is_empty() && old[olds.start] == new[news.start] {
        (olds.start, news.start) = (olds.start + 1, news.start + 1);
    }
    while !olds.is_empty() && !news.is_empty() && old[olds.end - 1] == new[news.end - 1] {
        (olds.end, news.end) = (olds.end - 1, news.end - 1);
    }
    Replaced {
        old: olds,
        new: news,
    }
}

/// Lines that are the same in both texts.
struct Same {
    old: usize,
    new: usize,
    length: usize,
}

/// What lies between the lines that are the same.
fn gaps(part: &Replaced, same: &[Same]) -> impl DoubleEndedIterator<Item = Replaced> + use<> {
    let (mut olds, mut news) = (part.old.start, part.new.start);
    let mut gaps = Vec::new();
    for Same { old, new, length } in same {
        let (old, new) = (part.old.start + old, part.new.start + new);
        gaps.push(Replaced {
            old: olds..old,
            new: news..new,
        });
        (olds, news) = (old + length, new + length);
    }
    gaps.push(Replaced {
        old: olds..part.old.end,
        new: news..part.new.end,
    });
    gaps.into_iter()
        .filter(|gap| !(gap.old.is_empty() && gap.new.is_empty()))
}

/// The lines that a shortest diff keeps, after Myers (1986), or
/// `None` if it takes too many comparisons or edits.
///
/// Diagonal `k` holds the points `x - y = k`. `reach` says how far each diagonal was followed, and
/// is indexed by `k + shift`.
fn shortest(old: &[usize], new: &[usize], budget: &mut Budget) -> Option<Vec<Same>> {
    let edits_max = old.len().saturating_add(new.len()).min(EDITS_MAX);
    let shift = edits_max + 1;
    let mut reach = vec![0; 2 * edits_max + 3];
    let mut rows: Vec<Vec<usize>> = Vec::new();
    for edits in 0..=edits_max {
        let mut row = Vec::with_capacity(edits + 1);
        for step in 0..=edits {
            let k = shift - edits + 2 * step;
            let added = step == 0 || (step != edits && reach[k - 1] < reach[k + 1]);
            let mut x = if added {
                reach[k + 1]
            } else {
                reach[k - 1] + 1
            };
            let mut y = x + shift - k;
            let begin = x;
            while x < old.len() && y < new.len() && old[x] == new[y] {
                (x, y) = (x + 1, y + 1);
            }
            budget.take(x - begin + 1)?;
            reach[k] = x;
            row.push(x);
            if x >= old.len() && y >= new.len() {
                rows.push(row);
                return Some(kept(&rows, step));
            }
        }
        rows.push(row);
    }
    None
}

/// Follows the rows of [`shortest`] back from the end.
fn kept(rows: &[Vec<usize>], last_step: usize) -> Vec<Same> {
    let (mut same, mut step) = (Vec::new(), last_step);
    for (edits, row) in rows.iter().enumerate().rev() {
        let x = row[step];
        let y = x + edits - 2 * step;
        let begin = match edits.checked_sub(1).map(|before| &rows[before]) {
            None => 0,
            Some(before) if step == 0 || (step != edits && before[step - 1] < before[step]) => {
                before[step]
            }
            Some(before) => {
                step -= 1;
                before[step] + 1
            }
        };
        if x > begin {
            same.push(Same {
                old: begin,
                new: y - (x - begin),
                length: x - begin,
            });
        }
    }
    same.reverse();
    same
}

/// The longest list of lines that occur exactly once in each text, in the order of both.
fn anchors(old: &[usize], new: &[usize]) -> Vec<Same> {
    let (olds, news) = (unique(old), unique(new));
    let mut both: Vec<(usize, usize)> = olds
        .into_iter()
        .filter_map(|(line, old)| Some((old?, news.get(&line).copied().flatten()?)))
        .collect();
    both.sort_unstable();
    // Each pile holds the pair that ends the best list of its length so far; each pair knows the
    // pair before it.
    let (mut piles, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::new());
    for (index, (_, new)) in both.iter().enumerate() {
        let pile = piles.partition_point(|top| both[*top].1 < *new);
        before.push(pile.checked_sub(1).map(|below| piles[below]));
        match piles.get_mut(pile) {
            Some(top) => *top = index,
            None => piles.push(index),
        }
    }
    let mut same = Vec::new();
    let mut next = piles.last().copied();
    while let Some(index) = next {
        let (old, new) = both[index];
        same.push(Same {
            old,
            new,
            length: 1,
        });
        next = before[index];
    }
    same.reverse();
    same
}

/// Each line's place, or `None` if it occurs more than once.
fn unique(lines: &[usize]) -> HashMap<usize, Option<usize>> {
    let mut places = HashMap::new();
    for (place, line) in lines.iter().enumerate() {
        places
            .entry(*line)
            .and_modify(|known| *known = None)
            .or_insert(Some(place));
    }
    places
}

/// Changes whose context would touch or overlap belong to one hunk.
fn hunks(changes: &[Replaced]) -> impl Iterator<Item = &[Replaced]> {
    changes.chunk_by(|one, next| next.old.start - one.old.end <= 2 * CONTEXT_LINES)
}

fn write_hunk(text: &mut String, hunk: &[Replaced], old: &[&str], new: &[&str]) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
        return;
    };
    let lead = first.old.start.min(CONTEXT_LINES);
    let tail = (old.len() - last.old.end).min(CONTEXT_LINES);
    let olds = first.old.start - lead..last.old.end + tail;
    let news = first.new.start - lead..last.new.end + tail;
    let _ = writeln!(text, "@@ -{} +{} @@", place(&olds), place(&news));
    let mut at = olds.start;
    for change in hunk {
        write_lines(text, ' ', &old[at..change.old.start]);
        write_lines(text, '-', &old[change.old.clone()]);
        write_lines(text, '+', &new[change.new.clone()]);
        at = change.old.end;
    }
    write_lines(text, ' ', &old[at..olds.end]);
}

/// A range as git writes it: an empty one is named by the line before it.
fn place(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        length => format!("{},{length}", lines.start + 1),
    }
}

fn write_lines(text: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        text.push(sign);
        text.push_str(line);
        if !line.ends_with('\n') {
            text.push_str("\n\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(old: &str, new: &str) -> String {
        unified("a/f", "b/f", old, new)
    }

    /// What `git diff --no-index` prints for these texts.
    #[test]
    fn diffs_are_those_of_git() {
        assert_eq!(diff("a\nb\n", "a\nb\n"), "");
        assert_eq!(counts("a\nb\n", "b\nc\nd"), (1, 2));
        let head = "--- a/f\n+++ b/f\n";
        for (old, new, expected) in [
            ("", "a\n", "@@ -0,0 +1 @@\n+a\n"),
            ("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"),
            (
                "a",
                "a\n",
                "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
            ),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
                "1\n2\n3\n4\n5!\n6\n7\n8\n9\n",
                "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+5!\n 6\n 7\n 8\n",
            ),
            (
                "1\n2\n3\n4\n5\n6\n7\n8\n9\n",
                "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n",
                "@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n@@ -7,3 +8,4 @@\n 7\n 8\n 9\n+10\n",
            ),
        ] {
            assert_eq!(diff(old, new), format!("{head}{expected}"), "{old:?}");
        }
    }

    fn numbers(seed: &mut u64, length: usize, different: u64) -> Vec<usize> {
        let mut next = || {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((*seed >> 33) % different).expect("small")
        };
        (0..length).map(|_| next()).collect()
    }

    fn applied(old: &[usize], new: &[usize], changes: &[Replaced]) -> Vec<usize> {
        let (mut result, mut at) = (Vec::new(), 0);
        for change in changes {
            result.extend(&old[at..change.old.start]);
            result.extend(&new[change.new.clone()]);
            at = change.old.end;
        }
        result.extend(&old[at..]);
        result
    }

    /// The length of a longest common subsequence, by the plain table.
    fn common(old: &[usize], new: &[usize]) -> usize {
        let mut row = vec![0; new.len() + 1];
        for line in old {
            let mut corner = 0;
            for (at, other) in new.iter().enumerate() {
                let above = row[at + 1];
                row[at + 1] = if line == other {
                    corner + 1
                } else {
                    above.max(row[at])
                };
                corner = above;
            }
        }
        row[new.len()]
    }

    #[test]
    fn changes_lead_from_the_old_text_to_the_new_one_and_are_shortest() {
        let mut seed = 7;
        for round in 0..2_000 {
            let different = 1 + round % 9;
            let old = numbers(
                &mut seed,
                usize::try_from(round % 23).expect("small"),
                different,
            );
            let new = numbers(
                &mut seed,
                usize::try_from(round % 19).expect("small"),
                different,
            );
            let (changes, _) = changes(&old, &new);
            assert_eq!(applied(&old, &new, &changes), new, "{old:?} {new:?}");
            let removed: usize = changes.iter().map(|change| change.old.len()).sum();
            assert_eq!(old.len() - removed, common(&old, &new), "{old:?} {new:?}");
        }
    }

    /// 180,000 lines of which none, every second or all changed their places: the work stays within
    /// its bound, and the diff is right.
    #[test]
    fn the_work_is_bounded() {
        const LINES: usize = 180_000;
        let old: Vec<usize> = (0..LINES).collect();
        let other: Vec<usize> = (LINES..2 * LINES).collect();
        let half: Vec<usize> = (0..LINES)
            .map(|n| if n % 2 == 0 { n } else { n + LINES })
            .collect();
        let back: Vec<usize> = (0..LINES).rev().collect();
        let mut seed = 1;
        let few = numbers(&mut seed, LINES, 3);
        let fewer = numbers(&mut seed, LINES, 2);
        for (old, new) in [(&old, &other), (&old, &half), (&old, &back), (&few, &fewer)] {
            let (changes, work) = changes(old, new);
            assert!(work <= COMPARISONS_MAX, "{work}");
            assert!(applied(old, new, &changes) == *new);
        }
        let (found, _) = changes(&old, &half);
        assert_eq!(
            found.len(),
            LINES / 2,
            "unchanged lines are found beyond the shortest diff"
        );
    }
}

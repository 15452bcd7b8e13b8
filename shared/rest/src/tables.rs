//! Transactions as a table in CSV, for the API and for pages.

use crate::views::Transaction;
use domain::ledger::Entry;
use domain::units::decimal;
use std::fmt::Write;

/// Writes entries, each with the available balance after it if that is known for all.
pub fn transactions<'a>(rows: impl IntoIterator<Item = (&'a Entry, Option<i64>)>) -> String {
    let mut rows = rows.into_iter().peekable();
    let mut table = "at,type,kind,amount,available_change,description,source,id".to_owned();
    if rows.peek().is_some_and(|(_, after)| after.is_some()) {
        table.push_str(",available_after");
    }
    table.push_str("\r\n");
    for (entry, after) in rows {
        let line = Transaction::of(entry);
        let after = after.map(decimal);
        let fields = [
            line.at.as_str(),
            line.side,
            line.kind,
            &line.amount,
            &line.available_change,
            &line.description,
            &line.source,
            &line.id,
        ];
        let quoted: Vec<_> = fields
            .into_iter()
            .chain(after.as_deref())
            .map(field)
            .collect();
        // Writing to a `String` cannot fail.
        let _ = write!(table, "{}\r\n", quoted.join(","));
    }
    table
}

/// Quotes a field so that no spreadsheet interprets it as a formula.
fn field(text: &str) -> String {
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn no_field_is_a_formula() {
        for formula in ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1"] {
            assert!(field(formula).starts_with("\"'"), "{formula}");
        }
        for plain in ["-5.25", "+3", "12", "a fix of issue #7", "\"quoted\""] {
            assert!(!field(plain).starts_with("\"'"), "{plain}");
        }
    }
}

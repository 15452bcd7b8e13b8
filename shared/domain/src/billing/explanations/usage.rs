//! Why a usage record has its value.

use super::{Agreement, Evidence, Explanation, SumLine, delivered};
use crate::billing::usage::Usage;
use crate::jobs::assists::AssistState;
use crate::jobs::calls::tokens_of;
use crate::jobs::phases::ReportBilling;
use crate::jobs::{Delivered, FixPaid, was_billed};

/// Explains a usage record.
pub fn of_usage(usage: &Usage, evidence: Evidence) -> Explanation {
    let (lines, value) = counted(usage, &evidence);
    let agreement = match (&evidence, value) {
        (Evidence::Gone, _) => Agreement::Gone,
        (_, Some(value)) if value == usage.value => Agreement::Equals,
        (_, Some(_) | None) => Agreement::DoesNotEqual,
    };
    let (value_text, meter) = (usage.value, &usage.meter);
    let sentence = match &evidence {
        Evidence::Job(row, _) => format!("{}: {value_text} {meter}.", delivered(row)),
        Evidence::Report(report) => format!(
            "Fix of {}, reported by an external agent: {value_text} {meter}.",
            report.fix
        ),
        Evidence::Assist(assist) => {
            format!("{}: {value_text} {meter}.", assist.facts.kind.as_str())
        }
        _ => format!("{value_text} {meter}."),
    };
    Explanation {
        sentence,
        amount: usage.value.to_string(),
        unit: meter.to_string(),
        sum: lines,
        recomputed: value.map(|value| value.to_string()),
        agreement,
        hold: None,
        evidence,
    }
}

fn counted(usage: &Usage, evidence: &Evidence) -> (Vec<SumLine>, Option<u64>) {
    let (terms, used, calls) = match evidence {
        Evidence::Job(row, calls) if was_billed(row) => {
            let pulls = u64::from(row.fix_paid == FixPaid::WithJob);
            let tokens = tokens_of(calls);
            (&row.facts.terms, Delivered { pulls, tokens }, &calls[..])
        }
        Evidence::Assist(assist) if assist.state == AssistState::Done => {
            let calls = assist.used.as_ref().map(|used| &used.calls[..]);
            let calls = calls.unwrap_or_default();
            let tokens = tokens_of(calls);
            (&assist.facts.terms, Delivered { pulls: 0, tokens }, calls)
        }
        Evidence::Report(report) if report.counted == ReportBilling::Billed => {
            let one = SumLine {
                what: "one reported fix".to_owned(),
                amount: "1".to_owned(),
            };
            return (vec![one], Some(1));
        }
        _ => return (Vec::new(), None),
    };
    let made = terms.usage(&usage.account, &usage.of, used, usage.at);
    let value = made
        .iter()
        .find(|made| made.meter == usage.meter && made.rate == usage.rate)
        .map(|made| made.value);
    let Delivered { pulls, tokens } = used;
    let all = tokens.counted();
    let mut lines = Vec::new();
    if value.is_some_and(|value| value == pulls) && pulls > 0 {
        lines.push(SumLine {
            what: "one delivered pull request".to_owned(),
            amount: pulls.to_string(),
        });
    } else {
        lines.extend(calls.iter().map(|call| SumLine {
            what: format!("tokens that {} read and wrote", call.model),
            amount: (call.tokens.total() - call.tokens.cache_read).to_string(),
        }));
        if tokens.cache_read > 0 {
            lines.push(SumLine {
                what: format!("{} cached tokens, each a tenth", tokens.cache_read),
                amount: tokens.cached_counted().to_string(),
            });
        }
        lines.extend(value.filter(|value| *value < all).map(|value| SumLine {
            what: "beyond the most that this work may count".to_owned(),
            amount: format!("-{}", all - value),
        }));
    }
    (lines, value)
}

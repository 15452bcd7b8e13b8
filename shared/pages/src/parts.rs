//! The parts within a page.

use crate::text::{grouped, moment, span};
use domain::time::Timestamp;
use maud::{Markup, html};

/// How a part is meant. It always has words, too: color alone says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

impl Tone {
    const fn class(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("good"),
            Self::Warn => Some("warn"),
            Self::Bad => Some("bad"),
        }
    }
}

/// A message at the top of a page or of a section.
pub fn notice(tone: Tone, content: &Markup) -> Markup {
    let role = (tone == Tone::Bad).then_some("alert");
    html! { div .notice .(tone.class().unwrap_or("plain")) role=[role] { p { (content) } } }
}

/// A state in one or two words.
pub fn badge(tone: Tone, text: &str) -> Markup {
    html! { span .state .(tone.class().unwrap_or("plain")) { (text) } }
}

/// What a page shows instead of an empty list: what is missing, and what to do.
pub fn empty(heading: &str, what_to_do: &Markup) -> Markup {
    html! { div.empty { p { strong { (heading) } } p { (what_to_do) } } }
}

/// A table. A column whose label begins with `#` has numbers. On small screens each row becomes a
/// list.
pub fn table(caption: &str, columns: &[&str], rows: &[Vec<Markup>]) -> Markup {
    let number = |label: &str| label.starts_with('#').then_some("num");
    html! {
        // A wide table scrolls, and people with a keyboard have to reach it to scroll.
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.stack {
                caption { (caption) }
                thead {
                    tr {
                        @for label in columns {
                            th scope="col" class=[number(label)] { (label.trim_start_matches('#')) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr {
                            @for (label, cell) in columns.iter().zip(row) {
                                td class=[number(label)] data-label=(label.trim_start_matches('#')) { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The pages of one area, of which one is current.
pub fn tabs(label: &str, items: &[(&str, &str)], current: &str) -> Markup {
    html! {
        nav.nav.tabs aria-label=(label) {
            ul {
                @for (path, name) in items {
                    li { a href=(path) aria-current=[(*path == current).then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// Names with their values.
pub fn definitions(pairs: &[(&str, Markup)]) -> Markup {
    html! { dl { @for (name, value) in pairs { dt { (name) } dd { (value) } } } }
}

/// The token that proves that a form comes from our page.
pub fn csrf(token: &str) -> Markup {
    html! { input type="hidden" name="csrf_token" value=(token); }
}

/// The identity of what a form does. It is made with the page, so a double click does it once.
pub fn once(key: &str) -> Markup {
    html! { input type="hidden" name="once" value=(key); }
}

/// A form that changes something.
pub fn post(action: &str, token: &str, content: &Markup) -> Markup {
    html! { form method="post" action=(action) { (csrf(token)) (content) } }
}

/// A labeled field of one line.
pub fn field(name: &str, label: &str, kind: &str, value: &str) -> Markup {
    html! { label { (label) input type=(kind) name=(name) value=(value) autocomplete="off"; } }
}

/// A text for people to copy.
pub fn copyable(text: &str) -> Markup {
    html! { pre { code { (text) } } }
}

/// An amount within a limit.
pub struct Bar<'a> {
    pub label: &'a str,
    /// The amounts in the smallest unit, for the lengths.
    pub used: u128,
    pub reserved: u128,
    /// Absent for unlimited.
    pub limit: Option<u128>,
    /// The amounts in words, such as `12 of 50 pull requests`.
    pub words: &'a Markup,
    /// When and how it resets.
    pub resets: &'a Markup,
}

/// Shows how much of a limit is used and reserved.
pub fn bar(bar: &Bar<'_>) -> Markup {
    let thousandths = |amount: u128| match bar.limit {
        Some(limit) if limit > 0 => (amount.saturating_mul(1_000) / limit).min(1_000),
        Some(_) => 1_000,
        None => 0,
    };
    let used = thousandths(bar.used);
    let reserved = thousandths(bar.reserved).min(1_000 - used);
    let state = match (bar.limit, used + reserved) {
        (Some(_), 1_000..) => Some("full"),
        (Some(_), 800..) => Some("near"),
        _ => None,
    };
    html! {
        div .bar .(state.unwrap_or("calm")) {
            div.words { strong { (bar.label) } span { (bar.words) } }
            @if bar.limit.is_some() {
                svg viewBox="0 0 1000 8" preserveAspectRatio="none" aria-hidden="true" {
                    rect width=(used) height="8" {}
                    rect.reserved x=(used) width=(reserved) height="8" {}
                }
            }
            div.quiet { (bar.resets) }
        }
    }
}

const COLUMN: usize = 10;
const HEIGHT: u64 = 100;

/// A chart of one series, oldest first, with a table of the same numbers.
pub fn chart(title: &str, unit: &str, series: &[(String, u64)]) -> Markup {
    let most = series.iter().map(|(_, value)| *value).max().unwrap_or(0);
    let sum: u64 = series.iter().map(|(_, value)| *value).sum();
    let height = |value: u64| {
        let full = u128::from(value) * u128::from(HEIGHT) / u128::from(most.max(1));
        // A small amount is still visible.
        full.max(u128::from(value > 0) * 2)
    };
    let (first, last) = match (series.first(), series.last()) {
        (Some((first, _)), Some((last, _))) => (first.as_str(), last.as_str()),
        _ => return html! {},
    };
    let counted = |count: u64| {
        let unit = match count {
            1 => unit.strip_suffix('s').unwrap_or(unit),
            _ => unit,
        };
        format!("{} {unit}", grouped(&count.to_string()))
    };
    let words = format!(
        "{title}: {} from {first} to {last}, at most {} in a day.",
        counted(sum),
        grouped(&most.to_string())
    );
    let rows: Vec<Vec<Markup>> = series
        .iter()
        .rev()
        .map(|(day, value)| vec![html! { (day) }, html! { (grouped(&value.to_string())) }])
        .collect();
    html! {
        figure.chart {
            figcaption { strong { (title) } " " span.quiet { (counted(sum)) } }
            svg role="img" aria-label=(words) preserveAspectRatio="none" viewBox=(format!("0 0 {} {HEIGHT}", series.len() * COLUMN)) {
                @for (index, (day, value)) in series.iter().enumerate() {
                    rect x=(index * COLUMN + 1) width=(COLUMN - 2) y=(u128::from(HEIGHT).saturating_sub(height(*value))) height=(height(*value)) {
                        title { (day) ": " (counted(*value)) }
                    }
                }
            }
            div.ends.quiet { span { (first) } span { (last) " (days in UTC)" } }
            details { summary { "As a table" } (table(title, &["Day (UTC)", &format!("#{unit}")], &rows)) }
        }
    }
}

/// The states of a piece of work, in order: when it began, and how long after that each state began.
pub fn steps(moments: &[(Markup, Timestamp)]) -> Markup {
    let first = moments.first().map(|(_, at)| *at);
    html! {
        ol.steps {
            @for (index, (what, at)) in moments.iter().enumerate() {
                li {
                    span { (what) }
                    span.quiet {
                        @match first.filter(|_| index > 0) {
                            Some(first) => { "+" (span(at.since(first))) }
                            None => (moment(*at)),
                        }
                    }
                }
            }
        }
    }
}

/// A link to the next page of a list, and back to its start.
pub fn pager(first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        @if first.is_some() || next.is_some() {
            nav.pager aria-label="Pages" {
                @if let Some(first) = first { a href=(first) { "Newest" } }
                @if let Some(next) = next { a href=(next) rel="next" { "Older" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BAD: &str = "\"><script>'&";

    #[test]
    fn every_part_escapes_its_texts() {
        let text = html! { (BAD) };
        let words = Bar {
            label: BAD,
            used: 1,
            reserved: 0,
            limit: Some(2),
            words: &text,
            resets: &text,
        };
        for part in [
            notice(Tone::Bad, &text),
            badge(Tone::Good, BAD),
            empty(BAD, &text),
            table(BAD, &[BAD], &[vec![text.clone()]]),
            tabs(BAD, &[(BAD, BAD)], BAD),
            definitions(&[(BAD, text.clone())]),
            post(BAD, BAD, &once(BAD)),
            field(BAD, BAD, BAD, BAD),
            copyable(BAD),
            bar(&words),
            chart(BAD, BAD, &[(BAD.to_owned(), 3)]),
            steps(&[(text.clone(), Timestamp::from_millis(0))]),
            pager(Some(BAD), Some(BAD)),
        ] {
            let html = part.into_string();
            assert!(html.contains("&lt;script"), "{html}");
            assert!(
                !html.contains("<script") && !html.contains("style="),
                "{html}"
            );
        }
    }

    #[test]
    fn a_bar_never_exceeds_its_frame() {
        let text = html! {};
        let shown = |used, reserved, limit| {
            bar(&Bar {
                label: "a",
                used,
                reserved,
                limit,
                words: &text,
                resets: &text,
            })
            .into_string()
        };
        assert!(shown(25, 25, Some(100)).contains("width=\"250\""));
        assert!(shown(u128::MAX, 1, Some(1)).contains("class=\"bar full\""));
        assert!(shown(0, 0, Some(0)).contains("class=\"bar full\""));
        assert!(shown(85, 0, Some(100)).contains("class=\"bar near\""));
        assert!(!shown(3_412, 0, None).contains("<svg"));
    }

    #[test]
    fn a_chart_has_its_table() {
        let days = [
            ("2026-11-28".to_owned(), 0),
            ("2026-11-29".to_owned(), 1_500),
        ];
        let html = chart("Pull requests", "pull requests", &days).into_string();
        assert!(html.contains("viewBox=\"0 0 20 100\"") && html.contains("height=\"100\""));
        assert!(
            html.contains("1,500") && html.contains("<details>"),
            "{html}"
        );
    }
}

//! HTML for the pages of the stand-ins, without scripts. Text enters a page only through
//! [`Markup`], which escapes it.

use std::fmt::Display;

use axum::response::{Html, IntoResponse, Response};

use crate::dates;

/// Escaped HTML. Only this file can create it from a raw string.
#[derive(Clone, Default)]
pub struct Markup(String);

/// Escaped text.
pub fn text(value: impl Display) -> Markup {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    Markup(out)
}

/// One element around its content.
pub fn tag(name: &'static str, inside: Markup) -> Markup {
    Markup(format!("<{name}>{}</{name}>", inside.0))
}

/// One element with a class from the style sheet below.
pub fn classed(name: &'static str, class: &'static str, inside: Markup) -> Markup {
    Markup(format!("<{name} class=\"{class}\">{}</{name}>", inside.0))
}

/// A heading of a part of a page.
pub fn heading(words: &str) -> Markup {
    tag("h2", text(words))
}

/// A link whose address is escaped like everything else.
pub fn link(href: &str, label: impl Display) -> Markup {
    Markup(format!(
        "<a href=\"{}\">{}</a>",
        text(href).0,
        text(label).0
    ))
}

/// A button that posts to an address, which is escaped like everything else.
pub fn button(address: &str, label: impl Display) -> Markup {
    Markup(format!(
        "<form method=\"post\" action=\"{}\"><button>{}</button></form>",
        text(address).0,
        text(label).0
    ))
}

/// A form that posts to an address: inputs as names with initial values, and a button.
pub fn form(address: &str, inputs: &[(&'static str, &str)], label: impl Display) -> Markup {
    let inputs = inputs.iter().map(|(name, value)| {
        Markup(format!(
            "<label>{name} <input name=\"{name}\" value=\"{}\" required></label> ",
            text(value).0
        ))
    });
    Markup(format!(
        "<form method=\"post\" action=\"{}\">{}<button>{}</button></form>",
        text(address).0,
        all(inputs).0,
        text(label).0
    ))
}

/// Text whose http:// and https:// URLs become links.
pub fn linked(value: &str) -> Markup {
    let words = value.split_inclusive(char::is_whitespace).map(|word| {
        let bare = word.trim_end();
        if bare.starts_with("https://") || bare.starts_with("http://") {
            all([link(bare, bare), text(&word[bare.len()..])])
        } else {
            text(word)
        }
    });
    all(words)
}

/// A timestamp, to the second.
pub fn moment(millis: i64) -> Markup {
    tag(
        "time",
        text(dates::iso(millis).replace('T', " ").replace('Z', " UTC")),
    )
}

/// Concatenates pieces.
pub fn all(pieces: impl IntoIterator<Item = Markup>) -> Markup {
    Markup(pieces.into_iter().map(|piece| piece.0).collect())
}

/// A table, or a note if it has no rows.
pub fn table(heads: &[&'static str], rows: Vec<Vec<Markup>>) -> Markup {
    if rows.is_empty() {
        return classed("p", "none", text("none yet"));
    }
    let head = all(heads.iter().map(|head| tag("th", text(head))));
    let body = rows
        .into_iter()
        .map(|row| tag("tr", all(row.into_iter().map(|cell| tag("td", cell)))));
    tag("table", all([tag("tr", head), all(body)]))
}

/// A diff, colored by the first character of each line.
pub fn diff(patch: &str) -> Markup {
    let lines = patch.lines().map(|line| {
        let class = match line.bytes().next() {
            Some(b'+') => "add",
            Some(b'-') => "del",
            Some(b'@') => "hunk",
            _ => "same",
        };
        classed("div", class, text(line))
    });
    classed("pre", "diff", all(lines))
}

/// A whole page.
pub fn page(title: impl Display, body: Markup) -> Response {
    let title = text(title).0;
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style>\
         <main><h1>{title}</h1>{}</main></html>",
        body.0
    ))
    .into_response()
}

const STYLE: &str = "\
:root{color-scheme:light dark;--line:light-dark(#d8dee4,#30363d);--soft:light-dark(#57606a,#8b949e);\
--add:light-dark(#dafbe1,#12361f);--del:light-dark(#ffebe9,#451a1c);--hunk:light-dark(#ddf4ff,#10273f)}\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem 1rem}main{max-width:60rem;margin:auto}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}time,.none,.by{color:var(--soft)}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);\
vertical-align:top;overflow-wrap:anywhere}pre{overflow-x:auto;border:1px solid var(--line);border-radius:6px;padding:.6rem}\
.body{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid var(--line);border-radius:6px;padding:.8rem}\
.state{border:1px solid var(--line);border-radius:1rem;padding:.1rem .6rem;font-size:.85rem}\
form{display:inline-block;margin:0 .4rem .2rem 0}button{font:inherit;padding:.2rem .7rem}\
.diff div{min-height:1.5em}.add{background:var(--add)}.del{background:var(--del)}.hunk{background:var(--hunk)}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_typed_by_a_user_becomes_html() {
        assert_eq!(text("<b>&'\"").0, "&lt;b&gt;&amp;&#39;&quot;");
        assert!(
            button("\"><script>", "<b>")
                .0
                .contains("&quot;&gt;&lt;script&gt;")
        );
        assert_eq!(
            linked("see http://a.example/\"x\nand <b>").0,
            "see <a href=\"http://a.example/&quot;x\">http://a.example/&quot;x</a>\nand &lt;b&gt;"
        );
        assert!(
            form("x", &[("title", "\"><b>")], "<i>")
                .0
                .contains("&quot;&gt;&lt;b&gt;")
        );
        assert_eq!(
            link("\"><script>", "x").0,
            "<a href=\"&quot;&gt;&lt;script&gt;\">x</a>"
        );
    }
}

//! Declarations, found by their keywords in a masked text.

use super::{Language, Masked, Symbol};

/// A line of a masked text and the place where it begins.
struct Line<'a> {
    at: usize,
    number: usize,
    text: &'a str,
}

fn lines(masked: &Masked) -> Vec<Line<'_>> {
    let mut at = 0;
    let mut found = Vec::new();
    for (index, bytes) in masked.bytes.split(|byte| *byte == b'\n').enumerate() {
        // Only whole strings and comments are blanked, so characters outside of them are whole.
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        found.push(Line {
            at,
            number: index + 1,
            text,
        });
        at += bytes.len() + 1;
    }
    found
}

/// The identifier at the beginning.
fn identifier(text: &str) -> Option<&str> {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$')
        .unwrap_or(text.len());
    let name = &text[..end];
    (!name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit())).then_some(name)
}

/// The text after a word and the blanks that follow it.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    let trimmed = rest.trim_start();
    (trimmed.len() < rest.len()).then_some(trimmed)
}

/// Drops words from the beginning for as long as one of them stands there.
fn without<'a>(mut text: &'a str, words: &[&str]) -> &'a str {
    while let Some(rest) = words.iter().find_map(|word| after(text, word)) {
        text = rest;
    }
    text
}

pub(super) fn by_indent(masked: &Masked) -> Vec<Symbol> {
    let lines = lines(masked);
    let mut symbols: Vec<Symbol> = Vec::new();
    // Declarations whose bodies have not ended: indent and index of the symbol.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut last_filled = 0;
    let mut pairs = masked.pairs.iter().peekable();
    let mut bracket_end = 0;
    for line in &lines {
        let text = line.text.trim_start();
        // What stands inside brackets continues a line and has an indent of its own.
        let continued = line.at < bracket_end;
        while let Some((open, close)) = pairs.peek() {
            if *open >= line.at + line.text.len() {
                break;
            }
            bracket_end = bracket_end.max(*close);
            pairs.next();
        }
        if text.trim_end().is_empty() {
            continue;
        }
        if continued {
            last_filled = line.number;
            continue;
        }
        let indent = line.text.len() - text.len();
        while let Some((_, index)) = open.pop_if(|(outer, _)| *outer >= indent) {
            symbols[index].last = last_filled;
        }
        let rest = without(text, &["async", "cdef", "cpdef"]);
        let found = after(rest, "class")
            .map(|rest| (rest, true))
            .or_else(|| Some((after(rest, "def")?, false)));
        let constant = || {
            let name = identifier(text).filter(|_| indent == 0)?;
            let value = text[name.len()..].trim_start();
            (value.starts_with('=') && !value.starts_with("==")
                || value.starts_with(':') && value.contains('='))
            .then_some(name)
        };
        if let Some((rest, container)) = found
            && let Some(name) = identifier(rest)
        {
            open.push((indent, symbols.len()));
            symbols.push(symbol(name, line.number, line.number, container));
        } else if let Some(name) = constant() {
            let end = line.at + line.text.len();
            let last = 1 + masked.bytes[..bracket_end.max(end).min(masked.bytes.len())]
                .iter()
                .skip(line.at)
                .filter(|byte| **byte == b'\n')
                .count();
            symbols.push(symbol(name, line.number, line.number + last - 1, false));
        }
        last_filled = line.number;
    }
    for (_, index) in open {
        symbols[index].last = last_filled;
    }
    symbols
}

fn symbol(name: &str, first: usize, last: usize, container: bool) -> Symbol {
    Symbol {
        name: name.to_owned(),
        first,
        last: last.max(first),
        depth: 0,
        container,
    }
}

pub(super) fn by_brackets(language: Language, masked: &Masked) -> Vec<Symbol> {
    let lines = lines(masked);
    let begins: Vec<usize> = lines.iter().map(|line| line.at).collect();
    let mut symbols: Vec<Symbol> = Vec::new();
    // The ends of the bodies that are open, and whether members are declared inside.
    let mut open: Vec<(usize, bool)> = Vec::new();
    for line in &lines {
        while open.pop_if(|(end, _)| *end <= line.at).is_some() {}
        let inside = open.last().is_some_and(|(_, container)| *container);
        let text = line.text.trim_start();
        let indent = line.text.len() - text.len();
        let found = match language {
            Language::Rust => rust(text),
            Language::Go => (indent == 0).then(|| go(text)).flatten(),
            Language::Java => java(text, inside),
            Language::TypeScript | Language::Python => script(text, inside, open.is_empty()),
        };
        let Some((name, container)) = found else {
            continue;
        };
        let end = body_end(masked, line.at + indent);
        let last = begins.partition_point(|begin| *begin <= end);
        open.push((end, container));
        symbols.push(symbol(name, line.number, last, container));
    }
    symbols
}

/// Where a declaration ends: at the bracket that closes its body, or at its semicolon.
fn body_end(masked: &Masked, begin: usize) -> usize {
    let mut at = begin;
    let line_end = |at: usize| {
        let rest = &masked.bytes[at.min(masked.bytes.len())..];
        at + rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len())
    };
    while let Some(byte) = masked.bytes.get(at) {
        match byte {
            b'{' => return masked.closing(at).unwrap_or_else(|| line_end(begin)),
            b'(' | b'[' => match masked.closing(at) {
                Some(close) => at = close,
                None => return line_end(begin),
            },
            b';' | b'}' | b')' | b']' => return at,
            // A blank line: the declaration has ended without a sign.
            b'\n' if masked.bytes.get(at + 1).is_none_or(|next| *next == b'\n') => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

type Found<'a> = Option<(&'a str, bool)>;

fn rust(text: &str) -> Found<'_> {
    let mut text = text;
    if let Some(rest) = text.strip_prefix("pub") {
        let rest = match rest.strip_prefix('(') {
            Some(inner) => inner.split_once(')')?.1,
            None => rest,
        };
        text = rest.trim_start();
    }
    if let Some(rest) = text.strip_prefix("macro_rules!") {
        return Some((identifier(rest.trim_start())?, false));
    }
    let bare = without(text, &["default", "const", "async", "unsafe", "extern"]);
    // `extern "C"` has a blank in place of its string.
    if let Some(rest) = after(bare, "fn") {
        return Some((identifier(rest)?, false));
    }
    let bare = without(text, &["unsafe", "auto"]);
    if let Some(rest) = bare.strip_prefix("impl")
        && rest.starts_with(['<', ' '])
    {
        let head = rest.split(['{', '\n']).next()?;
        let named = head.rsplit(" for ").next()?.trim();
        let named = named.trim_start_matches(|c: char| !c.is_alphabetic());
        return Some((identifier(named)?, true));
    }
    for (word, container) in [
        ("mod", true),
        ("trait", true),
        ("struct", false),
        ("enum", false),
    ] {
        if let Some(rest) = after(bare, word) {
            return Some((identifier(rest)?, container));
        }
    }
    for word in ["type", "static", "const", "union"] {
        if let Some(rest) = after(text, word) {
            return Some((identifier(without(rest, &["mut"]))?, false));
        }
    }
    None
}

fn go(text: &str) -> Found<'_> {
    if let Some(rest) = after(text, "func") {
        let rest = match rest.strip_prefix('(') {
            Some(receiver) => receiver.split_once(')')?.1.trim_start(),
            None => rest,
        };
        return Some((identifier(rest)?, false));
    }
    let rest = ["type", "var", "const"]
        .iter()
        .find_map(|word| after(text, word))?;
    Some((identifier(rest)?, false))
}

const JAVA_MODIFIERS: &[&str] = &[
    "public",
    "protected",
    "private",
    "static",
    "final",
    "abstract",
    "sealed",
    "non-sealed",
    "default",
    "synchronized",
    "native",
    "strictfp",
];

fn java(text: &str, inside: bool) -> Found<'_> {
    let mut text = text;
    // Annotations on the same line.
    while let Some(rest) = text
        .strip_prefix('@')
        .filter(|rest| !rest.starts_with("interface"))
    {
        let rest = &rest[identifier(rest)?.len()..];
        let rest = match rest.strip_prefix('(') {
            Some(inner) => inner.split_once(')')?.1,
            None => rest,
        };
        text = rest.trim_start();
    }
    let bare = without(text, JAVA_MODIFIERS);
    for word in ["class", "interface", "@interface", "enum", "record"] {
        if let Some(name) = after(bare, word).and_then(identifier) {
            return Some((name, true));
        }
    }
    if !inside {
        return None;
    }
    let (head, rest) = bare.split_once('(')?;
    let head = head.trim_end();
    let name_at = head
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    let name = identifier(&head[name_at..])?;
    let kind = head[..name_at].trim();
    // A call or an assignment is no declaration; a constructor has no type, but a modifier.
    let declares = !kind.is_empty() || bare.len() < text.len() || rest.trim_end().ends_with('{');
    let call = kind.contains(['=', '.', '(']) && !kind.contains('<')
        || ["return", "new", "throw", "else"].contains(&kind.split(' ').next()?)
        || [
            "if",
            "for",
            "while",
            "switch",
            "catch",
            "synchronized",
            "try",
        ]
        .contains(&name);
    (declares && !call).then_some((name, false))
}

fn script(text: &str, inside: bool, top: bool) -> Found<'_> {
    const MODIFIERS: &[&str] = &[
        "export",
        "default",
        "declare",
        "abstract",
        "async",
        "public",
        "private",
        "protected",
        "static",
        "readonly",
        "override",
        "get",
        "set",
    ];
    let bare = without(text, MODIFIERS);
    if let Some(rest) = bare.strip_prefix("function") {
        let rest = rest.trim_start().trim_start_matches('*').trim_start();
        return Some((identifier(rest)?, false));
    }
    for (word, container) in [
        ("class", true),
        ("namespace", true),
        ("module", true),
        ("interface", false),
        ("enum", false),
        ("const enum", false),
        ("type", false),
    ] {
        if let Some(name) = after(bare, word).and_then(identifier)
            && name != "extends"
        {
            return Some((name, container));
        }
    }
    if top
        && let Some(rest) = ["const", "let", "var"]
            .iter()
            .find_map(|word| after(bare, word))
    {
        return Some((identifier(rest)?, false));
    }
    if !inside {
        return None;
    }
    let bare = bare.trim_start_matches(['*', '#']);
    let name = identifier(bare)?;
    let rest = bare[name.len()..].trim_start();
    let method = rest.starts_with('(') || rest.starts_with('<');
    let arrow = rest.starts_with('=') && rest.contains("=>");
    let control = [
        "if", "for", "while", "switch", "catch", "return", "super", "await",
    ];
    (!control.contains(&name) && (method || arrow)).then_some((name, false))
}

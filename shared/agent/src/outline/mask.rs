//! Blanks comments and strings, and matches brackets.

use super::Language;
use std::fmt;

/// A text whose comments and strings are blank. Its bytes are in the places of the original's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    pub bytes: Vec<u8>,
    /// For each opening bracket, in order of their places: its place and that of its closing one.
    pub pairs: Vec<(usize, usize)>,
    pub fault: Option<Fault>,
}

impl Masked {
    /// The closing bracket of the opening one at `open`.
    pub fn closing(&self, open: usize) -> Option<usize> {
        let at = self.pairs.binary_search_by_key(&open, |pair| pair.0).ok()?;
        Some(self.pairs[at].1)
    }
}

/// What is broken, and in which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub line: usize,
    pub what: &'static str,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

struct Scanner<'a> {
    language: Language,
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    open: Vec<(u8, usize)>,
    pairs: Vec<(usize, usize)>,
    fault: Option<(usize, &'static str)>,
    /// Something was read that can mean two things, so a fault would be a guess.
    uncertain: bool,
    /// The last byte that was neither blank nor masked.
    before: u8,
}

/// Masks a text.
pub fn mask(language: Language, text: &str) -> Masked {
    let mut scanner = Scanner {
        language,
        text: text.as_bytes(),
        at: 0,
        out: Vec::with_capacity(text.len()),
        open: Vec::new(),
        pairs: Vec::new(),
        fault: None,
        uncertain: false,
        before: 0,
    };
    while scanner.at < scanner.text.len() {
        scanner.step();
    }
    scanner.finish()
}

impl Scanner<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn starts(&self, with: &[u8]) -> bool {
        self.text[self.at..].starts_with(with)
    }

    fn keep(&mut self) {
        let byte = self.text[self.at];
        if !byte.is_ascii_whitespace() {
            self.before = byte;
        }
        self.out.push(byte);
        self.at += 1;
    }

    fn blank(&mut self, count: usize) {
        let end = (self.at + count).min(self.text.len());
        for byte in &self.text[self.at..end] {
            self.out.push(if *byte == b'\n' { b'\n' } else { b' ' });
        }
        self.at = end;
    }

    fn blame(&mut self, at: usize, what: &'static str) {
        if self.fault.is_none() {
            self.fault = Some((at, what));
        }
    }

    fn step(&mut self) {
        let python = self.language == Language::Python;
        match self.text[self.at] {
            b'#' if python => self.line_comment(),
            b'/' if !python && self.peek(1) == b'/' => self.line_comment(),
            b'/' if !python && self.peek(1) == b'*' => self.block_comment(),
            b'/' if self.language == Language::TypeScript && self.pattern_may_begin() => {
                self.pattern();
            }
            b'"' if self.starts(b"\"\"\"")
                && matches!(self.language, Language::Python | Language::Java) =>
            {
                self.string(b"\"\"\"", true, true);
            }
            b'\'' if python && self.starts(b"'''") => self.string(b"'''", true, true),
            b'"' => self.string(b"\"", true, self.language == Language::Rust),
            b'\'' if self.language == Language::Rust => self.character_or_lifetime(),
            b'\'' => self.string(b"'", true, false),
            b'`' if self.language == Language::Go => self.string(b"`", false, true),
            b'`' if self.language == Language::TypeScript => self.template(),
            b'r' | b'b' | b'c' if self.language == Language::Rust && !word(self.last_byte()) => {
                self.raw_string();
            }
            open @ (b'(' | b'[' | b'{') => {
                self.open.push((open, self.at));
                self.keep();
            }
            close @ (b')' | b']' | b'}') => self.close(close),
            _ => self.keep(),
        }
    }

    /// The byte just before, blank or not.
    fn last_byte(&self) -> u8 {
        self.at.checked_sub(1).map_or(0, |before| self.text[before])
    }

    fn close(&mut self, close: u8) {
        let expected = match close {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        match self.open.last() {
            Some((open, at)) if *open == expected => {
                self.pairs.push((*at, self.at));
                self.open.pop();
            }
            Some(_) => {
                self.blame(
                    self.at,
                    "a closing bracket that does not match the open one",
                );
                // Continue after the nearest one that does match, if there is one.
                if let Some(found) = self.open.iter().rposition(|(open, _)| *open == expected) {
                    self.pairs.push((self.open[found].1, self.at));
                    self.open.truncate(found);
                }
            }
            None => self.blame(self.at, "a closing bracket without an open one"),
        }
        self.keep();
    }

    fn line_comment(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.blank(length.unwrap_or(rest.len()));
    }

    fn block_comment(&mut self) {
        let begin = self.at;
        let mut depth = 0;
        loop {
            if self.at >= self.text.len() {
                return self.blame(begin, "a comment without an end");
            }
            if self.starts(b"/*") && (depth == 0 || self.language == Language::Rust) {
                depth += 1;
                self.blank(2);
            } else if self.starts(b"*/") {
                depth -= 1;
                self.blank(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.blank(1);
            }
        }
    }

    fn string(&mut self, quote: &[u8], escapes: bool, lines: bool) {
        let begin = self.at;
        self.blank(quote.len());
        self.before = b'"';
        while self.at < self.text.len() {
            if self.starts(quote) {
                return self.blank(quote.len());
            }
            match self.text[self.at] {
                b'\\' if escapes => self.blank(if self.starts(b"\\\r\n") { 3 } else { 2 }),
                b'\n' if !lines => {
                    // An apostrophe in markup looks like this as well.
                    self.uncertain |= self.language == Language::TypeScript;
                    return self.blame(begin, "a string without an end");
                }
                _ => self.blank(1),
            }
        }
        self.blame(begin, "a string without an end");
    }

    fn character_or_lifetime(&mut self) {
        let rest = &self.text[self.at + 1..];
        let escaped = rest.first() == Some(&b'\\');
        // The longest character has four bytes.
        let closed = rest.iter().take(5).skip(1).position(|byte| *byte == b'\'');
        let one = closed.is_some_and(|at| {
            std::str::from_utf8(&rest[..=at]).is_ok_and(|text| text.chars().count() == 1)
        });
        if escaped || one {
            self.string(b"'", true, false);
        } else {
            self.keep();
        }
    }

    /// `r"…"`, `r#"…"#`, `br"…"`, or a name that begins with the letter.
    fn raw_string(&mut self) {
        let rest = &self.text[self.at..];
        let letters = rest
            .iter()
            .take(2)
            .take_while(|byte| byte.is_ascii_lowercase())
            .count();
        let hashes = rest[letters..]
            .iter()
            .take_while(|byte| **byte == b'#')
            .count();
        let raw = rest[..letters].contains(&b'r');
        if !raw || rest.get(letters + hashes) != Some(&b'"') {
            return self.keep();
        }
        let mut quote = vec![b'"'];
        quote.resize(hashes + 1, b'#');
        self.blank(letters + hashes);
        let begin = self.at;
        self.blank(1);
        self.before = b'"';
        while self.at < self.text.len() {
            if self.starts(&quote) {
                return self.blank(quote.len());
            }
            self.blank(1);
        }
        self.blame(begin, "a string without an end");
    }

    /// A template's expressions are blank as well: no declaration worth a line is in one.
    fn template(&mut self) {
        let begin = self.at;
        self.blank(1);
        self.before = b'"';
        let mut depth: usize = 0;
        while self.at < self.text.len() {
            match self.text[self.at] {
                b'\\' => self.blank(2),
                b'`' if depth == 0 => return self.blank(1),
                b'`' => {
                    // A template inside an expression of a template.
                    self.uncertain = true;
                    self.blank(1);
                }
                b'$' if self.peek(1) == b'{' => {
                    depth += 1;
                    self.blank(2);
                }
                b'{' if depth > 0 => {
                    depth += 1;
                    self.blank(1);
                }
                b'}' if depth > 0 => {
                    depth -= 1;
                    self.blank(1);
                }
                _ => self.blank(1),
            }
        }
        self.blame(begin, "a template without an end");
    }

    /// Whether a slash begins a regular expression and does not divide.
    fn pattern_may_begin(&self) -> bool {
        matches!(
            self.before,
            0 | b'(' | b',' | b'=' | b':' | b'[' | b'!' | b'&' | b'|' | b'?' | b'{' | b';' | b'+'
        )
    }

    fn pattern(&mut self) {
        self.blank(1);
        self.before = b'"';
        let mut class = false;
        while self.at < self.text.len() {
            match self.text[self.at] {
                b'\\' => self.blank(2),
                b'\n' => {
                    self.uncertain = true;
                    return;
                }
                b'/' if !class => return self.blank(1),
                byte => {
                    class = byte == b'[' || (class && byte != b']');
                    self.blank(1);
                }
            }
        }
    }

    fn finish(mut self) -> Masked {
        if let Some((_, at)) = self.open.first().copied() {
            self.blame(at, "an open bracket that is never closed");
        }
        // In markup, quotes, braces and slashes are text.
        let certain = !self.uncertain;
        let fault = self.fault.filter(|_| certain).map(|(at, what)| Fault {
            line: 1 + self.text[..at]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count(),
            what,
        });
        self.pairs.sort_unstable();
        Masked {
            bytes: self.out,
            pairs: self.pairs,
            fault,
        }
    }
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

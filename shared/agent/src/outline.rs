//! What a source file declares, and whether its brackets and strings are whole.
//!
//! The outlines are made by hand, not by grammars: decision 0052 has the comparison. A [`mask`]
//! blanks comments and strings first, so that the rest can look at words and brackets alone. An
//! outline leaves out what it does not understand; it never fails.

mod declarations;
mod mask;

pub use mask::{Fault, Masked, mask};

/// A language with outlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    Python,
    Rust,
    /// Also JavaScript, with and without markup.
    TypeScript,
    Go,
    Java,
}

impl Language {
    /// By the end of the path.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        match name.rsplit_once('.')?.1 {
            "py" | "pyi" | "pyx" => Some(Self::Python),
            "rs" => Some(Self::Rust),
            "ts" | "tsx" | "mts" | "cts" | "js" | "jsx" | "mjs" | "cjs" => Some(Self::TypeScript),
            "go" => Some(Self::Go),
            "java" => Some(Self::Java),
            _ => None,
        }
    }
}

/// Something that a file declares: a class, a function, a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    /// The declaration's line, counted from 1, and the last line of its body.
    pub first: usize,
    pub last: usize,
    /// How many declarations it is inside of.
    pub depth: usize,
    /// Whether other declarations inside are part of the outline.
    pub container: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// In the order of their lines.
    pub symbols: Vec<Symbol>,
}

/// The outline of a text.
pub fn outline(language: Language, text: &str) -> Outline {
    of_masked(language, &mask(language, text))
}

/// The outline of a text that is masked already.
pub fn of_masked(language: Language, masked: &Masked) -> Outline {
    let mut symbols = match language {
        Language::Python => declarations::by_indent(masked),
        Language::Rust | Language::TypeScript | Language::Go | Language::Java => {
            declarations::by_brackets(language, masked)
        }
    };
    nest(&mut symbols);
    Outline { symbols }
}

/// Sets the depths, and drops what is declared inside a function.
fn nest(symbols: &mut Vec<Symbol>) {
    let mut open: Vec<(usize, bool)> = Vec::new();
    symbols.retain_mut(|symbol| {
        while open.last().is_some_and(|(last, _)| *last < symbol.first) {
            open.pop();
        }
        if open.last().is_some_and(|(_, container)| !container) {
            return false;
        }
        symbol.depth = open.len();
        open.push((symbol.last, symbol.container));
        true
    });
}

/// The fault of a text, where one can be found with certainty.
pub fn fault(path: &str, text: &str) -> Option<Fault> {
    let language = Language::of(path)?;
    mask(language, text).fault
}

const SIGNATURE_CHARS_MAX: usize = 160;

/// The outline as lines: number, indent, declaration without its body.
pub fn render(text: &str, outline: &Outline, lines_max: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for symbol in outline.symbols.iter().take(lines_max) {
        let line = lines.get(symbol.first - 1).copied().unwrap_or_default();
        let signature: String = line.trim().chars().take(SIGNATURE_CHARS_MAX).collect();
        let signature = signature.trim_end_matches(['{', ':', ' ']);
        let indent = "  ".repeat(symbol.depth);
        out.push_str(&format!(
            "{}-{} {indent}{signature}\n",
            symbol.first, symbol.last
        ));
    }
    let more = outline.symbols.len().saturating_sub(lines_max);
    if more > 0 {
        out.push_str(&format!("({more} more declarations)\n"));
    }
    out
}

#[cfg(test)]
mod tests;

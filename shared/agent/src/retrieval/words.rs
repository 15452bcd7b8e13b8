//! Words of code: identifiers and their parts.

/// Calls back with each identifier, whole and in lower case, and with its parts if it has several:
/// `HTTPServer_port2` gives itself, `http`, `server` and `port2`.
pub fn each(text: &[u8], call: &mut impl FnMut(&[u8])) {
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let mut lower = Vec::new();
    for identifier in text.split(|byte| !word(byte)) {
        if identifier.len() < 2 || identifier.len() > WORD_BYTES_MAX {
            continue;
        }
        lower.clear();
        lower.extend(identifier.iter().map(u8::to_ascii_lowercase));
        let mut begin = 0;
        let mut parts = 0;
        for at in 0..=identifier.len() {
            let boundary = at == identifier.len()
                || identifier[at] == b'_'
                || (at > begin && starts_part(identifier, at));
            if !boundary {
                continue;
            }
            let whole = begin == 0 && at == identifier.len();
            if at > begin + 1 && !whole {
                call(&lower[begin..at]);
                parts += 1;
            }
            begin = if identifier.get(at) == Some(&b'_') {
                at + 1
            } else {
                at
            };
        }
        let trimmed = lower.trim_ascii();
        if parts != 1 || !identifier.contains(&b'_') {
            call(trimmed);
        }
    }
}

const WORD_BYTES_MAX: usize = 64;

fn starts_part(text: &[u8], at: usize) -> bool {
    let (before, here) = (text[at - 1], text[at]);
    let next = text.get(at + 1).copied().unwrap_or(b'_');
    here.is_ascii_uppercase()
        && (before.is_ascii_lowercase() || before.is_ascii_digit() || next.is_ascii_lowercase())
}

/// The identifiers of a text with more than one part, or in code quotes: names that are worth
/// looking up.
pub fn names(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|name| name.len() > 2 && name.len() <= WORD_BYTES_MAX)
        .filter(|name| !name.starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

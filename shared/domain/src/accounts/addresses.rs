//! Mail addresses.

use std::fmt;

/// A mail address. It is personal data and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct MailAddress(String);

/// A text that is not a mail address. The error contains no part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadAddress;

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a mail address such as `somebody@example.com`")
    }
}

impl std::error::Error for BadAddress {}

/// The SMTP limits for a path and for its local part.
const BYTES_MAX: usize = 254;
const LOCAL_BYTES_MAX: usize = 64;

impl MailAddress {
    /// Parses a single recipient in plain characters, without a display name or anything that a
    /// mail header could read as several addresses. International domains must be in their `xn--`
    /// form.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(BadAddress)?;
        let plain = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&c);
        let label = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
        };
        let local_is_fine = !local.is_empty()
            && local.len() <= LOCAL_BYTES_MAX
            && local.bytes().all(plain)
            && local.split('.').all(|part| !part.is_empty());
        let domain_is_fine = domain.contains('.') && domain.split('.').all(label);
        if local_is_fine && domain_is_fine && text.len() <= BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadAddress)
        }
    }

    /// Returns the address, for sending and storing.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form for comparisons: mailboxes do not differ by case alone.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Debug for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailAddress(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plain_address_and_nothing_more() {
        for (text, fine) in [
            ("billing@acme.example", true),
            (" Billing+tally@Acme.Example ", true),
            ("o'neill@xn--bcher-kva.example", true),
            ("", false),
            ("@acme.example", false),
            ("billing@", false),
            ("billing@localhost", false),
            ("billing@acme..example", false),
            ("billing@-acme.example", false),
            (".billing@acme.example", false),
            ("a b@acme.example", false),
            ("a@b@acme.example", false),
            ("Billing <billing@acme.example>", false),
            ("billing@acme.example, other@acme.example", false),
            ("billing@acme.example\r\nBcc: other@acme.example", false),
            ("büro@acme.example", false),
            (&format!("{}@acme.example", "x".repeat(65)), false),
            (&format!("x@{}.example", "x".repeat(250)), false),
        ] {
            assert_eq!(MailAddress::parse(text).is_ok(), fine, "{text:?}");
        }
        let address = MailAddress::parse("Billing@Acme.Example").expect("an address");
        assert_eq!(address.folded(), "billing@acme.example");
        assert!(!format!("{address:?}").contains("Acme"));
    }
}

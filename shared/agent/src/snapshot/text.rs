//! Texts that can be written back byte for byte.

use std::fmt;

/// How a text is stored. What is not UTF-8 or UTF-16 with a mark is read byte by byte: each byte is
/// the character with its number, so that bytes which are not touched stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf8Mark,
    Utf16Le,
    Utf16Be,
    Bytes,
}

/// The line ending that most lines have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Lf,
    CrLf,
}

impl Ending {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
        }
    }
}

/// A text with its encoding. Line endings stay in the body as they were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    body: String,
    encoding: Encoding,
}

/// Git looks this far for a NUL as well.
const NUL_WITHIN: usize = 8_000;

impl Text {
    pub fn new(body: String, encoding: Encoding) -> Self {
        Self { body, encoding }
    }

    /// Returns `None` for bytes that are no text.
    pub fn decode(bytes: Vec<u8>) -> Option<Self> {
        let utf16 = |big: bool| {
            let (pairs, rest) = bytes[2..].as_chunks::<2>();
            let units = pairs.iter().map(|pair| {
                if big {
                    u16::from_be_bytes(*pair)
                } else {
                    u16::from_le_bytes(*pair)
                }
            });
            let body = char::decode_utf16(units).collect::<Result<String, _>>();
            let body = body.ok().filter(|body| !body.contains('\0'))?;
            let encoding = if big {
                Encoding::Utf16Be
            } else {
                Encoding::Utf16Le
            };
            rest.is_empty().then(|| Self::new(body, encoding))
        };
        match bytes.as_slice() {
            [0xFF, 0xFE, ..] => return utf16(false),
            [0xFE, 0xFF, ..] => return utf16(true),
            _ => {}
        }
        if bytes.iter().take(NUL_WITHIN).any(|byte| *byte == 0) {
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(body) => match body.strip_prefix('\u{FEFF}') {
                Some(rest) => Some(Self::new(rest.to_owned(), Encoding::Utf8Mark)),
                None => Some(Self::new(body, Encoding::Utf8)),
            },
            Err(error) => {
                let body = error.into_bytes().into_iter().map(char::from).collect();
                Some(Self::new(body, Encoding::Bytes))
            }
        }
    }

    pub fn encode(&self) -> Result<Vec<u8>, NotEncodable> {
        let utf16 = |mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
            let mut all = mark.to_vec();
            all.extend(self.body.encode_utf16().flat_map(bytes));
            all
        };
        match self.encoding {
            Encoding::Utf8 => Ok(self.body.clone().into_bytes()),
            Encoding::Utf8Mark => Ok(format!("\u{FEFF}{}", self.body).into_bytes()),
            Encoding::Utf16Le => Ok(utf16([0xFF, 0xFE], u16::to_le_bytes)),
            Encoding::Utf16Be => Ok(utf16([0xFE, 0xFF], u16::to_be_bytes)),
            Encoding::Bytes => self
                .body
                .chars()
                .map(|c| u8::try_from(c).map_err(|_| NotEncodable(c)))
                .collect(),
        }
    }

    pub fn body(&self) -> &str {
        &self.body
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub fn ending(&self) -> Ending {
        let all = self.body.matches('\n').count();
        let with_return = self.body.matches("\r\n").count();
        if with_return * 2 > all {
            Ending::CrLf
        } else {
            Ending::Lf
        }
    }
}

/// A character that the file's encoding does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotEncodable(pub char);

impl fmt::Display for NotEncodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "The file is not UTF-8 and cannot hold `{}`. Write the change with ASCII characters.",
            self.0.escape_unicode()
        )
    }
}

impl std::error::Error for NotEncodable {}

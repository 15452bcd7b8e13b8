//! The part of HTTP/1.1 that a peer with persistent connections needs: requests with a stated
//! length, and answers.

use std::io::{self, BufRead, Write};

/// One request.
pub struct Request {
    /// Method, path and version.
    pub line: String,
    headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}

/// The next request on this connection, or `None` if the peer closed it.
pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Request>> {
    let line = line(stream)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let line = self::line(stream)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut request = Request {
        line,
        headers,
        body: Vec::new(),
    };
    if !request.header("transfer-encoding").is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "a body in chunks",
        ));
    }
    request
        .body
        .resize(request.header("content-length").parse().unwrap_or(0), 0);
    stream.read_exact(&mut request.body)?;
    Ok(Some(request))
}

fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    line.truncate(line.trim_end().len());
    Ok(line)
}

/// Writes one answer in a single write.
pub fn write(
    stream: &mut impl Write,
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let mut answer = format!(
        "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        answer.push_str(&format!("{name}: {value}\r\n"));
    }
    answer.push_str("\r\n");
    let mut answer = answer.into_bytes();
    answer.extend_from_slice(body);
    stream.write_all(&answer)?;
    stream.flush()
}

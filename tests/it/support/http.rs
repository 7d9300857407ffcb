//! A plain HTTP/1.1 client on a blocking socket: small enough that what is on the wire is plain.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// One connection, kept open between requests.
pub struct Http {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub const PROTOBUF: &str = "application/x-protobuf";
pub const JSON: &str = "application/json";

impl Http {
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.write(format!("GET {path} HTTP/1.1\r\nhost: halod\r\n\r\n").as_bytes())?;
        self.answer()
    }

    /// Posts `body`; `headers` go beside the content length.
    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
        self.send("POST", path, headers, body)
    }

    /// The same by any method.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        self.head(method, path, headers, body.len())?;
        // A refusal may come before the body is read; the answer counts, not the broken pipe.
        let sent = self.write(body);
        match (self.answer(), sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(e)) | (Err(e), Ok(())) => Err(e),
        }
    }

    /// Posts a trace export in protobuf.
    pub fn export(&mut self, body: &[u8]) -> io::Result<Answer> {
        self.post("/v1/traces", &[("content-type", PROTOBUF)], body)
    }

    /// The request's head alone; the body follows by [`Self::write`].
    pub fn begin(&mut self, path: &str, headers: &[(&str, &str)], length: usize) -> io::Result<()> {
        self.head("POST", path, headers, length)
    }

    fn head(&mut self, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> io::Result<()> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: halod\r\ncontent-length: {length}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write(head.as_bytes())
    }

    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        let status = loop {
            let line = self.line()?;
            let status: u16 =
                line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| bad(&line))?;
            if status >= 200 {
                break status;
            }
            while !self.line()?.is_empty() {}
        };
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        self.body(&mut answer)?;
        Ok(answer)
    }

    fn body(&mut self, answer: &mut Answer) -> io::Result<()> {
        if answer.header("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line()?;
                let size = usize::from_str_radix(&line, 16).map_err(|_| bad(&line))?;
                let mut chunk = vec![0; size + 2];
                self.stream.read_exact(&mut chunk)?;
                if size == 0 {
                    return Ok(());
                }
                answer.body.extend_from_slice(&chunk[..size]);
            }
        }
        match answer.header("content-length").map(str::parse) {
            Some(Ok(length)) => {
                answer.body.resize(length, 0);
                self.stream.read_exact(&mut answer.body)
            }
            Some(Err(_)) => Err(bad("content-length")),
            None if answer.status == 204 => Ok(()),
            None => self.stream.read_to_end(&mut answer.body).map(|_| ()),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {what:?}"))
}

//! A scrape of a provider's metrics.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    /// Size of the answer's body.
    pub bytes: usize,
    /// Name and labels of each series.
    pub series: BTreeSet<String>,
}

/// Asks for `/metrics` on a port of the loopback interface.
///
/// # Errors
/// When there is no good answer.
pub async fn scrape(port: u16) -> io::Result<Scrape> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
    // 1.0, so that the body comes in one piece and the server closes behind it.
    stream
        .write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.split(' ').nth(1) == Some("200") => Ok(parse(body)),
        _ => {
            let first = answer.lines().next().unwrap_or_default();
            Err(io::Error::other(format!("answer to a scrape: {first:?}")))
        }
    }
}

fn parse(body: &str) -> Scrape {
    let series = body
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        // Label values may hold spaces and braces; the value behind holds neither.
        .map(|line| match line.rsplit_once('}') {
            Some((series, _)) => format!("{series}}}"),
            None => line.split(' ').next().unwrap_or_default().to_owned(),
        })
        .collect();
    Scrape {
        bytes: body.len(),
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_its_name_and_labels() {
        let body = "# HELP a x\n# TYPE a counter\na_total{code=\"OK\",text=\"a } b\"} 3\na_total{code=\"NO\"} 1\nup 1\n";
        let scrape = parse(body);
        assert_eq!(
            scrape.series.iter().map(String::as_str).collect::<Vec<_>>(),
            [
                "a_total{code=\"NO\"}",
                "a_total{code=\"OK\",text=\"a } b\"}",
                "up"
            ]
        );
        assert_eq!(scrape.bytes, body.len());
    }
}

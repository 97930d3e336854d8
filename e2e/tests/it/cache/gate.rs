//! A proxy between the provider and Azure that can be told to misbehave on the way.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections to the vault; those to Entra always pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// They reach it.
    Open,
    /// The proxy refuses them, as for a port where nobody listens.
    Refused,
    /// The proxy knows no address for the name.
    Nameless,
    /// Something answers that does not speak TLS.
    NoTls,
    /// They are accepted, and nothing comes back.
    Silent,
}

/// The proxy. Whenever the way changes, all connections to the vault are cut.
pub(super) struct Gate {
    pub(super) address: SocketAddr,
    way: watch::Sender<Way>,
}

impl Gate {
    pub(super) async fn before(azure: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::Open);
        let ways = Arc::new(way.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, azure, ways.subscribe()));
            }
        });
        Self { address, way }
    }

    pub(super) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

/// Serves one CONNECT. Errors are the ends of connections.
async fn pass(
    mut near: TcpStream,
    azure: SocketAddr,
    mut ways: watch::Receiver<Way>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await?);
    }
    let to_vault = head.starts_with(b"CONNECT kv-");
    let way = *ways.borrow_and_update();
    let established = b"HTTP/1.1 200 OK\r\n\r\n";
    let serve = async {
        match way {
            Way::Refused if to_vault => near.write_all(b"HTTP/1.1 503 Refused\r\n\r\n").await,
            Way::Nameless if to_vault => near.write_all(b"HTTP/1.1 502 No name\r\n\r\n").await,
            Way::NoTls if to_vault => {
                near.write_all(established).await?;
                near.write_all(b"220 mail.example ESMTP\r\n").await
            }
            Way::Silent if to_vault => {
                near.write_all(established).await?;
                std::future::pending().await
            }
            _ => {
                let mut far = TcpStream::connect(azure).await?;
                near.write_all(established).await?;
                copy_bidirectional(&mut near, &mut far).await.map(|_| ())
            }
        }
    };
    if to_vault {
        tokio::select! {
            result = serve => result,
            _ = ways.changed() => Ok(()),
        }
    } else {
        serve.await
    }
}

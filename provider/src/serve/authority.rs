//! Makes the `:authority` of older drivers acceptable to the HTTP/2 server.
//!
//! Secrets Store CSI drivers up to 1.5.6 dial the bare socket path, and gRPC puts it on the wire
//! as `:authority: /var/run/…/azure.sock` (newer libraries percent-encode it). Neither is an
//! authority, so h2 resets the stream before any request reaches tonic
//! (<https://github.com/hyperium/h2/issues/487>). [`AuthorityStream`] sits between the socket and
//! tonic and replaces each `/` and `%` in the value of the `:authority` literal by `-`. Driver
//! 1.6 and later send `localhost`, which passes untouched.
//!
//! # Why single characters and not the whole value
//!
//! The header field may be added to the connection's HPACK table, where an entry is accounted by
//! its decoded length. A value of another length would let the two ends evict at different
//! moments, after which indices mean different headers. Replacing an octet by an octet keeps the
//! accounting exact; and since `/`, `%` and `-` all have six-bit Huffman codes, it also keeps the
//! length of the encoded string and of the frame. Everything happens in place and any later
//! indexed reference yields the replaced value.
//!
//! # What is left to h2 to judge
//!
//! Whatever is not understood passes through byte for byte: input that does not start with the
//! HTTP/2 preface, frames longer than the default `SETTINGS_MAX_FRAME_SIZE` (so the server must
//! not raise it), header blocks continued in CONTINUATION frames, malformed blocks, an empty
//! authority, characters other than the two above, and a literal that names `:authority` through
//! the dynamic table (static index 1 always exists, and encoders prefer it).

mod header_block;
mod rewriter;
#[cfg(test)]
mod tests;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

pub use rewriter::Rewriter;

/// Octets asked of the inner stream at a time.
const CHUNK: usize = 8 * 1024;

/// A stream whose read side went through a [`Rewriter`]; the write side is the inner stream's.
///
/// Holds at most one HEADERS frame and one chunk beyond what the reader took.
pub struct AuthorityStream<S> {
    inner: S,
    rewriter: Rewriter,
    chunk: Box<[u8]>,
    /// Rewritten, not yet read.
    ready: BytesMut,
    ended: bool,
}

impl<S> AuthorityStream<S> {
    /// Wraps a connection before its first octet was read.
    pub fn new(inner: S) -> Self {
        let chunk = vec![0; CHUNK].into_boxed_slice();
        Self {
            inner,
            rewriter: Rewriter::new(),
            chunk,
            ready: BytesMut::new(),
            ended: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for AuthorityStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A part of a HEADERS frame yields nothing yet: returning then would read as end of stream.
        while this.ready.is_empty() && !this.ended {
            let mut chunk = ReadBuf::new(&mut this.chunk);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                this.ended = true;
                this.rewriter.finish(&mut this.ready);
            } else {
                this.rewriter.push(chunk.filled(), &mut this.ready);
            }
        }
        let (taken, _) = this.ready.split_at(this.ready.len().min(buf.remaining()));
        buf.put_slice(taken);
        let length = taken.len();
        this.ready.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for AuthorityStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Over a unix socket the request extensions hold tonic's `UdsConnectInfo`, with the caller's
/// uid, gid and pid.
impl<S: Connected> Connected for AuthorityStream<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.inner.connect_info()
    }
}

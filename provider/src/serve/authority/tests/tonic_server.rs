//! The whole way: octets of an older driver, the adapter, tonic, a handler.

use std::time::Duration;

use loona_hpack::Decoder;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_stream::once;
use tonic::transport::Server;
use tonic::{Request, Response, Status, async_trait};
use vaultbind_proto::csi_driver_provider_server::{CsiDriverProvider, CsiDriverProviderServer};
use vaultbind_proto::{MountRequest, MountResponse, VersionRequest, VersionResponse};

use super::client::{
    DATA, END_HEADERS, END_STREAM, Encoder, Field, Form, Frame, HEADERS, PREFACE, RST_STREAM,
    SETTINGS, frame, frames, headers,
};
use super::{AuthorityStream, PATH};

struct Provider;

#[async_trait]
impl CsiDriverProvider for Provider {
    async fn version(
        &self,
        request: Request<VersionRequest>,
    ) -> Result<Response<VersionResponse>, Status> {
        let version = request.into_inner().version;
        Ok(Response::new(VersionResponse {
            version,
            ..Default::default()
        }))
    }

    async fn mount(&self, _: Request<MountRequest>) -> Result<Response<MountResponse>, Status> {
        Err(Status::internal("not asked for"))
    }
}

fn call(encoder: &mut Encoder, stream: u32, authority: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x86]; // :method: POST, :scheme: http
    for (name, value) in [
        (":path", "/v1alpha1.CSIDriverProvider/Version"),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        encoder.encode(&Field::new(name, value, Form::Indexed), &mut block);
    }
    let message = VersionRequest {
        version: format!("call {stream}"),
    }
    .encode_to_vec();
    let mut data = vec![0];
    data.extend((message.len() as u32).to_be_bytes());
    data.extend(message);
    let mut octets = headers(END_HEADERS, stream, 0, &block);
    octets.extend(frame(DATA, END_STREAM, stream, &data));
    octets
}

/// Sends the calls on one connection and reads until each stream has ended.
async fn exchange(mut stream: DuplexStream, authorities: &[&str]) -> Vec<u8> {
    let mut octets = PREFACE.to_vec();
    octets.extend(frame(SETTINGS, 0, 0, &[]));
    let mut encoder = Encoder::new();
    for (id, authority) in (1..).step_by(2).zip(authorities) {
        octets.extend(call(&mut encoder, id, authority));
    }
    stream.write_all(&octets).await.unwrap();
    let mut answer = Vec::new();
    let ended = |frame: &&Frame<'_>| {
        frame.kind == RST_STREAM || frame.kind == HEADERS && frame.flags & END_STREAM != 0
    };
    while frames(&answer).iter().filter(ended).count() < authorities.len() {
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_buf(&mut answer));
        assert_ne!(
            read.await.expect("the server answers").unwrap(),
            0,
            "connection closed"
        );
    }
    answer
}

fn serve<S>(stream: S)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    S: tonic::transport::server::Connected,
{
    let incoming = once(Ok::<_, std::io::Error>(stream));
    let server = Server::builder().add_service(CsiDriverProviderServer::new(Provider));
    tokio::spawn(server.serve_with_incoming(incoming));
}

#[tokio::test]
async fn tonic_answers_calls_whose_authority_is_a_path() {
    let (theirs, ours) = duplex(4096);
    serve(AuthorityStream::new(ours));
    let encoded = "%2Fvar%2Frun%2Fazure.sock";
    let answer = exchange(theirs, &[PATH, PATH, "localhost", encoded, PATH, encoded]).await;

    let mut decoder = Decoder::new();
    let (mut statuses, mut versions) = (Vec::new(), Vec::new());
    for frame in frames(&answer) {
        match frame.kind {
            HEADERS => {
                let fields = decoder.decode(frame.block()).unwrap();
                statuses.extend(
                    fields
                        .into_iter()
                        .filter(|(name, _)| name == b"grpc-status"),
                );
            }
            DATA if !frame.payload.is_empty() => {
                versions.push(
                    VersionResponse::decode(&frame.payload[5..])
                        .unwrap()
                        .version,
                );
                assert_eq!(versions.last().unwrap(), &format!("call {}", frame.stream));
            }
            kind => assert_ne!(kind, RST_STREAM),
        }
    }
    assert_eq!(statuses, vec![(b"grpc-status".to_vec(), b"0".to_vec()); 6]);
    assert_eq!(versions.len(), 6);
}

#[tokio::test]
async fn without_the_adapter_the_stream_is_reset() {
    let (theirs, ours) = duplex(4096);
    serve(ours);
    let answer = exchange(theirs, &[PATH]).await;
    assert!(frames(&answer).iter().any(|frame| frame.kind == RST_STREAM));
}

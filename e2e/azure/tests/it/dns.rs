//! The DNS responder, asked over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::net::UdpSocket;
use vaultbind_azure::{Azure, Options, Seed, StartError};

use crate::seed;

const LIMIT: Duration = Duration::from_secs(10);
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

async fn start(dns_answer: Option<Ipv4Addr>) -> (Azure, UdpSocket) {
    let azure = Azure::start(Options {
        seed: seed(),
        dns: Some(FREE),
        dns_answer,
        ..Options::default()
    });
    let azure = azure.await.unwrap();
    let socket = UdpSocket::bind(FREE).await.unwrap();
    socket.connect(azure.dns_addr().unwrap()).await.unwrap();
    (azure, socket)
}

async fn receive(socket: &UdpSocket) -> Message {
    let mut buffer = [0; 512];
    let received = tokio::time::timeout(LIMIT, socket.recv(&mut buffer));
    let length = received.await.unwrap().unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

async fn ask(socket: &UdpSocket, name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.set_edns(Edns::new());
    socket.send(&message.to_vec().unwrap()).await.unwrap();
    let answer = receive(socket).await;
    assert_eq!(answer.metadata.id, message.metadata.id);
    // To the case of the letters, by which some resolvers know an answer.
    assert_eq!(answer.queries[0].name().to_ascii(), name);
    assert!(answer.edns.is_some());
    answer
}

fn addresses(message: &Message) -> Vec<Ipv4Addr> {
    let data = message
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::A(address) => Some(address.0),
            _ => None,
        });
    data.collect()
}

#[tokio::test]
async fn names_of_azure_have_an_address_or_do_not_exist() {
    let (_azure, socket) = start(Some(Ipv4Addr::new(10, 250, 0, 10))).await;
    let (a, aaaa) = (RecordType::A, RecordType::AAAA);
    let (ok, missing, refused) = (
        ResponseCode::NoError,
        ResponseCode::NXDomain,
        ResponseCode::Refused,
    );
    for (name, kind, code, count) in [
        ("login.microsoftonline.com.", a, ok, 1),
        ("LOGIN.microsoftonline.US.", a, ok, 1),
        ("login.chinacloudapi.cn.", a, ok, 1),
        ("MyVault.vault.Azure.net.", a, ok, 1),
        ("myvault.vault.azure.net.", aaaa, ok, 0),
        ("myvault.vault.azure.net.", RecordType::TXT, ok, 0),
        ("vault.azure.net.", a, ok, 0),
        ("nope.vault.azure.net.", a, missing, 0),
        ("nope.vault.azure.net.", aaaa, missing, 0),
        ("myvault.vault.azure.cn.", a, missing, 0),
        ("myvault.vault.azure.net.svc.cluster.local.", a, refused, 0),
        ("example.org.", a, refused, 0),
        (".", a, refused, 0),
    ] {
        let answer = ask(&socket, name, kind).await;
        let found = (answer.metadata.response_code, answer.answers.len());
        assert_eq!(found, (code, count), "{name} {kind}");
        assert_eq!(answer.metadata.authoritative, code != refused, "{name}");
        assert_eq!(
            addresses(&answer),
            vec![Ipv4Addr::new(10, 250, 0, 10); count]
        );
    }
}

#[tokio::test]
async fn a_vault_is_known_while_it_is_there() {
    let (azure, socket) = start(None).await;
    let name = "later.vault.azure.net.";
    let seed = "vaults: [{name: later, tenantID: t}]";
    for _ in 0..2 {
        let answer = ask(&socket, name, RecordType::A).await;
        assert_eq!(answer.metadata.response_code, ResponseCode::NXDomain);
        azure.seed(&Seed::from_yaml("seed", seed).unwrap()).unwrap();
        let answer = ask(&socket, name, RecordType::A).await;
        assert_eq!(addresses(&answer), [Ipv4Addr::LOCALHOST]);
        assert!(azure.vaults().remove("later"));
    }
}

#[tokio::test]
async fn rubbish_does_not_end_it() {
    let (_azure, socket) = start(None).await;
    for rubbish in [
        &b""[..],
        b"\x00",
        &[0xff; 512],
        // A name that points at itself.
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01",
        &[0; 9000],
    ] {
        socket.send(rubbish).await.unwrap();
    }
    // The loop is answered as malformed; what came before it may be or not.
    let loops = async {
        loop {
            let answer = receive(&socket).await;
            assert_eq!(answer.metadata.response_code, ResponseCode::FormErr);
            if answer.metadata.id == 0x1234 {
                return;
            }
        }
    };
    loops.await;
    let fresh = UdpSocket::bind(FREE).await.unwrap();
    fresh.connect(socket.peer_addr().unwrap()).await.unwrap();
    let answer = ask(&fresh, "myvault.vault.azure.net.", RecordType::A).await;
    assert_eq!(addresses(&answer), [Ipv4Addr::LOCALHOST]);
}

#[tokio::test]
async fn it_must_know_what_to_answer() {
    let azure = Azure::start(Options {
        listen: "[::1]:0".parse().unwrap(),
        dns: Some(FREE),
        ..Options::default()
    });
    let error = azure.await.unwrap_err();
    assert!(matches!(error, StartError::DnsAnswer(_)), "{error}");
    assert_eq!(crate::azure().await.dns_addr(), None);
}

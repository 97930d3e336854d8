//! A DNS responder, so that clients find the emulated Azure under the real host names without a
//! proxy. It knows the login hosts and the vaults that are seeded, and forwards nothing.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};
use tokio::net::UdpSocket;

use crate::cloud::{Cloud, Target};
use crate::state::State;
use crate::vault::Vaults;

/// Seconds an answer may be kept; short, since vaults are removed at run time.
const TTL: u32 = 1;

/// Longer messages are cut, and then malformed; no query of one name comes near.
const MAX_QUERY: usize = 4096;

/// The largest answer without fragments; answers are far smaller.
const MAX_PAYLOAD: u16 = 1232;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    /// A login host, Resource Manager or a vault.
    Host,
    /// The parent of all vaults of a cloud: it exists, without an address.
    Parent,
    /// Below a name of Azure, but not there.
    Missing,
    /// Not of Azure.
    Foreign,
}

impl Name {
    /// `host` is in lower case, without a dot at the end.
    fn of(host: &str, vaults: &Vaults) -> Self {
        match Target::of_host_or(host, |host| vaults.find(host).is_some()) {
            Some(Target::Entra(_) | Target::ResourceManager(_)) => return Self::Host,
            Some(Target::Vault) if vaults.find(host).is_some() => return Self::Host,
            Some(Target::Vault) => return Self::Missing,
            None => {}
        }
        let is_below = |parent: &str| {
            host.strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        let all = Cloud::ALL;
        if all.iter().any(|cloud| host == cloud.vault_suffix()) {
            Self::Parent
        } else if all
            .iter()
            .flat_map(|cloud| {
                [
                    cloud.vault_suffix(),
                    cloud.login_host(),
                    cloud.management_host(),
                ]
            })
            .any(is_below)
        {
            Self::Missing
        } else {
            Self::Foreign
        }
    }
}

/// Answers until the server stops.
pub(crate) async fn serve(state: Arc<State>, socket: UdpSocket, address: Ipv4Addr) {
    let mut buffer = vec![0; MAX_QUERY];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = state.stopping.cancelled() => return,
        };
        if let Err(error) = answer_one(&state, &socket, &buffer, received, address).await {
            tracing::warn!(%error, "DNS");
            // An error that stays must not keep a processor busy.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer_one(
    state: &State,
    socket: &UdpSocket,
    buffer: &[u8],
    received: io::Result<(usize, std::net::SocketAddr)>,
    address: Ipv4Addr,
) -> io::Result<()> {
    let (length, peer) = received?;
    let query = buffer.get(..length).unwrap_or_default();
    let Some(answer) = answer(query, &state.vaults, address) else {
        return Ok(());
    };
    match answer.to_vec() {
        Ok(bytes) => socket.send_to(&bytes, peer).await.map(drop),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// The answer to a message; none to what is no query, so that two servers never talk for ever.
fn answer(message: &[u8], vaults: &Vaults, address: Ipv4Addr) -> Option<Message> {
    let [high, low, flags, ..] = *message else {
        return None;
    };
    if flags & 0x80 != 0 {
        return None;
    }
    let Ok(request) = Message::from_vec(message) else {
        let id = u16::from_be_bytes([high, low]);
        let op_code = OpCode::from_u8((flags >> 3) & 0xf);
        return Some(Message::error_msg(id, op_code, ResponseCode::FormErr));
    };
    let mut answer = Message::new(
        request.metadata.id,
        MessageType::Response,
        request.metadata.op_code,
    );
    answer.metadata.recursion_desired = request.metadata.recursion_desired;
    answer.queries.clone_from(&request.queries);
    answer.metadata.response_code = match (request.metadata.op_code, request.queries.as_slice()) {
        (OpCode::Query, [query]) => resolve(query, vaults, address, &mut answer),
        (OpCode::Query, _) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    if let Some(theirs) = &request.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(MAX_PAYLOAD).set_version(0);
        answer.edns = Some(edns);
        if theirs.version() > 0 {
            answer.answers.clear();
            answer.metadata.response_code = ResponseCode::BADVERS;
        }
    }
    Some(answer)
}

/// No SOA goes with what is not there: nobody is to keep that, as the vault may be seeded next.
fn resolve(
    query: &Query,
    vaults: &Vaults,
    address: Ipv4Addr,
    answer: &mut Message,
) -> ResponseCode {
    if query.query_class() != DNSClass::IN {
        return ResponseCode::Refused;
    }
    let host = query.name().to_ascii().to_ascii_lowercase();
    let name = Name::of(host.trim_end_matches('.'), vaults);
    tracing::debug!(%host, kind = %query.query_type(), ?name, "DNS");
    answer.metadata.authoritative = name != Name::Foreign;
    match name {
        Name::Foreign => return ResponseCode::Refused,
        Name::Missing => return ResponseCode::NXDomain,
        Name::Parent => {}
        Name::Host if query.query_type() == RecordType::A => {
            let data = RData::A(A(address));
            answer.add_answer(Record::from_rdata(query.name().clone(), TTL, data));
        }
        Name::Host => {}
    }
    ResponseCode::NoError
}

#[cfg(test)]
mod tests;

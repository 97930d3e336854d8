use std::str::FromStr as _;

use hickory_proto::rr::Name as DnsName;
use proptest::prelude::*;

use super::*;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 250, 0, 10);

fn vaults() -> Vaults {
    let seeds = "[{name: MyVault, tenantID: t}, {name: far, tenantID: t, cloud: AzureChina}]";
    Vaults::from_seed(&serde_yaml::from_str::<Vec<_>>(seeds).unwrap(), 0).unwrap()
}

#[test]
fn names_are_hosts_missing_or_foreign() {
    let vaults = vaults();
    for (host, name) in [
        ("login.microsoftonline.com", Name::Host),
        ("login.microsoftonline.us", Name::Host),
        ("management.azure.com", Name::Host),
        ("a.management.azure.com", Name::Missing),
        ("azure.com", Name::Foreign),
        ("myvault.vault.azure.net", Name::Host),
        ("far.vault.azure.cn", Name::Host),
        ("far.vault.azure.net", Name::Missing),
        ("nope.vault.azure.net", Name::Missing),
        ("a.myvault.vault.azure.net", Name::Missing),
        ("a\\.b.vault.azure.net", Name::Missing),
        ("a.login.microsoftonline.com", Name::Missing),
        ("vault.azure.net", Name::Parent),
        ("azure.net", Name::Foreign),
        ("evilvault.azure.net", Name::Foreign),
        ("microsoftonline.com", Name::Foreign),
        ("myvault.vault.azure.net.cluster.local", Name::Foreign),
        ("", Name::Foreign),
    ] {
        assert_eq!(Name::of(host, &vaults), name, "{host}");
    }
}

#[test]
fn strange_messages_get_the_code_for_it_or_nothing() {
    let vaults = vaults();
    let query = || {
        let name = DnsName::from_str("myvault.vault.azure.net.").unwrap();
        let mut message = Message::query();
        message.add_query(Query::query(name, RecordType::A));
        message
    };
    let code = |message: &Message| {
        let answer = answer(&message.to_vec().unwrap(), &vaults, ADDRESS)?;
        Some((answer.metadata.response_code, answer.answers.len()))
    };
    assert_eq!(code(&query()), Some((ResponseCode::NoError, 1)));
    let mut two = query();
    two.add_query(Query::query(DnsName::root(), RecordType::A));
    assert_eq!(code(&two), Some((ResponseCode::FormErr, 0)));
    let mut none = query();
    none.queries.clear();
    assert_eq!(code(&none), Some((ResponseCode::FormErr, 0)));
    let mut update = query();
    update.metadata.op_code = OpCode::Notify;
    assert_eq!(code(&update), Some((ResponseCode::NotImp, 0)));
    let mut reply = query();
    reply.metadata.message_type = MessageType::Response;
    assert_eq!(code(&reply), None);
    let mut future = query();
    future.set_edns(Edns::new().set_version(1).clone());
    assert_eq!(code(&future), Some((ResponseCode::BADVERS, 0)));
    let mut chaos = query();
    chaos.queries[0].query_class = DNSClass::CH;
    assert_eq!(code(&chaos), Some((ResponseCode::Refused, 0)));
    // A header that promises a question, and nothing after it.
    let cut = &query().to_vec().unwrap()[..12];
    let error = answer(cut, &vaults, ADDRESS).unwrap();
    assert_eq!(error.metadata.response_code, ResponseCode::FormErr);
    assert_eq!(answer(&cut[..2], &vaults, ADDRESS), None);
}

proptest! {
    #[test]
    fn no_message_panics_and_every_answer_can_be_written(
        noise in proptest::collection::vec(any::<u8>(), 0..64),
        at in 0usize..48,
    ) {
        let vaults = vaults();
        let name = DnsName::from_str("myvault.vault.azure.net.").unwrap();
        let mut message = Message::query();
        message.add_query(Query::query(name, RecordType::A));
        message.set_edns(Edns::new());
        let mut changed = message.to_vec().unwrap();
        for (byte, noise) in changed.iter_mut().skip(at).zip(&noise) {
            *byte = *noise;
        }
        for bytes in [&noise, &changed] {
            if let Some(answer) = answer(bytes, &vaults, ADDRESS) {
                let written = answer.to_vec();
                prop_assert!(written.is_ok(), "{answer:?}");
                prop_assert_eq!(answer.metadata.id.to_be_bytes(), [bytes[0], bytes[1]]);
            }
        }
    }
}

//! Values: read as the workload, exactly those that are wanted, and what is told of refusals.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use vaultbind_azure::vault::{Network, RoleAssignment};
use vaultbind_azure::{Action, Fault, Match, Service};
use vaultbind_crds::binding::{Decode, ObjectType, Part};
use vaultbind_keyvault::error::{FetchProblem, Forbidden, TokenProblem};
use vaultbind_keyvault::metadata::MetadataOptions;
use vaultbind_keyvault::transport::Unreachable;
use vaultbind_keyvault::{FetchError, VersionId};
use vaultbind_operator::observed::{Caller, VaultRef};
use vaultbind_operator::resolve::{NoValues, OwnIdentity, ValueError, Values, Wanted};

use crate::stage::*;

const MAY_READ: &str = "Key Vault Secrets User";

/// A secret `db` with versions 0 to 2, whose values are `value 0` and so on, and a secret `other`.
fn vault(role: &str, more: &str) -> String {
    let versions: String = (0..3)
        .map(|n| format!("    - {{version: '{}', value: value {n}}}\n", version(n)))
        .collect();
    with_roles(
        &format!("  roleAssignments: [{{principal: {CLIENT}, role: {role}}}]\n"),
        &format!(
            "  secrets:\n  - {{name: other, version: '{}', value: other value}}\n  - name: db\n    \
             versions:\n{versions}{more}",
            version(9)
        ),
    )
}

fn wanted(name: &str, version: VersionId) -> Wanted {
    Wanted::new(key(name), version, None, Decode::None)
}

fn set<const N: usize>(wanted: [Wanted; N]) -> BTreeSet<Wanted> {
    wanted.into()
}

impl Stage {
    /// In a task of its own, as the controller has it.
    async fn values(&self, wanted: &BTreeSet<Wanted>) -> Values {
        let (resolver, wanted) = (Arc::clone(&self.resolver), wanted.clone());
        let values = tokio::spawn(async move { resolver.values(&asker(), 400, &wanted).await });
        values.await.unwrap().unwrap()
    }
}

fn refused(values: &Values, one: &Wanted) -> Arc<ValueError> {
    values[one].clone().unwrap_err()
}

/// Why the vault did not give it.
fn unread(error: &ValueError) -> &FetchError {
    match error {
        ValueError::Fetch(error) => error,
        other => panic!("{other}"),
    }
}

fn strike(stage: &Stage, action: Action, times: Option<u32>) {
    let matches = Match {
        service: Some(Service::Vault),
        ..Match::default()
    };
    let fault = Fault {
        times,
        ..Fault::new(matches, action)
    };
    stage.azure.add_fault(fault).unwrap();
}

fn status(code: u16) -> Action {
    Action::Status {
        code,
        retry_after: None,
        retry_after_millis: None,
    }
}

fn throttle() -> Action {
    Action::Status {
        code: 429,
        retry_after: Some(1),
        retry_after_millis: None,
    }
}

fn impatient() -> Setting {
    Setting {
        metadata: MetadataOptions {
            request_timeout: Duration::from_secs(3),
            ..MetadataOptions::default()
        },
        ..Setting::default()
    }
}

#[tokio::test]
async fn exactly_the_versions_that_are_wanted_are_read_and_none_is_kept() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    stage.ask(&question(&["db"]), NOW).await;
    assert_eq!(stage.cost(), (0, 1, 1));

    let all = set([wanted("db", version(0)), wanted("db", version(1))]);
    let expected: Vec<String> = {
        let path = |n| format!("/secrets/db/{}", version(n));
        let mut paths = vec![path(0), path(1)];
        paths.sort();
        paths
    };
    // Each time anew, with the token that there is.
    for _ in 0..2 {
        let values = stage.values(&all).await;
        for (n, value) in [(0, "value 0"), (1, "value 1")] {
            let read = values[&wanted("db", version(n))].clone().unwrap();
            assert_eq!(read.expose(), value.as_bytes());
        }
        assert!(!format!("{values:?}").contains("value 0"));
        assert_eq!(stage.reads(), (expected.clone(), 0));
    }
    assert_eq!(stage.tokens.asked.load(Ordering::Relaxed), 1);
    assert!(stage.values(&BTreeSet::new()).await.is_empty());
    assert_eq!(stage.reads(), (Vec::new(), 0));
}

#[tokio::test]
async fn a_version_is_read_once_for_all_its_forms_and_by_what_each_needs() {
    let certificate = "  certificates: [{name: web, subject: CN=web, issuer: Chain, contentType: \
                       application/x-pkcs12, key: {type: EC, curve: P-256}}]\n";
    let seed = with_roles(
        &format!(
            "  roleAssignments: [{{principal: {CLIENT}, role: Key Vault Certificate User}}]\n"
        ),
        certificate,
    );
    let stage = Stage::start(&seed).await;
    let mut web = key("web");
    web.type_ = ObjectType::Certificate;
    let mut about = question::<&str>(&[]);
    about.objects.push(web.clone());
    let answer = stage.ask(&about, NOW).await;
    let id = answer.versions[&web].as_ref().unwrap()[0].id.clone();
    stage.reads();

    let part = |part| Wanted::new(web.clone(), id.clone(), Some(part), Decode::None);
    let secret = [Part::FullChain, Part::PrivateKey, Part::CA, Part::PFX].map(part);
    let values = stage.values(&set(secret.clone())).await;
    assert!(values.values().all(Result::is_ok), "{values:?}");
    assert_eq!(stage.reads(), (vec![format!("/secrets/web/{id}")], 0));
    let values = stage.values(&set([part(Part::Leaf)])).await;
    assert!(values.values().all(Result::is_ok), "{values:?}");
    assert_eq!(stage.reads(), (vec![format!("/certificates/web/{id}")], 0));

    // What cannot be read is told as the certificate's, which is what the binding names.
    let role = RoleAssignment {
        principal: CLIENT.to_owned(),
        role: "Key Vault Certificate User".to_owned(),
        object: None,
    };
    stage.azure.vaults().revoke_role(VAULT, &role).unwrap();
    let [full_chain, ..] = secret;
    let error = refused(&stage.values(&set([full_chain.clone()])).await, &full_chain);
    assert!(
        error.to_string().contains("certificate web's secret"),
        "{error}"
    );
}

#[tokio::test]
async fn who_may_list_and_not_read_is_told_which_role_is_missing() {
    let stage = Stage::start(&vault("Key Vault Reader", "")).await;
    let one = wanted("db", version(1));
    let listed = stage.ask(&question(&["db"]), NOW).await;
    assert_eq!(found(&listed, "db").len(), 3);
    let error = refused(&stage.values(&set([one.clone()])).await, &one);
    assert_eq!(
        unread(&error).problem,
        FetchProblem::Forbidden(Forbidden::Role)
    );
    assert!(!error.is_outage());
    let text = error.to_string();
    for part in ["secret db", VAULT, CLIENT, MAY_READ] {
        assert!(text.contains(part), "{text}");
    }

    let policies = format!(
        "  authorization: AccessPolicies\n  accessPolicies: [{{principal: {CLIENT}, secrets: \
         [list]}}]\n"
    );
    let secret = format!(
        "  secrets: [{{name: db, version: '{}', value: v}}]\n",
        version(1)
    );
    let stage = Stage::start(&with_roles(&policies, &secret)).await;
    let error = refused(&stage.values(&set([one.clone()])).await, &one);
    let text = error.to_string();
    assert!(text.contains("--secret-permissions get"), "{text}");
}

#[tokio::test]
async fn a_version_that_is_disabled_or_gone_is_told_and_the_others_are_read() {
    let more = format!(
        "  - {{name: off, version: '{}', value: v, enabled: false}}\n",
        version(4)
    );
    let stage = Stage::start(&vault(MAY_READ, &more)).await;
    let (good, off, gone) = (
        wanted("db", version(0)),
        wanted("off", version(4)),
        wanted("db", version(5)),
    );
    let all = set([good.clone(), off.clone(), gone.clone()]);
    let values = stage.values(&all).await;
    assert!(values[&good].is_ok());
    let error = refused(&values, &off);
    assert!(unread(&error).is_disabled(), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with("enable it, or name an enabled version in the field version"),
        "{text}"
    );
    let error = refused(&values, &gone);
    assert!(unread(&error).is_missing(), "{error}");
    assert!(error.to_string().contains(version(5).as_str()), "{error}");
}

#[tokio::test]
async fn a_vault_out_of_reach_is_an_outage_of_every_value() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    let both = [wanted("db", version(0)), wanted("other", version(9))];
    for (network, told) in [
        (Network::Firewall, "does not admit the operator"),
        (Network::PrivateOnly, "the operator does not come through"),
    ] {
        let vaults = stage.azure.vaults();
        vaults.set_network(VAULT, network, &[]).unwrap();
        let values = stage.values(&both.clone().into()).await;
        for one in &both {
            let error = refused(&values, one);
            assert!(error.is_outage(), "{error}");
            assert!(error.to_string().contains(told), "{error}");
        }
    }
    let stage = Stage::start_with(&vault(MAY_READ, ""), impatient()).await;
    strike(&stage, Action::Hang, None);
    let values = stage.values(&both.clone().into()).await;
    for one in &both {
        let error = refused(&values, one);
        assert!(
            matches!(unread(&error).problem, FetchProblem::Unreachable(_)) && error.is_outage(),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_vault_that_does_not_answer_is_not_asked_for_one_value_after_the_other() {
    let role = format!("  roleAssignments: [{{principal: {CLIENT}, role: {MAY_READ}}}]\n");
    let stage = Stage::start_with(&with_roles(&role, &secrets(60)), impatient()).await;
    strike(&stage, Action::Hang, None);
    let all: BTreeSet<Wanted> = names(60)
        .iter()
        .map(|name| wanted(name, version(1)))
        .collect();
    let values = stage.values(&all).await;
    assert_eq!(values.len(), 60);
    for (one, value) in &values {
        let error = value.clone().unwrap_err();
        assert!(error.is_outage(), "{error}");
        assert_eq!(unread(&error).object.name.as_str(), one.key.name);
    }
    // As many as are under way at a time, and those that came in the place of the first to fail.
    let (paths, _) = stage.reads();
    let objects: BTreeSet<String> = paths.into_iter().collect();
    assert!(objects.len() <= 16, "{objects:?}");
}

#[tokio::test]
async fn a_throttle_is_waited_out_and_told_if_it_does_not_end() {
    let one = wanted("db", version(0));
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    strike(&stage, throttle(), Some(1));
    assert!(stage.values(&set([one.clone()])).await[&one].is_ok());
    assert_eq!(stage.azure.faults()[0].struck, 1);

    let stage = Stage::start_with(&vault(MAY_READ, ""), impatient()).await;
    strike(&stage, throttle(), None);
    let error = refused(&stage.values(&set([one.clone()])).await, &one);
    assert_eq!(unread(&error).problem, FetchProblem::Throttled);
    assert!(
        error.is_outage() && error.to_string().ends_with("they are tried again"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_that_the_vault_does_not_take_is_replaced_once() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    let one = wanted("db", version(0));
    strike(&stage, status(401), Some(1));
    assert!(stage.values(&set([one.clone()])).await[&one].is_ok());
    let path = format!("/secrets/db/{}", version(0));
    assert_eq!(stage.reads(), (vec![path.clone(), path], 2));
}

#[tokio::test]
async fn values_are_never_read_as_the_operator() {
    let setting = Setting {
        own: Some(OwnIdentity::Managed { client: None }),
        ..Setting::default()
    };
    let stage = Stage::start_with(&vault(MAY_READ, ""), setting).await;
    let mut own = asker();
    own.caller = Caller::Operator;
    let all = set([wanted("db", version(0))]);
    let refusal = stage.resolver.values(&own, 400, &all).await.unwrap_err();
    assert!(matches!(refusal, NoValues::AsOperator) && !refusal.is_outage());
    assert!(
        refusal.to_string().contains("detection: Workload"),
        "{refusal}"
    );
    assert_eq!(stage.reads(), (Vec::new(), 0));
}

#[tokio::test]
async fn without_a_token_nothing_is_read() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    let all = set([wanted("db", version(0)), wanted("other", version(9))]);
    let mut stranger = asker();
    if let Caller::Workload {
        service_account, ..
    } = &mut stranger.caller
    {
        "somebody-else".clone_into(service_account);
    }
    let refusal = stage.resolver.values(&stranger, 400, &all).await;
    let NoValues::NoToken(error, subject) = refusal.unwrap_err() else {
        panic!("a token");
    };
    assert!(matches!(
        error.problem,
        TokenProblem::NoFederatedCredential { .. }
    ));
    assert_eq!(
        subject.subject,
        "system:serviceaccount:payments:somebody-else"
    );
    assert_eq!(stage.reads(), (Vec::new(), 1));

    let missing = "ServiceAccount payments/payments does not exist";
    *stage.tokens.refusal.lock().unwrap() = Some(missing.to_owned());
    let refusal = stage.resolver.values(&asker(), 400, &all).await;
    let refusal = refusal.unwrap_err();
    assert!(matches!(refusal, NoValues::NoServiceAccountToken(_)));
    assert_eq!(refusal.to_string(), missing);
    assert_eq!(stage.reads(), (Vec::new(), 0));
}

#[tokio::test]
async fn no_token_goes_to_a_host_that_is_not_allowed() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    let mut elsewhere = asker();
    elsewhere.vault = VaultRef::Host("vault.example.org".to_owned());
    let one = wanted("db", version(0));
    let all = set([one.clone()]);
    let values = stage.resolver.values(&elsewhere, 400, &all).await.unwrap();
    let error = refused(&values, &one);
    assert!(
        matches!(
            unread(&error).problem,
            FetchProblem::Unreachable(Unreachable::WrongHost { .. })
        ),
        "{error}"
    );
    assert_eq!(stage.tokens.asked.load(Ordering::Relaxed), 0);
    assert_eq!(stage.reads(), (Vec::new(), 0));
}

#[tokio::test]
async fn a_value_that_cannot_take_its_form_names_the_object_and_the_field() {
    let stage = Stage::start(&vault(MAY_READ, "")).await;
    let form = |part, decode| Wanted::new(key("db"), version(0), part, decode);
    for (one, told) in [
        (form(None, Decode::Base64), "set file.decode: None"),
        (form(None, Decode::Hex), "set file.decode: None"),
        (form(Some(Part::CA), Decode::None), "set type: Secret"),
    ] {
        let error = refused(&stage.values(&set([one.clone()])).await, &one);
        let text = error.to_string();
        let object = format!("secret db (version {}): ", version(0));
        assert!(text.starts_with(&object) && text.contains(told), "{text}");
        assert!(!text.contains("value 0") && !error.is_outage(), "{text}");
    }
}

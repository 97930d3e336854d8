//! What Entra said to the ServiceAccount's token.

use vaultbind_crds::VaultBinding;
use vaultbind_keyvault::error::TokenProblem;
use vaultbind_keyvault::text::printable;
use vaultbind_keyvault::{ClientId, TokenError};

use super::finding::Finding;
use super::reading::Reading;
use super::reason::Reason;
use crate::observed::{Answer, Subject};

/// The workload, for messages.
struct Who<'a> {
    client: &'a ClientId,
    binding: &'a str,
    namespace: &'a str,
    service_account: &'a str,
    subject: String,
    issuer: String,
    audience: String,
}

pub(super) fn finding(
    binding: &VaultBinding,
    reading: &Reading<'_>,
    answer: &Answer,
    as_operator: bool,
) -> Finding {
    let namespace = binding.metadata.namespace.as_deref().unwrap_or_default();
    let service_account = &binding.spec.identity.service_account_name;
    match answer {
        _ if as_operator => Finding::unknown(
            Reason::NotVerified,
            "the class has detection: Operator, so the workload's own identity is not tried before a pod \
             mounts",
        ),
        Answer::NotAsked => Finding::unknown(Reason::NotAsked, "the vault was not asked yet"),
        Answer::NoServiceAccountToken(problem) => {
            if problem.lasting {
                Finding::no(Reason::NoServiceAccount, &problem.text)
            } else {
                Finding::passing(Reason::NoServiceAccount, &problem.text)
            }
        }
        Answer::NoToken(error, subject) => {
            let or = |text: &str, other: String| {
                if text.is_empty() {
                    other
                } else {
                    printable(text, 200)
                }
            };
            let who = Who {
                client: &reading.client,
                binding: binding.metadata.name.as_deref().unwrap_or_default(),
                namespace,
                service_account,
                subject: or(
                    &subject.subject,
                    format!("system:serviceaccount:{namespace}:{service_account}"),
                ),
                issuer: or(&subject.issuer, "ISSUER".to_owned()),
                audience: or(&subject.audience, reading.audience.as_str().to_owned()),
            };
            refused(error, &who, reading)
        }
        Answer::Vault(answer) => {
            let subject = answer.subject.clone().unwrap_or_default();
            Finding::yes(
                Reason::TokenIssued,
                format!(
                    "Entra takes {} for {}",
                    described(&subject, namespace, service_account),
                    reading.client
                ),
            )
        }
    }
}

fn described(subject: &Subject, namespace: &str, service_account: &str) -> String {
    if subject.subject.is_empty() {
        format!("system:serviceaccount:{namespace}:{service_account}")
    } else {
        printable(&subject.subject, 200)
    }
}

fn refused(error: &TokenError, who: &Who<'_>, reading: &Reading<'_>) -> Finding {
    let client = who.client;
    let tenant = &reading.tenant;
    match &error.problem {
        TokenProblem::NoFederatedCredential { code, .. } => no_credential(*code, who),
        TokenProblem::UnknownClient => Finding::no(
            Reason::UnknownClient,
            format!(
                "Entra knows no application {client} in tenant {tenant} (AADSTS700016): correct \
                 spec.identity.clientID or spec.vault.tenantID: az identity list --query \
                 \"[].{{name:name, clientId:clientId, tenantId:tenantId}}\" -o table"
            ),
        ),
        TokenProblem::UnknownTenant => Finding::no(
            Reason::UnknownTenant,
            format!(
                "Entra knows no tenant {tenant} (AADSTS90002): correct spec.vault.tenantID or \
                 spec.vault.cloud: az account show --query tenantId -o tsv"
            ),
        ),
        TokenProblem::AssertionOutsideValidity => Finding::no(
            Reason::TokenExpired,
            format!(
                "Entra takes the token of {}/{} for outside its validity (AADSTS700024): set the clocks of \
                 the API servers right",
                who.namespace, who.service_account
            ),
        ),
        TokenProblem::AssertionSignature => Finding::no(
            Reason::TokenSignature,
            format!(
                "Entra could not verify the signature of the token of {}/{} (AADSTS700027): the keys that \
                 {}/.well-known/openid-configuration leads to must be the cluster's: kubectl get --raw \
                 /openid/v1/jwks",
                who.namespace,
                who.service_account,
                who.issuer.trim_end_matches('/')
            ),
        ),
        TokenProblem::Refused { code } if code == "AADSTS50166" => Finding::no(
            Reason::IssuerNotPublic,
            format!(
                "Entra cannot read the keys of the cluster's issuer {} (AADSTS50166): its address must be \
                 public; for AKS: az aks update --enable-oidc-issuer --name CLUSTER --resource-group GROUP",
                who.issuer
            ),
        ),
        TokenProblem::Refused { code } => Finding::no(
            Reason::IdentityRefused,
            format!(
                "Entra refused {client} of tenant {tenant} ({code}): look the code up at \
                 https://login.microsoftonline.com/error"
            ),
        ),
        TokenProblem::Throttled => Finding::passing(
            Reason::TooManyRequests,
            format!(
                "{} holds back requests of {client} (HTTP 429); it is asked again",
                error.host
            ),
        ),
        TokenProblem::Failing(status) => Finding::passing(
            Reason::Unreachable,
            format!("{} fails (HTTP {status}); it is asked again", error.host),
        ),
        TokenProblem::Unreachable(unreachable) => Finding::passing(
            Reason::Unreachable,
            format!("no token for {client}: {unreachable}; it is tried again"),
        ),
        TokenProblem::BadAnswer => Finding::passing(
            Reason::Unreachable,
            format!(
                "{} gave an answer that cannot be read: check for a proxy that answers in its place",
                error.host
            ),
        ),
        TokenProblem::NoTokenProxy
        | TokenProblem::TokenProxyRefused(_)
        | TokenProblem::TokenProxyUnreachable(_)
        | TokenProblem::NoBindingCredential { .. } => token_proxy(error, who),
        // Of identities that no workload has.
        TokenProblem::WrongSecret
        | TokenProblem::ExpiredSecret
        | TokenProblem::IdentityNotAssigned
        | TokenProblem::IdentityAmbiguous
        | TokenProblem::ForeignIdentityEndpoint => {
            Finding::no(Reason::IdentityRefused, error.to_string())
        }
    }
}

/// What keeps an identity that is bound to the AKS cluster from a token.
fn token_proxy(error: &TokenError, who: &Who<'_>) -> Finding {
    let client = who.client;
    match &error.problem {
        TokenProblem::NoTokenProxy => Finding::no(
            Reason::NoTokenProxy,
            "spec.identity.type is AKSIdentityBinding, and the operator knows no token proxy: set its \
             --token-proxy-url (chart: operator.identityBinding.enabled)",
        ),
        TokenProblem::TokenProxyRefused(status) => Finding::no(
            Reason::TokenProxyRefused,
            format!(
                "the token proxy of the cluster gives {} no token of {client} (HTTP {status}): bind the \
                 identity to this cluster (az aks identity-binding list --cluster-name CLUSTER \
                 --resource-group GROUP) and let the ServiceAccount use it, as an administrator of the \
                 cluster: kubectl get vaultbinding {} -n {} -o yaml | kubectl vaultbind render \
                 --identity-roles -f - | kubectl apply -f -",
                who.subject, who.binding, who.namespace,
            ),
        ),
        TokenProblem::NoBindingCredential { code } => Finding::no(
            Reason::NoCredential,
            format!(
                "Entra has no federated credential aks-identity-binding of {client} that fits (AADSTS{code}): \
                 AKS makes it with the first identity binding, and a new one takes some minutes; if it is \
                 gone, delete the identity's bindings and make them again: az aks identity-binding create \
                 --name NAME --cluster-name CLUSTER --resource-group GROUP --managed-identity-resource-id ID"
            ),
        ),
        _ => Finding::passing(
            Reason::Unreachable,
            format!(
                "{}; it is tried again. The flags are the operator's (chart: operator.identityBinding)",
                printable(&error.to_string(), 500)
            ),
        ),
    }
}

fn no_credential(code: u32, who: &Who<'_>) -> Finding {
    let Who {
        client,
        subject,
        issuer,
        audience,
        ..
    } = who;
    let remedy = format!(
        "az identity federated-credential create --name NAME --identity-name IDENTITY --resource-group \
         GROUP --issuer {issuer} --subject {subject} --audiences {audience}"
    );
    let (reason, problem) = match code {
        700_211 => (
            Reason::IssuerMismatch,
            format!("has the issuer {issuer}, to the last slash"),
        ),
        700_212 => (
            Reason::AudienceMismatch,
            format!("has the audience {audience}"),
        ),
        700_213 | 7_002_137 => (
            Reason::SubjectMismatch,
            format!("has the subject {subject}"),
        ),
        7_002_138 => (
            Reason::SubjectMismatch,
            format!("has the subject {subject} in the same upper and lower case"),
        ),
        _ => (
            Reason::NoCredential,
            format!("fits {subject} of {issuer} for {audience}"),
        ),
    };
    Finding::no(
        reason,
        format!(
            "no federated identity credential of {client} {problem} (AADSTS{code}): {remedy}; a new one takes \
             some minutes"
        ),
    )
}

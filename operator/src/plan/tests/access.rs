//! Refusals and outages of Entra and of the vault, and what the conditions say of them.

use serde_json::json;
use vaultbind_keyvault::TokenError;
use vaultbind_keyvault::error::{FetchProblem, Forbidden, TokenProblem};
use vaultbind_keyvault::metadata::NoProof;
use vaultbind_keyvault::transport::Unreachable;

use super::*;

fn no_token(problem: TokenProblem) -> Answer {
    let error = TokenError {
        problem,
        identity: CLIENT.to_owned(),
        tenant: Some(TENANT.to_owned()),
        host: "login.microsoftonline.com".to_owned(),
        status: Some(401),
        request_id: Some("must-not-show".to_owned()),
        detail: "must-not-show".to_owned(),
    };
    let subject = Subject {
        issuer: "https://oidc.example.com/cluster/".to_owned(),
        subject: "system:serviceaccount:shop:api".to_owned(),
        audience: "api://AzureADTokenExchange".to_owned(),
    };
    Answer::NoToken(Arc::new(error), subject)
}

fn credential(code: u32) -> TokenProblem {
    TokenProblem::NoFederatedCredential {
        code,
        mismatch: String::new(),
    }
}

#[test]
fn each_refusal_of_entra_has_its_reason_and_its_remedy() {
    let fic = "az identity federated-credential create --name NAME --identity-name IDENTITY \
               --resource-group GROUP --issuer https://oidc.example.com/cluster/ --subject \
               system:serviceaccount:shop:api --audiences api://AzureADTokenExchange";
    for (problem, reason, remedy) in [
        (credential(70021), "NoCredential", fic),
        (credential(70025), "NoCredential", fic),
        (credential(700_211), "IssuerMismatch", fic),
        (credential(700_212), "AudienceMismatch", fic),
        (credential(700_213), "SubjectMismatch", fic),
        (credential(7_002_138), "SubjectMismatch", fic),
        (
            TokenProblem::UnknownClient,
            "UnknownClient",
            "spec.identity.clientID",
        ),
        (
            TokenProblem::UnknownTenant,
            "UnknownTenant",
            "spec.vault.tenantID",
        ),
        (
            TokenProblem::AssertionSignature,
            "TokenSignature",
            "/openid/v1/jwks",
        ),
        (
            TokenProblem::AssertionOutsideValidity,
            "TokenExpired",
            "clocks",
        ),
        (
            TokenProblem::Refused {
                code: "AADSTS50166".to_owned(),
            },
            "IssuerNotPublic",
            "--enable-oidc-issuer",
        ),
        (
            TokenProblem::Refused {
                code: "AADSTS53003".to_owned(),
            },
            "IdentityRefused",
            "AADSTS53003",
        ),
    ] {
        let mut scene = two();
        scene.step();
        scene.answers = Answers::So(no_token(problem));
        let plan = scene.step();
        assert_eq!(plan.condition("IdentityReady"), format!("False {reason}"));
        assert_eq!(plan.condition("Ready"), format!("False {reason}"));
        assert_eq!(plan.condition("AccessReady"), "Unknown NotAsked");
        assert_eq!(plan.condition("Reconciling"), "True Retrying");
        assert_eq!(plan.condition("Stalled"), "");
        let message = plan.message("IdentityReady");
        assert!(message.contains(remedy), "{reason}: {message}");
        assert!(!message.contains("must-not-show"));
        assert_eq!(plan.target, Target::Keep);
        assert_eq!(plan.object("db").pinned, Some(id(1)));
        assert_eq!(plan.reasons(), ["AccessLost"], "{reason}");
        assert_eq!(scene.step().notes, []);
    }
}

fn bound(problem: TokenProblem) -> (Scene, Plan) {
    let mut scene = two().spec(json!({"identity": {"type": "AKSIdentityBinding"}}));
    scene.cluster.driver = Some(crate::observed::Driver {
        audiences: vec!["api://AKSIdentityBinding".to_owned()],
        requires_republish: true,
    });
    scene.step();
    scene.answers = Answers::So(no_token(problem));
    let plan = scene.step();
    (scene, plan)
}

#[test]
fn what_keeps_a_bound_identity_from_a_token_has_its_reason_and_its_remedy() {
    for (problem, reason, remedies) in [
        (
            TokenProblem::NoTokenProxy,
            "False NoTokenProxy",
            &["--token-proxy-url", "operator.identityBinding.enabled"][..],
        ),
        (
            TokenProblem::TokenProxyRefused(403),
            "False TokenProxyRefused",
            &[
                "HTTP 403",
                "az aks identity-binding list",
                "kubectl get vaultbinding payments -n shop -o yaml | kubectl vaultbind render \
                 --identity-roles -f - | kubectl apply -f -",
            ],
        ),
        (
            TokenProblem::NoBindingCredential { code: 700_213 },
            "False NoCredential",
            &[
                "aks-identity-binding",
                "AADSTS700213",
                "az aks identity-binding create",
            ],
        ),
        (
            TokenProblem::TokenProxyUnreachable(Unreachable::NameTimeout {
                host: "proxy.example".to_owned(),
            }),
            "Unknown Unreachable",
            &[
                "proxy.example",
                "--token-proxy-url",
                "operator.identityBinding",
            ],
        ),
    ] {
        let (mut scene, plan) = bound(problem);
        assert_eq!(plan.condition("IdentityReady"), reason);
        let message = plan.message("IdentityReady");
        for remedy in remedies {
            assert!(message.contains(remedy), "{reason}: {message}");
        }
        assert!(!message.contains("provider"), "{message}");
        assert!(!message.contains("must-not-show"), "{message}");
        assert_eq!(plan.object("db").pinned, Some(id(1)));
        assert_eq!(scene.step().notes, []);
    }
}

#[test]
fn an_outage_of_entra_is_none_of_the_pods() {
    let name = Unreachable::NameTimeout {
        host: "login.microsoftonline.com".to_owned(),
    };
    for (problem, reason) in [
        (TokenProblem::Throttled, "TooManyRequests"),
        (TokenProblem::Failing(503), "Unreachable"),
        (TokenProblem::Unreachable(name), "Unreachable"),
        (TokenProblem::BadAnswer, "Unreachable"),
    ] {
        let mut scene = two();
        scene.step();
        scene.answers = Answers::So(no_token(problem.clone()));
        let plan = scene.step();
        assert_eq!(plan.condition("Ready"), "True Pinned", "{reason}");
        assert_eq!(plan.condition("IdentityReady"), format!("Unknown {reason}"));
        assert_eq!(
            plan.condition("Throttled").is_empty(),
            reason != "TooManyRequests"
        );
        // Nothing is served before the first answer.
        let mut fresh = two();
        fresh.answers = Answers::So(no_token(problem));
        let plan = fresh.step();
        assert_eq!(plan.condition("Ready"), format!("False {reason}"));
        assert_eq!(plan.condition("Reconciling"), "True Retrying");
        assert_eq!(plan.target, Target::Keep);
    }
}

#[test]
fn each_refusal_of_the_vault_has_its_reason_and_its_remedy() {
    for (problem, reason, remedy) in [
        (
            FetchProblem::Forbidden(Forbidden::Role),
            "False RoleMissing",
            "az role assignment create --assignee aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee --role \"Key Vault \
             Secrets User\" --scope $(az keyvault show --name kv-payments --query id -o tsv)",
        ),
        (
            FetchProblem::Forbidden(Forbidden::AccessPolicy),
            "False VaultUsesAccessPolicies",
            "az keyvault set-policy --name kv-payments --spn aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee \
             --secret-permissions get list",
        ),
        (
            FetchProblem::Forbidden(Forbidden::Firewall),
            "False Firewall",
            "az keyvault network-rule add --name kv-payments",
        ),
        (
            FetchProblem::Forbidden(Forbidden::PrivateOnly),
            "False PrivateOnly",
            "private",
        ),
        (
            FetchProblem::Forbidden(Forbidden::Other),
            "False AccessRefused",
            "403",
        ),
        (
            FetchProblem::TokenRejected { other_tenant: true },
            "False TenantMismatch",
            "properties.tenantId",
        ),
        (
            FetchProblem::TokenRejected {
                other_tenant: false,
            },
            "False TokenRejected",
            "401",
        ),
        (
            FetchProblem::Refused {
                status: 400,
                code: "BadParameter".to_owned(),
            },
            "False VaultRefused",
            "BadParameter",
        ),
        (FetchProblem::Throttled, "Unknown TooManyRequests", "429"),
        (FetchProblem::Failing(500), "Unknown VaultFailing", "500"),
        (
            FetchProblem::Unreachable(Unreachable::Name {
                host: "kv-payments.vault.azure.net".to_owned(),
            }),
            "Unknown VaultNotFound",
            "az keyvault show --name kv-payments",
        ),
        (
            FetchProblem::Unreachable(Unreachable::Silent {
                host: "kv-payments.vault.azure.net".to_owned(),
            }),
            "Unknown Unreachable",
            "did not answer in time",
        ),
    ] {
        let mut scene = two();
        scene.step();
        scene.answers = Answers::So(scene.all_refused(&problem));
        let plan = scene.step();
        assert_eq!(plan.condition("AccessReady"), reason);
        let message = plan.message("AccessReady");
        assert!(message.contains(remedy), "{reason}: {message}");
        assert!(!message.contains("must-not-show"));
        let refused = reason.strip_prefix("False ");
        assert_eq!(
            plan.condition("Ready"),
            refused.map_or("True Pinned".to_owned(), |reason| format!("False {reason}"))
        );
        assert_eq!(plan.condition("IdentityReady"), "True TokenIssued");
        assert_eq!(plan.condition("ObjectsResolved"), "True Resolved");
        assert_eq!(plan.reasons(), ["AccessLost"], "{reason}");
        assert_eq!(plan.target, Target::Keep);
    }
}

#[test]
fn whoever_mounts_may_get_so_a_refused_list_is_told_as_such() {
    let mut scene = two();
    scene.step();
    scene.mounted("api-0", &[("secret/db", &id(1))]);
    scene.answers =
        Answers::So(scene.all_refused(&FetchProblem::Forbidden(Forbidden::AccessPolicy)));
    let plan = scene.step();
    assert_eq!(plan.condition("AccessReady"), "False ListDenied");
    assert!(plan.message("AccessReady").contains("may get but not list"));
}

#[test]
fn roles_of_single_objects_do_not_allow_a_selection() {
    let mut scene = Scene::new("[{name: db}, {name: flags, select: {prefix: flag-}}]")
        .has(secret("db"), &[version(1)]);
    let refused = Err(refusal(FetchProblem::Forbidden(Forbidden::Role)));
    scene.vault.selected.insert("flags".to_owned(), refused);
    let plan = scene.step();
    assert_eq!(plan.condition("AccessReady"), "False ListDenied");
    assert_eq!(plan.target, Target::Keep);
}

#[test]
fn the_roles_are_the_least_for_the_types_of_objects() {
    for (object, role) in [
        ("{name: a}", "Key Vault Secrets User"),
        ("{name: a, type: Key}", "Key Vault Reader"),
        (
            "{name: a, type: Certificate, parts: [Leaf]}",
            "Key Vault Reader",
        ),
        ("{name: a, type: Certificate}", "Key Vault Certificate User"),
    ] {
        let mut scene = Scene::new(&format!("[{object}]"));
        let type_ = scene.binding.spec.objects[0].type_;
        let key = Key {
            type_,
            name: "a".to_owned(),
        };
        scene
            .vault
            .versions
            .insert(key, Err(refusal(FetchProblem::Forbidden(Forbidden::Role))));
        let plan = scene.step();
        assert!(
            plan.message("AccessReady")
                .contains(&format!("--role \"{role}\""))
        );
    }
}

#[test]
fn a_service_account_that_is_not_there_is_named() {
    let mut scene = two();
    let told = "ServiceAccount shop/api does not exist: kubectl create serviceaccount api -n shop";
    scene.answers = Answers::So(Answer::NoServiceAccountToken(NoProof::lasting(told)));
    let plan = scene.step();
    assert_eq!(plan.condition("IdentityReady"), "False NoServiceAccount");
    assert!(
        plan.message("Ready")
            .contains("kubectl create serviceaccount api -n shop")
    );
}

#[test]
fn with_detection_by_the_operator_the_workloads_identity_is_not_judged() {
    let mut scene = two().class(&json!({"detection": "Operator"}));
    scene.vault.subject = None;
    let plan = scene.step();
    assert_eq!(plan.condition("IdentityReady"), "Unknown NotVerified");
    assert_eq!(plan.condition("AccessReady"), "True Listed");
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert_eq!(plan.status.identity.as_ref().unwrap().last_verified, None);

    scene.answers = Answers::So(no_token(TokenProblem::UnknownClient));
    let plan = scene.step();
    assert_eq!(plan.condition("IdentityReady"), "Unknown NotVerified");
    assert_eq!(plan.condition("AccessReady"), "Unknown OperatorIdentity");
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert!(!plan.message("AccessReady").contains("must-not-show"));

    scene.answers = Answers::So(scene.all_refused(&FetchProblem::Forbidden(Forbidden::Role)));
    assert!(
        scene
            .step()
            .message("AccessReady")
            .contains("--role \"Key Vault Reader\"")
    );
}

#[test]
fn the_driver_is_told_what_it_lacks() {
    let mut scene = two();
    scene.cluster.driver = None;
    let plan = scene.step();
    assert_eq!(plan.condition("Ready"), "False DriverMissing");
    assert_eq!(plan.reasons(), ["Pinned", "DriverNotReady"]);
    assert_eq!(scene.step().notes, []);

    scene.cluster.driver = Some(Driver::default());
    let plan = scene.step();
    assert_eq!(plan.condition("DriverReady"), "False AudienceMissing");
    assert!(plan.message("DriverReady").contains(
        "kubectl patch csidriver secrets-store.csi.k8s.io --type merge -p \
         '{\"spec\":{\"tokenRequests\":[{\"audience\":\"api://AzureADTokenExchange\"}]}}'"
    ));

    scene.cluster.driver = Some(Driver {
        audiences: vec!["other".to_owned()],
        requires_republish: true,
    });
    assert!(
        scene
            .step()
            .message("Ready")
            .contains("\"path\":\"/spec/tokenRequests/-\"")
    );

    scene.cluster.driver = Some(Driver {
        audiences: vec!["api://AzureADTokenExchange".to_owned()],
        requires_republish: false,
    });
    let plan = scene.step();
    assert_eq!(plan.condition("DriverReady"), "True RepublishOff");
    assert_eq!(plan.condition("Ready"), "True Pinned");
    assert!(plan.message("DriverReady").starts_with("warning: "));
}

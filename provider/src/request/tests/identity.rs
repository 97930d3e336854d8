use super::*;

const NODE_SECRET_INVALID: &str = "clientid in the Secret of nodePublishSecretRef is not a client \
                                   id: set the GUID of the service principal's application";

fn service_principal() -> Sent {
    Sent::new().without("clientID").without(TOKENS)
}

#[test]
fn a_client_id_means_workload_identity_even_beside_a_service_principal() {
    let secrets = json!({"clientid": CLIENT, "clientsecret": "hunter2"});
    let identity = Sent::new().secrets(&secrets).decode().unwrap().identity;
    assert!(matches!(identity, IdentitySource::WorkloadIdentity { .. }));
}

#[test]
fn managed_identity_needs_no_token_and_takes_a_user_assigned_client_id() {
    let sent = Sent::new()
        .without(TOKENS)
        .with("useVMManagedIdentity", "true");
    let identity = sent.decode().unwrap().identity;
    assert_eq!(
        identity,
        IdentitySource::ManagedIdentity { client_id: None }
    );

    let chosen = sent
        .clone()
        .with("userAssignedIdentityID", CLIENT)
        .decode()
        .unwrap()
        .identity;
    let client_id = Some(CLIENT.parse().unwrap());
    assert_eq!(chosen, IdentitySource::ManagedIdentity { client_id });

    assert_eq!(
        sent.with("userAssignedIdentityID", "/subscriptions/1/x")
            .refusal(),
        "parameter userAssignedIdentityID is \"/subscriptions/1/x\": set the client id of the \
         identity, a GUID; resource ids and object ids are not supported"
    );
}

#[test]
fn a_service_principals_keys_are_found_in_any_case_and_its_secret_is_kept_verbatim() {
    for (id, secret) in [("clientid", "clientsecret"), ("ClientID", "CLIENTSECRET")] {
        let secrets = json!({id: CLIENT, secret: " hunter2\n", TOKENS: "{}"});
        let identity = service_principal()
            .secrets(&secrets)
            .decode()
            .unwrap()
            .identity;
        let secret = " hunter2\n".into();
        let client_id = CLIENT.parse().unwrap();
        assert_eq!(
            identity,
            IdentitySource::ServicePrincipal {
                tenant: TENANT.parse().unwrap(),
                client_id,
                secret
            }
        );
    }
}

#[test]
fn of_two_keys_that_differ_in_case_the_exact_one_is_taken() {
    let secrets = json!({"CLIENTSECRET": "a", "clientsecret": "b", "clientid": CLIENT});
    let identity = service_principal()
        .secrets(&secrets)
        .decode()
        .unwrap()
        .identity;
    let IdentitySource::ServicePrincipal { secret, .. } = identity else {
        panic!("{identity:?}")
    };
    assert_eq!(secret.expose(), b"b");
}

#[test]
fn what_a_service_principal_lacks_is_named() {
    let none = "no identity is given: set clientID for workload identity, useVMManagedIdentity for \
                a managed identity, or nodePublishSecretRef in the pod's volume for a service \
                principal";
    let lacks = |key: &str| {
        format!(
            "the Secret in nodePublishSecretRef has no value for {key}: a service principal needs \
             clientid and clientsecret; for workload identity set parameter clientID"
        )
    };
    for (secrets, message) in [
        (json!(null), none.to_owned()),
        (json!({}), none.to_owned()),
        (json!({TOKENS: "{}"}), none.to_owned()),
        (json!({"clientsecret": "hunter2"}), lacks("clientid")),
        (
            json!({"clientid": "", "clientsecret": "hunter2"}),
            lacks("clientid"),
        ),
        (json!({"clientid": CLIENT}), lacks("clientsecret")),
        (
            json!({"clientid": CLIENT, "clientsecret": null}),
            lacks("clientsecret"),
        ),
        (
            json!({"clientid": "hunter2", "clientsecret": "x"}),
            NODE_SECRET_INVALID.to_owned(),
        ),
    ] {
        assert_eq!(
            service_principal().secrets(&secrets).refusal(),
            message,
            "{secrets}"
        );
    }
}

/// What workload identity makes of a text of tokens.
fn token(tokens: &str) -> Result<(Sensitive, String, Option<Timestamp>), String> {
    let sent = Sent::new().with(TOKENS, tokens);
    match sent.decode() {
        Ok(Request {
            identity:
                IdentitySource::WorkloadIdentity {
                    token,
                    audience,
                    expires,
                    ..
                },
            ..
        }) => Ok((token, audience, expires)),
        Ok(request) => panic!("{request:?}"),
        Err(_) => Err(sent.refusal()),
    }
}

#[test]
fn tokens_are_found_by_audience_with_inner_names_in_any_case() {
    for tokens in [
        json!({AUDIENCE: {"token": "t"}}),
        json!({AUDIENCE: {"Token": "t", "ExpirationTimestamp": null}}),
        json!({AUDIENCE: {"TOKEN": "t", "other": [1, {}]}, "": null, "api://x": {"token": "u"}}),
    ] {
        assert_eq!(
            token(&tokens.to_string()),
            Ok(("t".into(), AUDIENCE.into(), None)),
            "{tokens}"
        );
    }
}

#[test]
fn tokens_that_do_not_serve_are_refused_each_for_its_reason() {
    let missing = format!(
        "clientID is set, but the request has no ServiceAccount tokens: add audience {AUDIENCE} to \
         tokenRequests of the CSIDriver object secrets-store.csi.k8s.io"
    );
    let unreadable = "the request's ServiceAccount tokens cannot be read: remove \
                      csi.storage.k8s.io/serviceAccount.tokens from the SecretProviderClass and \
                      the volume if it is there, else check the versions of Kubernetes and the \
                      driver";
    let absent = format!(
        "the request has no ServiceAccount token for audience {AUDIENCE}: add it to tokenRequests \
         of the CSIDriver object secrets-store.csi.k8s.io"
    );
    let expired = format!(
        "the ServiceAccount token for audience {AUDIENCE} has expired: kubelet sends a new one \
         with the next try; if this stays, check the node's clock"
    );
    let at = |time: serde_json::Value| {
        json!({AUDIENCE: {"token": "hunter2", "expirationTimestamp": time}}).to_string()
    };
    for (tokens, message) in [
        (" ".to_owned(), missing.as_str()),
        ("hunter2".to_owned(), unreadable),
        ("[\"hunter2\"]".to_owned(), unreadable),
        (json!({AUDIENCE: "hunter2"}).to_string(), unreadable),
        (
            json!({AUDIENCE: {"token": ["hunter2"]}}).to_string(),
            unreadable,
        ),
        (at(json!("")), unreadable),
        (at(json!("tomorrow")), unreadable),
        (at(json!(1_780_000_000)), unreadable),
        ("null".to_owned(), &absent),
        ("{}".to_owned(), &absent),
        (json!({AUDIENCE: null}).to_string(), &absent),
        (json!({AUDIENCE: {"token": ""}}).to_string(), &absent),
        (
            json!({"api://azureadtokenexchange": {"token": "hunter2"}}).to_string(),
            &absent,
        ),
        (at(json!("2026-05-31T23:00:00Z")), &expired),
        (at(json!("2020-01-01T00:00:00+02:00")), &expired),
    ] {
        assert_eq!(token(&tokens), Err(message.to_owned()), "{tokens}");
    }
    assert!(token(&at(json!("2026-05-31T23:00:01Z"))).is_ok());
}

#[test]
fn tokens_among_the_secrets_serve_where_the_attribute_is_missing() {
    let tokens = json!({AUDIENCE: {"token": "of-secrets"}}).to_string();
    let sent = Sent::new().secrets(&json!({TOKENS: tokens}));
    let token = |sent: &Sent| match sent.decode().unwrap().identity {
        IdentitySource::WorkloadIdentity { token, .. } => token,
        other => panic!("{other:?}"),
    };
    assert_eq!(token(&sent).expose(), b"token-text");
    assert_eq!(token(&sent.without(TOKENS)).expose(), b"of-secrets");
}

#[test]
fn each_cloud_prefers_its_own_audience_and_takes_the_public_one() {
    let cloud = Cloud::UsGovernment;
    let own = cloud.federation_audience();
    for (tokens, taken) in [
        (
            json!({own: {"token": "t"}, AUDIENCE: {"token": "u"}}),
            Some(own),
        ),
        (
            json!({own: {"token": ""}, AUDIENCE: {"token": "u"}}),
            Some(AUDIENCE),
        ),
        (json!({AUDIENCE: {"token": "u"}}), Some(AUDIENCE)),
        (json!({"api://x": {"token": "v"}}), None),
    ] {
        let sent = Sent::new()
            .with("cloudName", cloud.name())
            .with(TOKENS, &tokens.to_string());
        match (sent.decode(), taken) {
            (Ok(request), Some(taken)) => assert!(
                matches!(&request.identity, IdentitySource::WorkloadIdentity { audience, .. }
                    if audience == taken),
                "{tokens}"
            ),
            (result, _) => {
                assert_eq!(result, Err(RequestError::AudienceMissing { audience: own }));
            }
        }
    }
}

#[test]
fn an_identity_binding_takes_the_token_for_the_token_proxy_and_no_other() {
    let tokens = json!({
        AUDIENCE: {"token": "for-entra"},
        "api://AKSIdentityBinding": {"token": "for-the-proxy"},
    });
    let bound = Sent::new()
        .with("useAzureTokenProxy", "true")
        .with(TOKENS, &tokens.to_string());
    assert_eq!(
        bound.decode().unwrap().identity,
        IdentitySource::IdentityBinding {
            tenant: TENANT.parse().unwrap(),
            client_id: CLIENT.parse().unwrap(),
            token: "for-the-proxy".into(),
            expires: None,
        }
    );
    assert_eq!(
        bound.clone().without("clientID").decode(),
        Err(RequestError::BindingClientMissing)
    );
    let entra_only = json!({AUDIENCE: {"token": "for-entra"}}).to_string();
    assert_eq!(
        bound.with(TOKENS, &entra_only).decode(),
        Err(RequestError::AudienceMissing {
            audience: "api://AKSIdentityBinding"
        })
    );
}

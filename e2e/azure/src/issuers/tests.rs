use super::*;
use crate::seed::Jwks;

fn seed(issuer: &str, jwks: Option<Jwks>) -> IssuerSeed {
    IssuerSeed {
        issuer: issuer.into(),
        jwks,
        jwks_file: None,
    }
}

fn issuers(seeds: &[IssuerSeed]) -> Issuers {
    Issuers::new(IssuerMap::from_seed(seeds).unwrap())
}

fn request() -> TokenRequest {
    TokenRequest {
        namespace: "shop".into(),
        service_account_name: "web".into(),
        audience: "api://AzureADTokenExchange".into(),
        ..TokenRequest::default()
    }
}

#[test]
fn published_keys_verify_what_their_issuer_signed_and_nothing_else() {
    let cluster = issuers(&[seed("https://a/", None), seed("https://b/", None)]);
    let published = cluster.key_sets().remove("https://a/").unwrap();
    let jwks: Jwks = serde_json::from_value(published).unwrap();
    let entra = issuers(&[seed("https://a/", Some(jwks.clone()))]);

    let verdict = |token: &str| entra.verify(&Jwt::parse(token).unwrap());
    let good = cluster
        .service_account_token(&request(), 1000)
        .unwrap()
        .token;
    assert_eq!(verdict(&good), Verdict::Good);
    let other = TokenRequest {
        issuer: Some("https://b/".into()),
        ..request()
    };
    let other = cluster.service_account_token(&other, 1000).unwrap().token;
    assert_eq!(verdict(&other), Verdict::UnknownIssuer);
    // Signed by b, saying it is a's.
    let claims = [("iss".to_owned(), "https://a/".into())]
        .into_iter()
        .collect();
    let forged = TokenRequest {
        issuer: Some("https://b/".into()),
        claims,
        ..request()
    };
    let forged = cluster.service_account_token(&forged, 1000).unwrap().token;
    assert_eq!(verdict(&forged), Verdict::UnknownKey);
    let mut claims = Jwt::parse(&good).unwrap().claims;
    claims.insert(
        "sub".into(),
        "system:serviceaccount:kube-system:admin".into(),
    );
    let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    let mut parts: Vec<&str> = good.split('.').collect();
    parts[1] = &claims;
    let tampered = parts.join(".");
    assert_eq!(verdict(&tampered), Verdict::BadSignature);

    assert_eq!(
        entra.service_account_token(&request(), 1000).unwrap_err(),
        TokenRequestError::NoIssuer
    );
    let verify_only = TokenRequest {
        issuer: Some("https://a/".into()),
        ..request()
    };
    assert_eq!(
        entra.service_account_token(&verify_only, 1000).unwrap_err(),
        TokenRequestError::VerifyOnly("https://a/".into())
    );
    let twice = [
        seed("https://a/", Some(jwks.clone())),
        seed("https://a/", Some(jwks)),
    ];
    assert!(matches!(
        IssuerMap::from_seed(&twice),
        Err(IssuerError::Duplicate(_))
    ));
}

#[test]
fn tokens_look_like_an_api_servers() {
    let cluster = issuers(&[seed("https://a/", None)]);
    let claims = [
        ("sub".to_owned(), Value::from("other")),
        ("jti".to_owned(), Value::Null),
    ];
    let request = TokenRequest {
        expires_in: Some(-60),
        claims: claims.into_iter().collect(),
        ..request()
    };
    let answer = cluster.service_account_token(&request, 1_000_000).unwrap();
    assert_eq!(answer.expiration_timestamp, "1970-01-12T13:45:40Z");
    let jwt = Jwt::parse(&answer.token).unwrap();
    assert_eq!(jwt.algorithm, "RS256");
    assert_eq!(jwt.audiences(), ["api://AzureADTokenExchange"]);
    assert_eq!(
        (jwt.text("sub"), jwt.claims.get("jti")),
        (Some("other"), None)
    );
    assert_eq!(jwt.claims["kubernetes.io"]["serviceaccount"]["name"], "web");
    assert!(jwt.time("nbf") < jwt.time("exp"));
    assert!(!format!("{answer:?}").contains(&answer.token));
}

#[test]
fn an_issuer_may_come_again_with_the_same_keys_only() {
    let generated = || IssuerMap::from_seed(&[seed("https://a/", None)]).unwrap();
    let published = |issuers: IssuerMap| {
        let jwks = Issuers::new(issuers).key_sets().remove("https://a/");
        let jwks = serde_json::from_value(jwks.unwrap()).unwrap();
        IssuerMap::from_seed(&[seed("https://a/", Some(jwks))]).unwrap()
    };
    let first = generated();
    let own = Issuers::new(generated());
    let own_keys = serde_json::from_value(own.key_sets().remove("https://a/").unwrap()).unwrap();
    let verifying = IssuerMap::from_seed(&[seed("https://a/", Some(own_keys))]).unwrap();
    for (known, more, fits) in [
        (&first, generated(), true),
        (&*own.write(), verifying, true),
        (&published(generated()), published(generated()), false),
        (&published(generated()), generated(), false),
    ] {
        assert_eq!(known.check(&more).is_ok(), fits, "{known:?} {more:?}");
    }
}

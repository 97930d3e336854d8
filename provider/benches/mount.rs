//! The pure parts of a mount: reading the driver's request, and making files of what a vault served.

#![allow(missing_docs, clippy::expect_used)]

use std::fmt::Write as _;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use vaultbind_keyvault::{Content, Fetched, Sensitive, Validity};
use vaultbind_pki::pem;
use vaultbind_proto::MountRequest;
use vaultbind_provider::render::{RenderOptions, render};
use vaultbind_provider::request::{Classes, Defaults, Encoding, Format, Object, Parts, Request};

/// The same file as that of the benches of PKCS#12.
const PFX: &[u8] = include_bytes!("../../keyvault/pki/benches/modern.p12");

/// What the driver sends for a class of so many secrets; the token is as long as a real one.
fn request(secrets: usize) -> MountRequest {
    let mut objects = "array:\n".to_owned();
    for number in 0..secrets {
        // Writing to a string cannot fail.
        let _ = write!(
            objects,
            "  - |\n    objectName: secret-{number:02}\n    objectType: secret\n"
        );
    }
    let tokens = json!({"api://AzureADTokenExchange": {
        "token": "x".repeat(1200),
        "expirationTimestamp": "2099-01-01T00:00:00Z",
    }});
    let attributes = json!({
        "keyvaultName": "kv-bench",
        "tenantID": "11111111-2222-3333-4444-555555555555",
        "clientID": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "objects": objects,
        "secretProviderClass": "class",
        "csi.storage.k8s.io/pod.name": "pod-0",
        "csi.storage.k8s.io/pod.namespace": "bench",
        "csi.storage.k8s.io/pod.uid": "0f0c3c8e-5a0e-4d52-9d63-0d7a1f5a9f01",
        "csi.storage.k8s.io/serviceAccount.name": "bench",
        "csi.storage.k8s.io/ephemeral": "true",
        "csi.storage.k8s.io/serviceAccount.tokens": tokens.to_string(),
    });
    MountRequest {
        attributes: attributes.to_string(),
        secrets: "null".to_owned(),
        permission: "420".to_owned(),
        ..MountRequest::default()
    }
}

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode a request");
    let now = jiff::Timestamp::now();
    for secrets in [10, 50] {
        let request = request(secrets);
        group.bench_function(format!("{secrets} secrets"), |bencher| {
            let decode = || {
                Request::decode(
                    black_box(&request),
                    &Defaults::default(),
                    &Classes::default(),
                    now,
                )
            };
            bencher.iter(|| decode().expect("a good request"));
        });
    }
    group.finish();
}

fn object() -> Object {
    Object {
        object_type: "secret".parse().expect("a type"),
        name: "web".parse().expect("a name"),
        version: None,
        path: "web".parse().expect("a path"),
        mode: "0644".parse().expect("a mode"),
        encoding: Encoding::Utf8,
        format: Format::Pem,
        parts: Parts::default(),
        optional: false,
    }
}

fn fetched(content: Content) -> Fetched {
    Fetched {
        version: "0123456789abcdef0123456789abcdef".parse().expect("an id"),
        validity: Validity::default(),
        content,
    }
}

fn secret(value: &str, content_type: &str, of_certificate: bool) -> Fetched {
    fetched(Content::Secret {
        value: Sensitive::from(value),
        content_type: Some(content_type.to_owned()),
        of_certificate,
    })
}

fn files(criterion: &mut Criterion) {
    let contents = vaultbind_pki::pkcs12::decode(PFX, "").expect("a good file");
    let first = contents.certificates.first().expect("a certificate");
    let certificates = contents.certificates.iter();
    let text: String = certificates
        .map(|der| pem::encode(pem::CERTIFICATE, der))
        .collect();
    let pfx = STANDARD.encode(PFX);
    let cases = [
        (
            "a secret",
            secret("correct horse battery staple", "text/plain", false),
        ),
        (
            "a certificate",
            fetched(Content::Certificate(first.clone())),
        ),
        (
            "a certificate's PEM",
            secret(&text, "application/x-pem-file", true),
        ),
        (
            "a certificate's PFX to PEM",
            secret(&pfx, "application/x-pkcs12", true),
        ),
    ];
    let mut group = criterion.benchmark_group("render");
    let object = object();
    for (name, fetched) in cases {
        group.bench_function(name, |bencher| {
            let render = || render(&object, black_box(&fetched), RenderOptions::default());
            bencher.iter(|| render().map_err(drop).expect("files"));
        });
    }
    group.finish();
}

criterion_group!(benches, decode, files);
criterion_main!(benches);

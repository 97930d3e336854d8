use vaultbind_keyvault::text::is_unprintable;
use vaultbind_keyvault::{Content, Fetched, PublicKey, Sensitive, Validity};
use vaultbind_pki::pem;

use super::*;
use crate::request::{Encoding, Format, Object, Part, Parts};

fn object(encoding: Encoding, format: Format) -> Object {
    Object {
        object_type: "secret".parse().unwrap(),
        name: "web".parse().unwrap(),
        version: None,
        path: "tls/web".parse().unwrap(),
        mode: "0440".parse().unwrap(),
        encoding,
        format,
        parts: Parts::default(),
        optional: false,
    }
}

fn fetched(content: Content) -> Fetched {
    let version = "0123456789abcdef0123456789abcdef".parse().unwrap();
    Fetched {
        version,
        validity: Validity::default(),
        content,
    }
}

fn secret(value: &str) -> Fetched {
    fetched(Content::Secret {
        value: Sensitive::from(value),
        content_type: Some("application/x-pkcs12".to_owned()),
        of_certificate: false,
    })
}

fn certificate_secret(value: &str, content_type: Option<&str>) -> Fetched {
    fetched(Content::Secret {
        value: Sensitive::from(value),
        content_type: content_type.map(str::to_owned),
        of_certificate: true,
    })
}

fn files(rendered: &Rendered) -> Vec<(&str, &[u8])> {
    rendered
        .files
        .iter()
        .map(|file| (file.path.as_str(), &file.contents[..]))
        .collect()
}

fn error(object: &Object, fetched: &Fetched) -> RenderError {
    match render(object, fetched, RenderOptions::default()) {
        Ok(_) => panic!("rendered"),
        Err(error) => error,
    }
}

#[test]
fn a_secret_is_mounted_as_it_is_or_decoded() {
    type Case<'a> = (Encoding, &'a str, Result<&'a [u8], Error>);
    let cases: [Case<'_>; 14] = [
        (Encoding::Utf8, "pässword\n", Ok("pässword\n".as_bytes())),
        (Encoding::Utf8, "", Ok(b"")),
        (Encoding::Base64, "AAH/", Ok(&[0, 1, 255])),
        (Encoding::Base64, "AA\r\nH/\n", Ok(&[0, 1, 255])),
        (Encoding::Base64, "YQ==", Ok(b"a")),
        // The bits left over are not checked, as in Go's decoder.
        (Encoding::Base64, "YR==", Ok(b"a")),
        (Encoding::Base64, "", Ok(b"")),
        (Encoding::Base64, "YQ", Err(Error::NotBase64)),
        (Encoding::Base64, "YQ== ", Err(Error::NotBase64)),
        (Encoding::Base64, "_-8=", Err(Error::NotBase64)),
        (Encoding::Hex, "00fF", Ok(&[0, 255])),
        (Encoding::Hex, "0", Err(Error::NotHex)),
        (Encoding::Hex, "0x00", Err(Error::NotHex)),
        (Encoding::Hex, "00\n", Err(Error::NotHex)),
    ];
    for (encoding, value, expected) in cases {
        let object = object(encoding, Format::Pem);
        let rendered = render(&object, &secret(value), RenderOptions::default());
        match (rendered, expected) {
            (Ok(rendered), Ok(bytes)) => assert_eq!(files(&rendered), [("tls/web", bytes)]),
            (Err(error), Err(expected)) => assert_eq!(error.0, expected, "{value}"),
            (rendered, expected) => panic!("{value}: {:?} {expected:?}", rendered.err()),
        }
    }
}

#[test]
fn a_pem_certificate_is_mounted_verbatim_and_split_on_demand() {
    let key = pem::encode(pem::PRIVATE_KEY, b"key");
    let leaf = pem::encode(pem::CERTIFICATE, b"leaf");
    let issuer = pem::encode(pem::CERTIFICATE, b"issuer");
    let text = format!("# a comment\n{issuer}{key}{leaf}");
    let fetched = certificate_secret(&text, Some("application/x-pem-file"));
    let object = object(Encoding::Utf8, Format::Pem);

    let whole = render(&object, &fetched, RenderOptions::default()).unwrap();
    assert_eq!(files(&whole), [("tls/web", text.as_bytes())]);

    let options = RenderOptions {
        separate_files: true,
        ..RenderOptions::default()
    };
    let split = render(&object, &fetched, options).unwrap();
    let certificates = format!("{issuer}{leaf}");
    assert_eq!(
        files(&split),
        [
            ("tls/web.crt", certificates.as_bytes()),
            ("tls/web.key", key.as_bytes()),
            ("tls/web", text.as_bytes()),
        ]
    );
    assert!(split.files.iter().all(|file| file.mode.bits() == 0o440));
}

#[test]
fn separate_files_are_left_out_where_they_would_be_empty() {
    let leaf = pem::encode(pem::CERTIFICATE, b"leaf");
    let fetched = certificate_secret(&leaf, Some("application/x-pem-file"));
    let options = RenderOptions {
        separate_files: true,
        ..RenderOptions::default()
    };
    let split = render(&object(Encoding::Utf8, Format::Pem), &fetched, options).unwrap();
    assert_eq!(
        files(&split),
        [
            ("tls/web.crt", leaf.as_bytes()),
            ("tls/web", leaf.as_bytes())
        ]
    );

    let pfx = certificate_secret("AAEC", Some("application/x-pkcs12"));
    let split = render(&object(Encoding::Utf8, Format::Pfx), &pfx, options).unwrap();
    assert_eq!(files(&split), [("tls/web", &b"AAEC"[..])]);
}

#[test]
fn a_pfx_asked_for_as_such_is_base64_text_or_its_bytes() {
    let pfx = certificate_secret("AAEC", Some("application/x-pkcs12"));
    let text = render(
        &object(Encoding::Utf8, Format::Pfx),
        &pfx,
        RenderOptions::default(),
    );
    assert_eq!(files(&text.unwrap()), [("tls/web", &b"AAEC"[..])]);
    let bytes = render(
        &object(Encoding::Base64, Format::Pfx),
        &pfx,
        RenderOptions::default(),
    );
    assert_eq!(files(&bytes.unwrap()), [("tls/web", &[0, 1, 2][..])]);
}

#[test]
fn what_cannot_be_rendered_says_what_to_do() {
    let pem = object(Encoding::Utf8, Format::Pem);
    let pkcs12 = Some("application/x-pkcs12");
    let cases = [
        (
            pem.clone(),
            certificate_secret("AAEC", None),
            "this one has none",
        ),
        (
            pem.clone(),
            certificate_secret("AAEC", Some("text/plain")),
            "has text/plain",
        ),
        (
            pem.clone(),
            certificate_secret("AAEC", Some(&format!("a\r\nb\u{202e}{}", "c".repeat(100)))),
            &format!("has a  b {}", "c".repeat(54)),
        ),
        (
            pem.clone(),
            certificate_secret("not base64", pkcs12),
            "import the certificate again",
        ),
        (
            pem.clone(),
            certificate_secret("AAEC", pkcs12),
            "cannot be opened",
        ),
        (
            object(Encoding::Base64, Format::Pem),
            certificate_secret("-----BEGIN", Some("application/x-pem-file")),
            "objectFormat: pfx",
        ),
        (
            pem.clone(),
            fetched(Content::Key(PublicKey::Ec {
                curve: "P-256K".to_owned(),
                x: vec![1],
                y: vec![1],
            })),
            "use P-256, P-384 or P-521",
        ),
        (
            pem,
            fetched(Content::Key(PublicKey::Ec {
                curve: "P\n".repeat(50),
                x: vec![1],
                y: vec![1],
            })),
            "curve P P P P P P P P P P P P P P P  is not supported",
        ),
    ];
    for (object, fetched, expected) in cases {
        let error = error(&object, &fetched).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.chars().count() <= 250, "{error}");
        assert!(!error.contains(is_unprintable), "{error:?}");
    }
}

#[test]
fn a_leaf_certificate_is_one_pem_block() {
    let rendered = render(
        &object(Encoding::Utf8, Format::Pem),
        &fetched(Content::Certificate(b"leaf".to_vec())),
        RenderOptions::default(),
    );
    let expected = pem::encode(pem::CERTIFICATE, b"leaf");
    assert_eq!(
        files(&rendered.unwrap()),
        [("tls/web", expected.as_bytes())]
    );
}

fn later() -> std::time::Instant {
    std::time::Instant::now() + std::time::Duration::from_secs(60)
}

#[tokio::test]
async fn many_objects_are_rendered_as_each_would_be_alone() {
    let pkcs12 = Some("application/x-pkcs12");
    let leaf = pem::encode(pem::CERTIFICATE, b"leaf");
    let pem_format = object(Encoding::Utf8, Format::Pem);
    let objects = [
        pem_format.clone(),
        object(Encoding::Base64, Format::Pfx),
        pem_format.clone(),
    ];
    let fetched = [
        certificate_secret(&leaf, Some("application/x-pem-file")),
        certificate_secret("AAEC", pkcs12),
        secret("value"),
    ];
    let options = RenderOptions {
        separate_files: true,
        ..RenderOptions::default()
    };
    let renderer = Renderer::new(options, 1);
    let together = renderer.render(&objects, &fetched, later()).await.unwrap();
    assert_eq!(together.len(), objects.len());
    for ((object, fetched), rendered) in objects.iter().zip(&fetched).zip(&together) {
        let alone = render(object, fetched, options).unwrap();
        assert_eq!(files(rendered), files(&alone));
    }
}

#[tokio::test]
async fn of_several_objects_that_cannot_be_rendered_the_first_is_told() {
    let pkcs12 = Some("application/x-pkcs12");
    let object = object(Encoding::Utf8, Format::Pem);
    let objects = vec![object.clone(); 4];
    let fetched = [
        secret("value"),
        certificate_secret("AAEC", pkcs12),
        certificate_secret("AAEC", None),
        certificate_secret("not base64", pkcs12),
    ];
    let renderer = Renderer::new(RenderOptions::default(), 2);
    let expected = RenderFailure::Object {
        index: 1,
        error: error(&object, &fetched[1]),
    };
    // The second time from memory.
    for _ in 0..2 {
        let failure = renderer.render(&objects, &fetched, later()).await.err();
        assert_eq!(failure.as_ref(), Some(&expected));
    }
}

#[tokio::test]
async fn a_mount_whose_time_is_over_opens_no_pfx() {
    let objects = [object(Encoding::Utf8, Format::Pem)];
    let fetched = [certificate_secret("AAEC", Some("application/x-pkcs12"))];
    let renderer = Renderer::new(RenderOptions::default(), 0);
    let now = std::time::Instant::now();
    let failure = renderer.render(&objects, &fetched, now).await.err();
    assert_eq!(failure, Some(RenderFailure::Deadline));
    // What needs none is rendered all the same.
    let plain = [secret("value")];
    assert!(renderer.render(&objects, &plain, now).await.is_ok());
}

#[tokio::test]
async fn a_pfx_that_was_opened_needs_no_place_the_next_time() {
    let objects = [object(Encoding::Utf8, Format::Pem)];
    let fetched = [certificate_secret("AAEC", Some("application/x-pkcs12"))];
    let renderer = Renderer::new(RenderOptions::default(), 1);
    let first = renderer.render(&objects, &fetched, later()).await.err();
    assert!(matches!(
        first,
        Some(RenderFailure::Object { index: 0, .. })
    ));
    // Its time is over, so it could not wait for a place.
    let now = std::time::Instant::now();
    assert_eq!(renderer.render(&objects, &fetched, now).await.err(), first);
}

/// A certificate in these parts.
fn in_parts(parts: &[Part]) -> Object {
    Object {
        object_type: "cert".parse().unwrap(),
        parts: Parts::of(parts),
        ..object(Encoding::Utf8, Format::Pem)
    }
}

#[test]
fn the_leaf_alone_is_made_of_the_certificate_and_the_pfx_of_the_bytes() {
    let rendered = render(
        &in_parts(&[Part::Leaf]),
        &fetched(Content::Certificate(b"leaf".to_vec())),
        RenderOptions::default(),
    );
    let leaf = pem::encode(pem::CERTIFICATE, b"leaf");
    let expected = [("tls/web/leaf.crt", leaf.as_bytes())];
    assert_eq!(files(&rendered.unwrap()), expected);

    // Not opened: these bytes are no PFX.
    let pfx = certificate_secret("AAEC", Some("application/x-pkcs12"));
    let rendered = render(&in_parts(&[Part::Pfx]), &pfx, RenderOptions::default());
    assert_eq!(
        files(&rendered.unwrap()),
        [("tls/web/tls.p12", &[0, 1, 2][..])]
    );
}

#[test]
fn parts_that_cannot_be_made_say_what_to_do() {
    let pkcs12 = Some("application/x-pkcs12");
    let pem = Some("application/x-pem-file");
    for (part, secret, expected) in [
        (
            Part::Ca,
            secret("value"),
            "use objectType secret without parts",
        ),
        (
            Part::Pfx,
            certificate_secret("x", pem),
            "drop PFX from parts",
        ),
        (Part::Pfx, certificate_secret("?", pkcs12), "not base64"),
        (
            Part::Ca,
            certificate_secret("AAEC", pkcs12),
            "set parts to PFX alone",
        ),
        (Part::Ca, certificate_secret("", pem), "can be put in order"),
        (
            Part::Ca,
            certificate_secret("x", Some("text/plain")),
            "text/plain",
        ),
        (Part::Ca, certificate_secret("x", None), "this one has none"),
    ] {
        let message = error(&in_parts(&[part]), &secret).to_string();
        assert!(message.contains(expected), "{part:?}: {message}");
        assert!(message.chars().count() <= 220, "{message}");
    }
}

#[tokio::test]
async fn a_pfx_is_opened_once_for_its_parts_and_for_the_whole() {
    let pfx = [certificate_secret("AAEC", Some("application/x-pkcs12"))];
    let renderer = Renderer::new(RenderOptions::default(), 1);
    let whole = [object(Encoding::Utf8, Format::Pem)];
    assert!(renderer.render(&whole, &pfx, later()).await.is_err());
    // Without time it cannot be opened again.
    let now = std::time::Instant::now();
    let parts = [in_parts(&[Part::FullChain])];
    let failure = renderer.render(&parts, &pfx, now).await.err();
    assert!(
        matches!(
            &failure,
            Some(RenderFailure::Object {
                error: RenderError(Error::PfxForParts(_)),
                ..
            })
        ),
        "{failure:?}"
    );
}

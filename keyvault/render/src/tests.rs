use vaultbind_keyvault::{Content, Fetched, PublicKey, Sensitive, Validity};
use vaultbind_pki::pem;

use super::*;

/// The same file as that of the benches of PKCS#12.
const FILE: &[u8] = include_bytes!("../../pki/benches/modern.p12");
const PEM: &str = "application/x-pem-file";
const PFX: &str = "application/x-pkcs12";

fn fetched(content: Content) -> Fetched {
    Fetched {
        version: "0123456789abcdef0123456789abcdef".parse().unwrap(),
        validity: Validity::default(),
        content,
    }
}

fn secret(value: &str) -> Fetched {
    fetched(Content::Secret {
        value: value.into(),
        content_type: None,
        of_certificate: false,
    })
}

fn certificate(value: &str, content_type: &str) -> Fetched {
    fetched(Content::Secret {
        value: value.into(),
        content_type: Some(content_type.to_owned()),
        of_certificate: true,
    })
}

fn pfx() -> Fetched {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(FILE);
    certificate(&text, PFX)
}

fn made(fetched: &Fetched, form: Form) -> Result<Sensitive, Error> {
    bytes(fetched, form, |value, how| how.open(value.expose()))
}

/// It has to do without opening anything.
fn unopened(fetched: &Fetched, form: Form) -> Result<Sensitive, Error> {
    bytes(fetched, form, |_, _| panic!("opened"))
}

#[test]
fn a_secret_is_what_it_is_or_what_it_encodes() {
    for (encoding, value, expected) in [
        (Encoding::Utf8, "p\u{e4}ss\n", Ok("p\u{e4}ss\n".as_bytes())),
        (Encoding::Base64, "AA\r\nH/\n", Ok(&[0, 1, 255][..])),
        (Encoding::Base64, "YQ", Err(Error::NotBase64)),
        (Encoding::Hex, "00fF", Ok(&[0, 255])),
        (Encoding::Hex, "0x00", Err(Error::NotHex)),
    ] {
        let outcome = unopened(&secret(value), Form::Whole(encoding));
        assert_eq!(
            outcome.as_ref().map(Sensitive::expose),
            expected.as_ref().copied(),
            "{value}"
        );
    }
}

#[test]
fn a_value_as_it_is_is_not_copied() {
    let fetched = secret("value");
    let bytes = unopened(&fetched, Form::Whole(Encoding::Utf8)).unwrap();
    let Content::Secret { value, .. } = &fetched.content else {
        panic!("no secret");
    };
    assert!(std::ptr::eq(bytes.expose(), value.expose()));
}

#[test]
fn only_a_leaf_and_a_pfx_need_no_opening() {
    let der = b"leaf".to_vec();
    let leaf = unopened(&fetched(Content::Certificate(der)), Form::Part(Part::Leaf));
    let expected = pem::encode(pem::CERTIFICATE, b"leaf");
    assert_eq!(leaf.unwrap().expose(), expected.as_bytes());
    let file = unopened(&pfx(), Form::Part(Part::Pfx)).unwrap();
    assert_eq!(file.expose(), FILE);

    for (content, form, opening) in [
        (pfx(), vec![Part::FullChain], true),
        (pfx(), vec![Part::Pfx, Part::Leaf], true),
        (pfx(), vec![Part::Pfx], false),
        (certificate("", PEM), vec![Part::Ca], true),
        (certificate("", "text/plain"), vec![Part::Ca], false),
        (secret(""), vec![Part::Ca], false),
    ] {
        let opens = parts_opening(&content.content, &form);
        assert_eq!(opens.is_some(), opening, "{form:?}");
    }
}

#[test]
fn a_pfx_and_the_pem_of_it_have_the_same_parts() {
    let whole = made(&pfx(), Form::Whole(Encoding::Utf8)).unwrap();
    let text = whole.expose_str().unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let as_pem = certificate(text, PEM);
    // Kept as PEM it is what it is.
    let kept = unopened(&as_pem, Form::Whole(Encoding::Utf8)).unwrap();
    assert_eq!(kept, whole);
    for part in [Part::FullChain, Part::PrivateKey, Part::Ca, Part::Leaf] {
        let (of_pfx, of_pem) = (
            made(&pfx(), Form::Part(part)),
            made(&as_pem, Form::Part(part)),
        );
        assert_eq!(of_pfx, of_pem, "{part:?}");
    }
    let leaf = made(&pfx(), Form::Part(Part::Leaf)).unwrap();
    let chain = made(&pfx(), Form::Part(Part::FullChain)).unwrap();
    assert!(chain.expose().starts_with(leaf.expose()));
    assert_eq!(made(&as_pem, Form::Part(Part::Pfx)), Err(Error::PfxOfPem));
}

#[test]
fn what_is_no_certificate_has_no_parts() {
    let key = Content::Key(PublicKey::Rsa {
        n: vec![1],
        e: vec![1],
    });
    let der = Content::Certificate(b"leaf".to_vec());
    for (content, part) in [
        (secret("value"), Part::FullChain),
        (fetched(key), Part::Leaf),
        // Chain and key are in its secret only.
        (fetched(der), Part::PrivateKey),
    ] {
        let outcome = made(&content, Form::Part(part));
        assert_eq!(outcome, Err(Error::NotOfCertificate), "{part:?}");
    }
}

#[test]
fn neither_what_was_opened_nor_what_was_made_shows_its_text() {
    let Fetched { content, .. } = pfx();
    let (value, how) = parts_opening(&content, &[Part::PrivateKey]).unwrap();
    let opened = how.open(value.expose()).unwrap();
    let made = parts(&content, &[Part::PrivateKey], |_, _| Ok(opened.clone())).unwrap();
    for shown in [format!("{opened:?}"), format!("{made:?}")] {
        assert!(!shown.contains("BEGIN") && shown.len() < 200, "{shown}");
    }
}

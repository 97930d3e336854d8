//! Signing: by the key itself or by the emulator's own root and intermediate.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};

use super::super::error::ApiError;
use super::policy::{Policy, Signer};

/// How long before their creation certificates become valid, as in the service.
const BACKDATED: i64 = 600;

/// A root and an intermediate below it.
pub(in crate::vault) struct Authority {
    root: Vec<u8>,
    intermediate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(now: i64) -> Result<Self, ApiError> {
        let root_key = KeyPair::generate().map_err(failed)?;
        let root_params = authority_params("Vaultbind Test Root", now)?;
        let root = root_params.self_signed(&root_key).map_err(failed)?;
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyPair::generate().map_err(failed)?;
        let params = authority_params("Vaultbind Test Intermediate", now)?;
        let intermediate = params.signed_by(&key, &root_issuer).map_err(failed)?;
        Ok(Self {
            root: root.der().to_vec(),
            intermediate: intermediate.der().to_vec(),
            issuer: Issuer::new(params, key),
        })
    }
}

fn authority_params(name: &str, now: i64) -> Result<CertificateParams, ApiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&format!("CN={name}"))?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now - 365 * 86_400, 240)?;
    Ok(params)
}

/// A certificate for a key (PKCS#8 DER) with the chain above it, the leaf first.
pub(super) fn issue(
    policy: &Policy,
    key: &[u8],
    authority: &mut Option<Authority>,
    now: i64,
) -> Result<Vec<Vec<u8>>, ApiError> {
    let key = KeyPair::try_from(key).map_err(failed)?;
    let mut params = params(policy)?;
    set_validity(
        &mut params,
        now - BACKDATED,
        policy.x509_props.validity_months.unwrap_or(12),
    )?;
    if policy.signer()? == Signer::Chain {
        let authority = match authority {
            Some(authority) => authority,
            None => authority.insert(Authority::new(now)?),
        };
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &authority.issuer).map_err(failed)?;
        Ok(vec![
            leaf.der().to_vec(),
            authority.intermediate.clone(),
            authority.root.clone(),
        ])
    } else {
        let leaf = params.self_signed(&key).map_err(failed)?;
        Ok(vec![leaf.der().to_vec()])
    }
}

/// A certificate signing request, DER.
pub(super) fn request(policy: &Policy, key: &[u8]) -> Result<Vec<u8>, ApiError> {
    let key = KeyPair::try_from(key).map_err(failed)?;
    let request = params(policy)?.serialize_request(&key).map_err(failed)?;
    Ok(request.der().to_vec())
}

fn params(policy: &Policy) -> Result<CertificateParams, ApiError> {
    let x509 = &policy.x509_props;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&x509.subject)?;
    params.subject_alt_names = alternative_names(policy)?;
    if x509
        .basic_constraints
        .as_ref()
        .is_some_and(|constraints| constraints.ca)
    {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    for name in x509.key_usage.iter().flatten() {
        params.key_usages.push(key_usage(name)?);
    }
    for oid in x509.ekus.iter().flatten() {
        params.extended_key_usages.push(extended_key_usage(oid)?);
    }
    Ok(params)
}

/// A subject such as `CN=web.example.org, O=Example`.
pub(super) fn subject(text: &str) -> Result<DistinguishedName, ApiError> {
    let mut name = DistinguishedName::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (kind, value) = part.split_once('=').ok_or_else(|| wrong_subject(text))?;
        let kind = match kind.trim().to_ascii_uppercase().as_str() {
            "CN" => DnType::CommonName,
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "C" => DnType::CountryName,
            "L" => DnType::LocalityName,
            "S" | "ST" => DnType::StateOrProvinceName,
            _ => return Err(wrong_subject(text)),
        };
        name.push(kind, value.trim());
    }
    Ok(name)
}

fn wrong_subject(text: &str) -> ApiError {
    ApiError::bad_parameter(format!(
        "Subject {text} is no X.500 name: use CN, O, OU, C, L, ST separated by commas"
    ))
}

fn alternative_names(policy: &Policy) -> Result<Vec<SanType>, ApiError> {
    let sans = &policy.x509_props.sans;
    let mut names = Vec::new();
    for name in &sans.dns_names {
        names.push(SanType::DnsName(name.as_str().try_into().map_err(failed)?));
    }
    for name in &sans.emails {
        names.push(SanType::Rfc822Name(
            name.as_str().try_into().map_err(failed)?,
        ));
    }
    for name in &sans.uris {
        names.push(SanType::URI(name.as_str().try_into().map_err(failed)?));
    }
    for name in &sans.ip_addresses {
        let address = name.parse().map_err(|_| {
            ApiError::bad_parameter(format!("{name} in sans.ip_addresses is no IP address"))
        })?;
        names.push(SanType::IpAddress(address));
    }
    Ok(names)
}

fn key_usage(name: &str) -> Result<KeyUsagePurpose, ApiError> {
    Ok(match name {
        "digitalSignature" => KeyUsagePurpose::DigitalSignature,
        "nonRepudiation" => KeyUsagePurpose::ContentCommitment,
        "keyEncipherment" => KeyUsagePurpose::KeyEncipherment,
        "dataEncipherment" => KeyUsagePurpose::DataEncipherment,
        "keyAgreement" => KeyUsagePurpose::KeyAgreement,
        "keyCertSign" => KeyUsagePurpose::KeyCertSign,
        "cRLSign" => KeyUsagePurpose::CrlSign,
        "encipherOnly" => KeyUsagePurpose::EncipherOnly,
        "decipherOnly" => KeyUsagePurpose::DecipherOnly,
        _ => {
            return Err(ApiError::bad_parameter(format!(
                "key_usage {name} is unknown"
            )));
        }
    })
}

fn extended_key_usage(oid: &str) -> Result<ExtendedKeyUsagePurpose, ApiError> {
    let arcs: Result<Vec<u64>, _> = oid.split('.').map(str::parse).collect();
    match (oid, arcs) {
        ("1.3.6.1.5.5.7.3.1", _) => Ok(ExtendedKeyUsagePurpose::ServerAuth),
        ("1.3.6.1.5.5.7.3.2", _) => Ok(ExtendedKeyUsagePurpose::ClientAuth),
        (_, Ok(arcs)) if arcs.len() > 2 => Ok(ExtendedKeyUsagePurpose::Other(arcs)),
        _ => Err(ApiError::bad_parameter(format!(
            "{oid} in ekus is no object identifier"
        ))),
    }
}

fn set_validity(params: &mut CertificateParams, start: i64, months: u32) -> Result<(), ApiError> {
    let wrong = || ApiError::bad_parameter("The validity of the certificate is out of range");
    let from = jiff::Timestamp::from_second(start).map_err(|_| wrong())?;
    let span = jiff::Span::new()
        .try_months(i64::from(months))
        .map_err(|_| wrong())?;
    let end = from
        .to_zoned(jiff::tz::TimeZone::UTC)
        .checked_add(span)
        .map_err(|_| wrong())?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |second: i64| {
        u64::try_from(second)
            .map(std::time::Duration::from_secs)
            .map_err(|_| wrong())
    };
    params.not_before = epoch + since_epoch(start)?;
    params.not_after = epoch + since_epoch(end.timestamp().as_second())?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err takes")]
fn failed(error: rcgen::Error) -> ApiError {
    ApiError::bad_parameter(format!("The certificate cannot be made: {error}"))
}

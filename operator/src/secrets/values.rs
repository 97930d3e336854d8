//! The values of one Secret, all or none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::ByteString;
use tokio::time::timeout;
use vaultbind_crds::binding::SecretType;
use vaultbind_keyvault::error::Category;
use vaultbind_keyvault::text::printable;

use crate::observed::{Key, Question, SecretCause};
use crate::plan::{WantedKey, WantedSecret};
use crate::resolve::{NoValues, Resolver, ValueError, Wanted};

/// What a Secret holds.
pub(super) type Data = BTreeMap<String, ByteString>;

/// What Kubernetes lets one hold, keys not counted:
/// <https://kubernetes.io/docs/concepts/configuration/secret/#restriction-data-size>.
const MOST_BYTES: usize = 1024 * 1024;

/// How long the values of one Secret may take. A turn has time for it after a list that nobody answers.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest message of a failure.
const LONGEST: usize = 700;

/// Reads what a Secret is made of, as the workload.
pub(super) async fn read(
    resolver: &Resolver,
    question: &Question,
    secret: &WantedSecret,
) -> Result<Data, SecretCause> {
    let all: BTreeSet<Wanted> = secret.data.iter().map(wanted).collect();
    let asked = resolver.values(&question.asker, question.requests_per_second, &all);
    let values = match timeout(PATIENCE, asked).await {
        Ok(values) => values.map_err(|error| nobody(&error))?,
        Err(_) => {
            return Err(SecretCause::NoValue {
                category: Category::Unreachable,
                message: format!(
                    "its values were not read within {}s; it is tried again",
                    PATIENCE.as_secs()
                ),
            });
        }
    };
    let mut data = Data::new();
    for key in &secret.data {
        let value = match values.get(&wanted(key)) {
            Some(Ok(value)) => value,
            Some(Err(error)) => return Err(refused(error)),
            // Each is told of.
            None => return Err(SecretCause::Unfit(format!("key {} was not read", key.key))),
        };
        data.insert(key.key.clone(), ByteString(value.expose().to_vec()));
    }
    well_formed(secret.type_, &data)?;
    let bytes: usize = data.values().map(|value| value.0.len()).sum();
    if bytes > MOST_BYTES {
        return Err(SecretCause::Unfit(format!(
            "its values have {bytes} bytes, and a Secret holds at most {MOST_BYTES}: make several of it, or \
             mount a volume"
        )));
    }
    Ok(data)
}

/// The API server refuses what is no JSON and quotes the first character that is not, which is part of a value.
fn well_formed(type_: SecretType, data: &Data) -> Result<(), SecretCause> {
    const KEY: &str = ".dockerconfigjson";
    let config = data
        .get(KEY)
        .filter(|_| type_ == SecretType::DockerConfigJson);
    match config.map(|config| serde_json::from_slice::<serde::de::IgnoredAny>(&config.0)) {
        Some(Err(_)) => Err(SecretCause::Unfit(format!(
            "the value of key {KEY} is not JSON, as the type {} needs: correct it in the vault, or set type: Opaque",
            type_.as_str()
        ))),
        Some(Ok(_)) | None => Ok(()),
    }
}

fn wanted(key: &WantedKey) -> Wanted {
    let object = Key {
        type_: key.type_,
        name: key.object.as_str().to_ascii_lowercase(),
    };
    Wanted::new(object, key.version.clone(), key.part, key.decode)
}

fn nobody(error: &NoValues) -> SecretCause {
    let category = match error {
        error if error.is_outage() => Category::Unreachable,
        NoValues::NoToken(error, _) => error.category(),
        NoValues::AsOperator | NoValues::NoServiceAccountToken(_) | NoValues::Stopped => {
            Category::Unauthenticated
        }
    };
    SecretCause::NoValue {
        category,
        message: printable(&error.to_string(), LONGEST),
    }
}

fn refused(error: &ValueError) -> SecretCause {
    let message = printable(&error.to_string(), LONGEST);
    match error {
        ValueError::Fetch(fetch) => SecretCause::NoValue {
            category: if error.is_outage() {
                Category::Unreachable
            } else {
                fetch.category()
            },
            message,
        },
        ValueError::Form { .. } | ValueError::Name(_) => SecretCause::Unfit(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vaultbind_keyvault::metadata::NoProof;

    #[test]
    fn what_is_no_json_is_refused_without_a_word_of_it() {
        let data =
            |text: &str| Data::from([(".dockerconfigjson".to_owned(), ByteString(text.into()))]);
        let docker = SecretType::DockerConfigJson;
        assert_eq!(well_formed(docker, &data("{\"auths\":{}}")), Ok(()));
        assert_eq!(well_formed(SecretType::Opaque, &data("zebra")), Ok(()));
        for text in ["zebra", "", "{\"auths\":", "{} zebra"] {
            let Err(SecretCause::Unfit(message)) = well_formed(docker, &data(text)) else {
                panic!("{text}");
            };
            assert!(
                message.contains("is not JSON") && !message.contains('z'),
                "{message}"
            );
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_somebody_has_to_change() {
        let category = |error: &NoValues| match nobody(error) {
            SecretCause::NoValue { category, .. } => category,
            other => panic!("{other:?}"),
        };
        assert_eq!(category(&NoValues::AsOperator), Category::Unauthenticated);
        assert_eq!(category(&NoValues::Stopped), Category::Unreachable);
        let missing = NoValues::NoServiceAccountToken(NoProof::lasting("none"));
        assert_eq!(category(&missing), Category::Unauthenticated);
        let silent = NoValues::NoServiceAccountToken(NoProof::passing("none yet"));
        assert_eq!(category(&silent), Category::Unreachable);
    }
}

//! The forms of what was read; a PFX is opened once for all of them.

use std::sync::Arc;

use vaultbind_crds::binding::{Decode, Part};
use vaultbind_keyvault::{Fetched, ObjectId, Sensitive};
use vaultbind_render::{self as render, Encoding, Form, Opened, Opening};

use super::{ValueError, Wanted};

/// The form that a binding asks for.
pub(super) fn of(part: Option<Part>, decode: Decode) -> Form {
    match part {
        Some(part) => Form::Part(match part {
            Part::FullChain => render::Part::FullChain,
            Part::PrivateKey => render::Part::PrivateKey,
            Part::CA => render::Part::Ca,
            Part::Leaf => render::Part::Leaf,
            Part::PFX => render::Part::Pfx,
        }),
        None => Form::Whole(match decode {
            Decode::None => Encoding::Utf8,
            Decode::Base64 => Encoding::Base64,
            Decode::Hex => Encoding::Hex,
        }),
    }
}

type Outcome = Result<Sensitive, Arc<ValueError>>;

/// What is wanted of one version.
pub(super) fn render(
    source: &ObjectId,
    fetched: &Fetched,
    wanted: Vec<Wanted>,
) -> Vec<(Wanted, Outcome)> {
    let mut opened: Vec<(Opening, Result<Opened, render::Error>)> = Vec::new();
    let mut outcomes = Vec::with_capacity(wanted.len());
    for one in wanted {
        let open = |value: &Sensitive, how: Opening| {
            if let Some((_, known)) = opened.iter().find(|(known, _)| *known == how) {
                return known.clone();
            }
            let now = how.open(value.expose());
            opened.push((how, now.clone()));
            now
        };
        let bytes = render::bytes(fetched, one.form, open).map_err(|error| {
            Arc::new(ValueError::Form {
                object: ObjectId {
                    object_type: super::sweep::object_type(one.key.type_),
                    ..source.clone()
                },
                error,
            })
        });
        outcomes.push((one, bytes));
    }
    outcomes
}

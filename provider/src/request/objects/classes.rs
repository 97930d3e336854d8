//! Decoded `objects` texts. Kubelet and the driver send the same text for every pod of a class and
//! again every minute; reading its YAML costs more than all else of a warm mount.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::decode;
use crate::lru::{Limits, Lru};
use crate::request::error::RequestError;
use crate::request::mode::FileMode;
use crate::request::{FilePath, Object};

/// A node runs 250 pods at most; what is beyond this is decoded anew.
const LIMITS: Limits = Limits {
    entries: 512,
    bytes: 4 * 1024 * 1024,
};

/// The classes that were decoded last. A text that cannot be decoded is not kept.
pub struct Classes(Mutex<Lru<Arc<str>, Class>>);

/// What a text stands for. Besides the text it depends on the mode of files without
/// `filePermission`, which is the same in all requests of a driver.
struct Class {
    mode: FileMode,
    objects: Arc<[Object]>,
}

impl Default for Classes {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(LIMITS)))
    }
}

impl fmt::Debug for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Classes")
    }
}

impl Classes {
    /// Decodes a text, or finds what it was decoded to.
    pub(in crate::request) fn decode(
        &self,
        text: &str,
        mode: FileMode,
    ) -> Result<Arc<[Object]>, RequestError> {
        let classes = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(class) = classes().get(text)
            && class.mode == mode
        {
            return Ok(Arc::clone(&class.objects));
        }
        // Without the lock: a large text takes its time.
        let objects: Arc<[Object]> = decode(text, mode)?.into();
        let class = Class {
            mode,
            objects: Arc::clone(&objects),
        };
        classes().insert(text.into(), class, text.len() + size(&objects));
        Ok(objects)
    }
}

/// What the objects take in memory. YAML aliases can make that far more than their text.
fn size(objects: &[Object]) -> usize {
    let texts: usize = objects
        .iter()
        .map(|object| {
            let version = object.version.as_ref().map_or(0, |v| v.as_str().len());
            object.name.as_str().len() + version + FilePath::as_str(&object.path).len()
        })
        .sum();
    size_of_val(objects) + texts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(text: &str) -> FileMode {
        text.parse().unwrap()
    }

    fn text(n: usize) -> String {
        format!("array:\n- |\n  objectName: a{n}\n  objectType: secret\n")
    }

    #[test]
    fn a_text_is_decoded_once_for_a_mode() {
        let classes = Classes::default();
        let first = classes.decode(&text(1), mode("0644")).unwrap();
        let again = classes.decode(&text(1), mode("0644")).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let stricter = classes.decode(&text(1), mode("0600")).unwrap();
        assert_eq!(stricter[0].mode, mode("0600"));
        let other = classes.decode(&text(2), mode("0600")).unwrap();
        assert_eq!(other[0].name.as_str(), "a2");
    }

    #[test]
    fn what_is_kept_is_what_would_be_decoded() {
        let classes = Classes::default();
        let base64 =
            "array:\n- |\n  objectName: b\n  objectType: secret\n  objectEncoding: base64\n";
        let broken = "array:\n- |\n  objectName: b/c\n  objectType: secret\n";
        for _ in 0..2 {
            for text in [&text(1), &text(2), base64, broken, "", "- - -"] {
                let expected = decode(text, mode("0644"));
                let found = classes.decode(text, mode("0644"));
                assert_eq!(found.map(|objects| objects.to_vec()), expected, "{text}");
            }
        }
    }

    #[test]
    fn a_class_in_use_stays_however_many_others_come() {
        let classes = Classes::default();
        let first = classes.decode(&text(0), mode("0644")).unwrap();
        for n in 1..2000 {
            classes.decode(&text(n), mode("0644")).unwrap();
            let again = classes.decode(&text(0), mode("0644")).unwrap();
            assert!(Arc::ptr_eq(&first, &again), "{n}");
        }
        let early = classes.decode(&text(1), mode("0644")).unwrap();
        // Its first list is gone, so nobody else holds this one but the map.
        assert_eq!(Arc::strong_count(&early), 2);
    }
}

//! The Secrets Store CSI provider protocol `v1alpha1`, generated from `service.proto`.
//!
//! Nothing else lives here. [`MountRequest`] carries ServiceAccount tokens and client secrets, and
//! [`File`] carries file contents: their `Debug` shows sizes only.

use std::fmt;

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
mod generated {
    tonic::include_proto!("v1alpha1");
}

pub use generated::*;

impl fmt::Debug for MountRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MountRequest")
            .field("attributes", &Redacted(self.attributes.len()))
            .field("secrets", &Redacted(self.secrets.len()))
            .field("target_path", &self.target_path)
            .field("permission", &self.permission)
            .field("current_object_version", &self.current_object_version)
            .finish()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &format_args!("{:#o}", self.mode))
            .field("contents", &Redacted(self.contents.len()))
            .finish()
    }
}

struct Redacted(usize);

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_sizes_and_never_contents() {
        let request = MountRequest {
            attributes: "attribute-value".into(),
            secrets: "secret-value".into(),
            ..Default::default()
        };
        let file = File {
            path: "a".into(),
            mode: 0o644,
            contents: "file-value".into(),
        };
        let response = MountResponse {
            files: vec![file],
            ..Default::default()
        };
        let text = format!("{request:?} {response:?}");
        for hidden in ["attribute-value", "secret-value", "file-value"] {
            assert!(!text.contains(hidden), "{text}");
        }
        assert!(
            text.contains("<15 bytes>") && text.contains("0o644"),
            "{text}"
        );
    }
}

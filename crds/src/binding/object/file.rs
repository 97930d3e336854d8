//! The files that an object becomes.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rules;

/// The file of an object, or its files.
#[derive(KubeSchema, Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Where in the volume: the file, and for certificates and selections the folder of the files, in which
    /// a selected object has its own name. Default: `name`. The driver refuses names that start with two
    /// dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = rules::relative_path())]
    pub path: Option<String>,

    /// Permissions, four octal digits in quotes. Files belong to root and `fsGroup` does not apply to them:
    /// a reader that is not root needs the last digit. Nobody but the owner and the group may write.
    #[serde(default = "readable")]
    #[schemars(length(max = 4))]
    #[x_kube(validation = rules::matches(
        "^0[0-7][0-7][0145]$",
        "must be four octal digits in quotes, the first 0, the last without the right to write: write it such as \"0644\""
    ))]
    pub mode: String,

    /// How the value of a secret is decoded before it is written.
    #[serde(default)]
    pub decode: Decode,
}

fn readable() -> String {
    "0644".to_owned()
}

impl Default for File {
    fn default() -> Self {
        Self {
            path: None,
            mode: readable(),
            decode: Decode::default(),
        }
    }
}

/// How the value of a secret is decoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
pub enum Decode {
    /// As it is.
    #[default]
    None,
    /// From base64.
    Base64,
    /// From hexadecimal digits.
    Hex,
}

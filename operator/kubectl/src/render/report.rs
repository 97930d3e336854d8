//! What rendering tells.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use super::offline::UNKNOWN_VERSION;
use crate::exit::Exit;
use crate::output::{Look, Output};
use crate::terminal::{Paint, Tone};

/// Something that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// The line that the document begins at, or of the mistake if it cannot be read.
    pub line: usize,
    /// Kind and name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The field, empty for the object as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Of all files.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RenderReport {
    /// What would be created. Secrets are without values.
    pub objects: Vec<Value>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What could not be looked at.
    pub notes: Vec<String>,
    /// Objects of which only the vault knows the version.
    pub unknown_versions: Vec<String>,
    /// How many objects of ours there were.
    pub looked_at: usize,
}

impl RenderReport {
    /// What is told beside the objects, for people.
    pub fn remarks(&self, paint: Paint) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            let Problem {
                file,
                line,
                object,
                field,
                message,
            } = problem;
            // Writing to a text cannot fail, here and below.
            let _ = write!(
                text,
                "{} ",
                paint.tone(Tone::Bad, &format!("{file}:{line}:"))
            );
            if !object.is_empty() {
                let _ = write!(text, "{object}: ");
            }
            let _ = if field.is_empty() {
                writeln!(text, "{message}")
            } else {
                writeln!(text, "{} {message}", paint.tone(Tone::Strong, field))
            };
        }
        for note in &self.notes {
            let _ = writeln!(text, "{} {note}", paint.tone(Tone::Warning, "note:"));
        }
        let _ = match (self.looked_at, self.problems.len()) {
            (1, 0) => writeln!(text, "1 object is well."),
            (objects, 0) => writeln!(text, "{objects} objects are well."),
            (_, 1) => writeln!(text, "1 problem."),
            (_, problems) => writeln!(text, "{problems} problems."),
        };
        text
    }
}

impl Output for RenderReport {
    fn text(&self, _: &Look) -> String {
        let mut text = String::new();
        if !self.unknown_versions.is_empty() {
            let _ = writeln!(
                text,
                "# {UNKNOWN_VERSION} stands for the version that the vault has, of:"
            );
            for object in &self.unknown_versions {
                let _ = writeln!(text, "#   {object}");
            }
        }
        for object in &self.objects {
            text.push_str("---\n");
            if object["kind"] == "Secret" {
                text.push_str("# Without its values.\n");
            }
            // What comes from JSON can be YAML.
            text.push_str(&serde_yaml::to_string(object).unwrap_or_default());
        }
        text
    }

    fn exit(&self) -> Exit {
        if self.problems.is_empty() {
            Exit::Fine
        } else {
            Exit::Wrong
        }
    }
}

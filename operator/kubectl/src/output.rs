//! The formats of a result: a text for people, JSON and YAML for programs.

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Serialize;

use crate::exit::{Exit, Failure};
use crate::terminal::Paint;

/// Format of the output, `-o`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For people, with more columns
    Wide,
    /// One JSON document
    Json,
    /// One YAML document
    Yaml,
}

/// How a text for people looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// With or without colours.
    pub paint: Paint,
    /// With all columns.
    pub wide: bool,
    /// The time that relative times are from.
    pub now: Timestamp,
}

/// What a command found. Serialized it is what programs get: its fields are an interface, and no secret, key
/// or token is ever among them.
pub trait Output: Serialize {
    /// The text for people, with a line end at its end.
    fn text(&self, look: &Look) -> String;

    /// What the exit code is.
    fn exit(&self) -> Exit;
}

/// A result in the format that is asked for.
///
/// # Errors
/// When the result cannot be said in the format, which is a defect of the program.
pub fn render(output: &impl Output, format: Format, look: &Look) -> Result<String, Failure> {
    let unfit = |format| {
        move |reason: &dyn std::fmt::Display| Failure::Format {
            format,
            reason: reason.to_string(),
        }
    };
    match format {
        Format::Table | Format::Wide => Ok(output.text(&Look {
            wide: format == Format::Wide,
            ..*look
        })),
        Format::Json => serde_json::to_string_pretty(output)
            .map(|text| text + "\n")
            .map_err(|error| unfit("json")(&error)),
        Format::Yaml => serde_yaml::to_string(output).map_err(|error| unfit("yaml")(&error)),
    }
}

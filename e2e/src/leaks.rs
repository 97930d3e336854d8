//! Looks for secret values in logs, in the forms that a careless line would give them.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Values shorter than this would be found by chance.
const SHORTEST: usize = 16;

/// A folder of logs, and the values that must not be in them.
#[derive(Debug, Clone)]
pub struct LogFolder(PathBuf);

/// A value found in a log.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The log.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// In which form.
    pub form: &'static str,
}

impl LogFolder {
    /// A folder, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| path.display().to_string())?;
        Ok(Self(path.to_owned()))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn values(&self) -> PathBuf {
        self.0.join("values.hex")
    }

    /// Notes a value that no log may hold. Short ones are taken too, and refused by the search.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn forbid(&self, value: &[u8]) -> anyhow::Result<()> {
        let path = self.values();
        let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
        let line: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        // One write, so that processes and threads do not cut into each other's lines.
        file.write_all(format!("{line}\n").as_bytes())
            .context("noting a value")
    }

    /// Searches every `*.log` in the folder for every value that was noted.
    ///
    /// # Errors
    /// When there are no logs or no values, which would make a clean result worthless, or a value
    /// is too short to tell.
    pub fn search(&self) -> anyhow::Result<Vec<Finding>> {
        let text = fs::read_to_string(self.values()).context("no values were noted")?;
        let values: BTreeSet<Vec<u8>> = text.lines().map(from_hex).collect();
        let mut needles = Needles::default();
        for value in &values {
            anyhow::ensure!(
                value.len() >= SHORTEST,
                "a value of {} bytes is too short",
                value.len()
            );
            needles.add(value);
        }
        let searcher = AhoCorasick::new(&needles.texts)?;
        let mut findings = Vec::new();
        let mut logs = 0;
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                logs += 1;
                search_file(&path, &needles, &searcher, &mut findings)?;
            }
        }
        anyhow::ensure!(logs > 0, "there are no logs in {}", self.0.display());
        Ok(findings)
    }
}

/// What is searched for, each text once, and what it is.
#[derive(Default)]
struct Needles {
    texts: Vec<Vec<u8>>,
    forms: Vec<&'static str>,
    known: BTreeSet<Vec<u8>>,
}

impl Needles {
    fn add(&mut self, value: &[u8]) {
        for (form, text) in forms_of(value) {
            if self.known.insert(text.clone()) {
                self.texts.push(text);
                self.forms.push(form);
            }
        }
    }
}

fn from_hex(line: &str) -> Vec<u8> {
    let digit = |at: usize| {
        line.get(at..at + 2)
            .and_then(|d| u8::from_str_radix(d, 16).ok())
    };
    (0..line.len()).step_by(2).filter_map(digit).collect()
}

fn search_file(
    path: &Path,
    needles: &Needles,
    searcher: &AhoCorasick,
    findings: &mut Vec<Finding>,
) -> anyhow::Result<()> {
    let log = fs::read(path)?;
    for (line, text) in (1..).zip(log.split(|byte| *byte == b'\n')) {
        let values = searcher.find_overlapping_iter(text);
        let forms = values.filter_map(|found| needles.forms.get(found.pattern().as_usize()));
        // What nobody noted but nobody may log either.
        let key = contains(text, b"PRIVATE KEY-----").then_some("private key");
        let token = holds_token(text).then_some("token");
        findings.extend(forms.copied().chain(key).chain(token).map(|form| Finding {
            file: path.to_owned(),
            line,
            form,
        }));
    }
    Ok(())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Whether there is a word that begins as every JSON Web Token does, and goes on. In the middle of a word, such as
/// a line of a public key, the same letters are there by chance.
fn holds_token(text: &[u8]) -> bool {
    let words = text.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_.+".contains(byte));
    words.into_iter().any(|word| {
        let begin = word.get(..SHORTEST).unwrap_or_default();
        begin.starts_with(b"eyJ") && !begin.contains(&b'+')
    })
}

/// The value as it is, and as base64, hexadecimal, URL-escaped, form-encoded and JSON-escaped text.
fn forms_of(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = vec![("plain", value.to_vec())];
    // Inside a longer text the value can begin at any of three positions of a base64 group; the
    // characters that mix with a neighbour's bits are left out.
    for shift in 0..3_usize {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(value);
        let from = [0, 2, 3].get(shift).copied().unwrap_or_default();
        let to = shifted.len() * 8 / 6;
        for (form, text) in [
            ("base64", STANDARD_NO_PAD.encode(&shifted)),
            ("base64url", URL_SAFE_NO_PAD.encode(&shifted)),
        ] {
            forms.push((
                form,
                text.as_bytes().get(from..to).unwrap_or_default().to_vec(),
            ));
        }
    }
    let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    forms.push(("HEX", hex.to_uppercase().into_bytes()));
    forms.push(("hex", hex.into_bytes()));
    let url: String = value
        .iter()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(*byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect();
    forms.push(("URL", url.into_bytes()));
    let form: String = url::form_urlencoded::byte_serialize(value).collect();
    forms.push(("form", form.into_bytes()));
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_json::Value::from(text).to_string();
        forms.push(("JSON", json.trim_matches('"').as_bytes().to_vec()));
    }
    forms.push(("byte list", list(value)));
    forms
}

/// As `Debug` shows a slice of bytes.
fn list(value: &[u8]) -> Vec<u8> {
    let bytes: Vec<String> = value.iter().map(ToString::to_string).collect();
    bytes.join(", ").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "p\"ss/wörd ~~~~??0123456789";

    fn forms_found(log: &str) -> BTreeSet<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogFolder::new(folder.path()).unwrap();
        logs.forbid(VALUE.as_bytes()).unwrap();
        fs::write(folder.path().join("a.log"), log).unwrap();
        logs.search()
            .unwrap()
            .iter()
            .map(|finding| finding.form)
            .collect()
    }

    #[test]
    fn a_planted_value_is_found_in_every_form() {
        let long = |before: &str| STANDARD_NO_PAD.encode(format!("{before}{VALUE}after"));
        let cases = [
            (VALUE.to_owned(), "plain"),
            (long(""), "base64"),
            (long("x"), "base64"),
            (long("xy"), "base64"),
            (URL_SAFE_NO_PAD.encode(format!("xy{VALUE}")), "base64url"),
            (VALUE.bytes().map(|b| format!("{b:02x}")).collect(), "hex"),
            (VALUE.bytes().map(|b| format!("{b:02X}")).collect(), "HEX"),
            (
                "p%22ss%2Fw%C3%B6rd%20~~~~%3F%3F0123456789".to_owned(),
                "URL",
            ),
            (
                "secret=p%22ss%2Fw%C3%B6rd+%7E%7E%7E%7E%3F%3F0123456789&a=b".to_owned(),
                "form",
            ),
            (serde_json::Value::from(VALUE).to_string(), "JSON"),
            (format!("{:?}", VALUE.as_bytes()), "byte list"),
        ];
        for (text, form) in cases {
            let found = forms_found(&format!("one line\n{text}\n"));
            assert!(found.contains(form), "{form} in {text}: {found:?}");
        }
        assert_eq!(
            forms_found("nothing here, not even p\"ss/w"),
            BTreeSet::new()
        );
    }

    #[test]
    fn a_token_is_found_where_a_word_begins_and_not_by_chance_in_a_key() {
        const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL29pZGMifQ.c2ln";
        for text in [
            TOKEN.to_owned(),
            format!("Authorization: Bearer {TOKEN}"),
            format!("{{\"token\":\"{TOKEN}\"}}"),
            format!("https://example.com/{TOKEN}?client_assertion={TOKEN}"),
        ] {
            assert!(holds_token(text.as_bytes()), "{text}");
        }
        for text in [
            "eyJhbGciOiJ",
            "Njtswd9X5dT0tHTeyJC46z40RQhJWCdW/j7NE1yVS0rBYOKMPv8lOwXUzQ==",
            "eyJC46z40RQh+WCdW",
        ] {
            assert!(!holds_token(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_search_that_proves_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let logs = LogFolder::new(folder.path()).unwrap();
        assert!(logs.search().is_err(), "no values");
        logs.forbid(VALUE.as_bytes()).unwrap();
        assert!(logs.search().is_err(), "no logs");
        fs::write(folder.path().join("a.log"), "").unwrap();
        assert!(logs.search().unwrap().is_empty());
        logs.forbid(b"short").unwrap();
        assert!(logs.search().is_err(), "a value too short to tell");
    }
}

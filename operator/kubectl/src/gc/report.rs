//! What was found and done, for people and for programs.

use serde::Serialize;
use vaultbind_crds::status::AzureKind;

use crate::exit::Exit;
use crate::output::{Look, Output};
use crate::table::{Table, plain, toned};
use crate::terminal::Tone;

/// Federated credentials that an identity can have.
const MOST_CREDENTIALS: usize = 20;

/// What is left in Azure, and what was looked at.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GcReport {
    /// Issuer of this cluster's tokens, by which what was made for it is told apart.
    pub issuer: String,
    /// Whether what is left was to be removed.
    pub delete: bool,
    /// What the operator made that no binding keeps, and what stands in its list.
    pub left: Vec<Leftover>,
    /// The identities that were looked at.
    pub identities: Vec<IdentityReport>,
    /// Their federated credentials that trust other issuers.
    pub other_issuers: Vec<OtherIssuer>,
    /// What could not be looked at, and why.
    pub unseen: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// Something in Azure, or an entry of the operator's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// What it is.
    pub kind: AzureKind,
    /// Its resource id.
    pub id: String,
    /// The namespace that it was made for.
    pub namespace: Option<String>,
    /// Namespace and name of the binding, where the list tells.
    pub binding: Option<String>,
    /// When the operator gave it up, where the list tells.
    pub since: Option<String>,
    /// Why, where the list tells.
    pub why: Option<String>,
    /// What it is now.
    pub state: State,
    /// Whether it stands in the operator's list.
    pub recorded: bool,
    /// Why it is not removed, or what it is is not known.
    pub error: Option<String>,
}

/// What something is that is left, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum State {
    /// It is there, and --delete removes it.
    Left,
    /// It is removed.
    Removed,
    /// It could not be removed.
    Failed,
    /// It is there, and its content is not what the operator of this cluster made. It is never removed.
    Foreign,
    /// A binding keeps it again. Only the entry in the list is too much.
    Kept,
    /// It is not there any more. Only the entry in the list is too much.
    Gone,
    /// It could not be looked at.
    Unknown,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Left => "Left",
            Self::Removed => "Removed",
            Self::Failed => "Failed",
            Self::Foreign => "Foreign",
            Self::Kept => "Kept",
            Self::Gone => "Gone",
            Self::Unknown => "Unknown",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Left | Self::Failed => Tone::Bad,
            Self::Foreign | Self::Unknown => Tone::Warning,
            Self::Removed => Tone::Good,
            Self::Kept | Self::Gone => Tone::Faint,
        }
    }
}

/// An identity that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReport {
    /// Its resource id.
    pub id: String,
    /// How many federated credentials it has, whoever they are for.
    pub credentials: usize,
}

/// A federated credential that trusts another issuer than this cluster. It is shown, and never removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherIssuer {
    /// Resource id of the identity.
    pub identity: String,
    /// Its name.
    pub name: String,
    /// Whom it trusts.
    pub issuer: String,
    /// Which of their tokens.
    pub subject: Option<String>,
    /// Whether it bears the name that the operator of the other cluster would give it.
    pub vaultbind: bool,
    /// Whether the issuer answers.
    pub answers: Answers,
    /// The command that deletes it, if the issuer does not.
    pub command: Option<String>,
}

/// Whether an issuer answers at `/.well-known/openid-configuration`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub enum Answers {
    /// It was not asked.
    #[default]
    NotAsked,
    /// It does.
    Yes,
    /// It is not there (HTTP 404 or 410): the cluster is gone.
    Gone,
    /// There is no answer from here: the cluster is gone, or not to be reached.
    Silent,
    /// It answers something else.
    Unclear,
}

impl Answers {
    fn cell(self) -> (String, Option<Tone>) {
        match self {
            Self::NotAsked => plain(""),
            Self::Yes => toned(Tone::Good, "Yes"),
            Self::Gone => toned(Tone::Bad, "Gone"),
            Self::Silent => toned(Tone::Warning, "Silent"),
            Self::Unclear => toned(Tone::Warning, "Unclear"),
        }
    }
}

impl Output for GcReport {
    fn text(&self, look: &Look) -> String {
        let heading = |text: &str| look.paint.tone(Tone::Strong, text) + "\n";
        let mut text = heading(&format!("Left in Azure of {}", self.issuer));
        if self.left.is_empty() {
            text.push_str("  nothing\n");
        } else {
            text.push_str(&self.left_text(look));
        }
        if !self.identities.is_empty() {
            text.push_str(&heading("Identities"));
            let mut table = Table::new(look.paint, &["CREDENTIALS", "ID"]);
            for one in &self.identities {
                let count = format!("{} of {MOST_CREDENTIALS}", one.credentials);
                let tone = (one.credentials >= MOST_CREDENTIALS).then_some(Tone::Warning);
                table.row([(count, tone), plain(&one.id)]);
            }
            text.push_str(&table.text("  "));
        }
        if !self.other_issuers.is_empty() {
            text.push_str(&heading("Credentials of other issuers"));
            text.push_str(&self.others_text(look));
        }
        let commands: Vec<&str> = (self.other_issuers.iter())
            .filter_map(|one| one.command.as_deref())
            .collect();
        if !commands.is_empty() {
            text.push_str(&heading(
                "If the clusters of issuers that do not answer are gone",
            ));
            for command in commands {
                text.push_str(&format!("  {command}\n"));
            }
        }
        for unseen in &self.unseen {
            let told = format!("not looked at: {unseen}");
            text.push_str(&(look.paint.tone(Tone::Warning, &told) + "\n"));
        }
        for note in &self.notes {
            text.push_str(&format!("note: {note}\n"));
        }
        text
    }

    fn exit(&self) -> Exit {
        let any = |wanted: &[State]| self.left.iter().any(|one| wanted.contains(&one.state));
        if any(&[State::Left, State::Failed, State::Foreign]) {
            Exit::Wrong
        } else if any(&[State::Unknown]) || !self.unseen.is_empty() {
            Exit::NotAsked
        } else {
            Exit::Fine
        }
    }
}

impl GcReport {
    fn left_text(&self, look: &Look) -> String {
        let mut table = Table::new(look.paint, &["STATE", "KIND", "FOR", "SINCE", "ID"]);
        for one in &self.left {
            let whom = one.binding.as_deref().or(one.namespace.as_deref());
            table.row([
                toned(one.state.tone(), one.state.as_str()),
                plain(one.kind.as_str()),
                plain(whom.unwrap_or_default()),
                plain(one.since.as_deref().unwrap_or_default()),
                plain(&one.id),
            ]);
        }
        let mut text = table.text("  ");
        for one in &self.left {
            let name = one.id.rsplit('/').next().unwrap_or_default();
            if let Some(error) = &one.error {
                text.push_str(&format!("  {name}: {error}\n"));
            }
            if one.state == State::Foreign {
                text.push_str(&format!(
                    "  {name}: its content is not what the operator of this cluster made, so it stays: look at it in \
                     Azure\n"
                ));
            }
            if let Some(why) = one.why.as_deref().filter(|_| look.wide) {
                text.push_str(&format!(
                    "  {name}: the operator could not remove it: {why}\n"
                ));
            }
        }
        if self.left.iter().any(|one| one.state == State::Left) {
            text.push_str("  Nothing is removed; --delete removes what is Left.\n");
        }
        text
    }

    fn others_text(&self, look: &Look) -> String {
        let mut table = Table::new(
            look.paint,
            &["IDENTITY", "NAME", "ANSWERS", "ISSUER", "SUBJECT"],
        );
        for one in &self.other_issuers {
            let identity = one.identity.rsplit('/').next().unwrap_or_default();
            table.row([
                plain(identity),
                plain(&one.name),
                one.answers.cell(),
                plain(&one.issuer),
                plain(one.subject.as_deref().unwrap_or_default()),
            ]);
        }
        table.text("  ")
    }
}

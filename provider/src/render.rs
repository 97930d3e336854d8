//! From what the vault served to the files of the volume. The bytes of each are made where those of
//! Kubernetes Secrets are made, too; here they get their paths, and what was opened is remembered.

mod error;
mod memo;
mod places;
mod renderer;
mod separate;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use vaultbind_keyvault::{Content, Fetched, Sensitive};
use vaultbind_render::{Error, Opened, Opening, Part, Parts, Whole};

use crate::request::{FileMode, Object};

pub use error::RenderError;
pub use renderer::{RenderFailure, Renderer};

/// What the command line says about certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenderOptions {
    /// Order the certificates of a PFX from leaf to root.
    pub construct_pem_chain: bool,
    /// Also write the certificates to `<file>.crt` and the key to `<file>.key`.
    pub separate_files: bool,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            construct_pem_chain: true,
            separate_files: false,
        }
    }
}

/// One file of the volume. Its contents may be secret, so it has no `Debug`.
pub struct RenderedFile {
    /// Relative path.
    pub path: String,
    /// Permission bits.
    pub mode: FileMode,
    /// The bytes.
    pub contents: Bytes,
}

/// The files of one object.
pub struct Rendered {
    /// In the order in which they are sent.
    pub files: Vec<RenderedFile>,
    /// What someone should know although the files are there.
    pub warning: Option<RenderWarning>,
}

/// What someone should know although the files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RenderWarning {
    /// The certificates of a PFX do not all belong to one chain.
    #[error("the certificates do not form one complete chain; those outside it come last")]
    IncompleteChain,
    /// The same, where only the chain is written.
    #[error("the certificates do not form one complete chain; those outside it are left out")]
    OutsideChain,
}

/// Renders one object, opening a PFX there and then.
///
/// # Errors
/// When the vault's content cannot take the form that the class asks for.
pub fn render(
    object: &Object,
    fetched: &Fetched,
    options: RenderOptions,
) -> Result<Rendered, RenderError> {
    let open = |value: &Sensitive, opening: Opening| opening.open(value.expose());
    render_with(object, fetched, options, open)
}

/// The value that has to be opened before the object can be rendered, and how.
fn to_open<'a>(
    object: &Object,
    fetched: &'a Fetched,
    options: RenderOptions,
) -> Option<(&'a Sensitive, Opening)> {
    if object.parts.is_empty() {
        vaultbind_render::whole_opening(&fetched.content, whole(object, options))
    } else {
        vaultbind_render::parts_opening(&fetched.content, &parts(object))
    }
}

fn render_with(
    object: &Object,
    fetched: &Fetched,
    options: RenderOptions,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Rendered, RenderError> {
    if object.parts.is_empty() {
        all_of(object, &fetched.content, options, open)
    } else {
        parts_of(object, &fetched.content, open)
    }
    .map_err(RenderError)
}

fn whole(object: &Object, options: RenderOptions) -> Whole {
    Whole {
        encoding: object.encoding,
        format: object.format,
        chain: options.construct_pem_chain,
    }
}

fn parts(object: &Object) -> Vec<Part> {
    object.parts.iter().collect()
}

fn all_of(
    object: &Object,
    content: &Content,
    options: RenderOptions,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Rendered, Error> {
    let rendered = vaultbind_render::whole(content, whole(object, options), open)?;
    let mut files = Vec::new();
    // There is nothing to split in a PFX, so separate files are not written for it.
    if options.separate_files && rendered.pem {
        let separate = separate::files(&rendered.bytes);
        files.extend(
            separate
                .into_iter()
                .map(|(suffix, bytes)| file(object, suffix, bytes)),
        );
    }
    files.push(file(object, "", rendered.bytes));
    let warning = rendered
        .incomplete
        .then_some(RenderWarning::IncompleteChain);
    Ok(Rendered { files, warning })
}

fn parts_of(
    object: &Object,
    content: &Content,
    open: impl FnOnce(&Sensitive, Opening) -> Result<Opened, Error>,
) -> Result<Rendered, Error> {
    let Parts { files, incomplete } = vaultbind_render::parts(content, &parts(object), open)?;
    let part_file = |(part, bytes): (Part, _)| file(object, &format!("/{}", part.file()), bytes);
    Ok(Rendered {
        files: files.into_iter().map(part_file).collect(),
        warning: incomplete.then_some(RenderWarning::OutsideChain),
    })
}

fn file(object: &Object, suffix: &str, bytes: Sensitive) -> RenderedFile {
    RenderedFile {
        path: [object.path.as_str(), suffix].concat(),
        mode: object.mode,
        contents: Bytes::from_owner(Wiped(bytes)),
    }
}

/// The bytes of a file, wiped when the answer that holds them is gone.
struct Wiped(Sensitive);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

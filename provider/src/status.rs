//! The one conversion of failures into gRPC statuses.

use tonic::{Code, Status};
use vaultbind_keyvault::Category;
use vaultbind_keyvault::text::printable;

use crate::mount::MountError;

/// The longest message that leaves a Mount, in characters.
pub const MAX_MESSAGE_CHARS: usize = 300;

/// The status of a failed mount.
///
/// Only final codes: kubelet takes UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED and
/// CANCELLED for an uncertain outcome and may start the pod on an empty directory.
pub fn from_mount_error(error: &MountError) -> Status {
    Status::new(code(error.category()), bounded(&error.to_string()))
}

pub(crate) fn code(category: Category) -> Code {
    match category {
        Category::Unauthenticated => Code::Unauthenticated,
        Category::PermissionDenied => Code::PermissionDenied,
        Category::NotFound => Code::NotFound,
        Category::FailedPrecondition => Code::FailedPrecondition,
        Category::InvalidArgument => Code::InvalidArgument,
        Category::Unreachable => Code::Unknown,
        Category::Internal => Code::Internal,
    }
}

/// The field's name of a code.
pub(crate) fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Unauthenticated => "Unauthenticated",
        Code::PermissionDenied => "PermissionDenied",
        Code::NotFound => "NotFound",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::InvalidArgument => "InvalidArgument",
        Code::Internal => "Internal",
        Code::Cancelled => "Cancelled",
        _ => "Unknown",
    }
}

/// The errors clean what they quote; this holds for whatever one of them has overlooked.
fn bounded(message: &str) -> String {
    let message = &printable(message, usize::MAX);
    if message.chars().count() <= MAX_MESSAGE_CHARS {
        return message.to_owned();
    }
    let mut text: String = message.chars().take(MAX_MESSAGE_CHARS - 1).collect();
    text.push('…');
    text
}

//! Holds the page of commands and flags to the code: `make docs` writes it.

use std::path::Path;

use clap::CommandFactory as _;
use vaultbind_telemetry::pages;

use crate::args::Args;

#[test]
fn the_page_of_commands_is_what_the_command_line_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/kubectl.md");
    assert!(
        pages::holds(&file, &pages::commands(&Args::command())).unwrap(),
        "docs/reference/kubectl.md is not what the code says: run `make docs` and commit the result"
    );
}

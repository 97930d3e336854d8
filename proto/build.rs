//! Compiles the provider protocol with protox, so no protoc is needed.

use std::error::Error;

/// Messages whose derived `Debug` would print tokens or file contents.
const REDACTED: [&str; 2] = [".v1alpha1.MountRequest", ".v1alpha1.File"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=service.proto");
    let descriptors = protox::compile(["service.proto"], ["."])?;
    tonic_prost_build::configure()
        // Without this the generated client would demand tonic's channel feature of everyone.
        .build_transport(false)
        .skip_debug(REDACTED)
        .bytes(".v1alpha1.File.contents")
        .compile_fds(descriptors)?;
    Ok(())
}

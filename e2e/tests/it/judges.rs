//! Judged by what others wrote: the Azure SDKs for Python and Go as clients of the emulated Azure,
//! grpc-go as the CSI driver's client, openssl and Go's libraries as readers of mounted files.
//!
//! `e2e/judges/prepare` installs them. One that is missing fails these tests.

mod files;
mod go_sdk;
mod grpc_go;
mod parts;
mod python_sdk;
mod site;
mod tools;

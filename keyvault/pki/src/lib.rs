//! Keys and certificates as bytes: PEM text, public keys from their numbers, the order of a
//! certificate chain, and a reader for PKCS#12.
//!
//! Nothing here reads files, talks to a network or knows of a vault. All input is hostile until
//! proven otherwise: no function panics, and each bounds the work that its input can ask for.

mod asn1;
pub mod chain;
mod curve;
pub mod pem;
pub mod pkcs12;
pub mod private_key;
pub mod spki;

#[cfg(test)]
mod testing;

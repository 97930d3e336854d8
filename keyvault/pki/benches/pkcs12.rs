//! Opening a PFX with a key and three certificates, in the two encryptions that are common.
//!
//! The files were made by `openssl pkcs12 -export`, one with `-legacy`, without a password, of keys
//! that nothing else uses.

#![allow(missing_docs, clippy::expect_used)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vaultbind_pki::{chain, pkcs12};

const FILES: [(&str, &[u8]); 2] = [
    (
        "PBES2 with AES-256, 2,048 rounds",
        include_bytes!("modern.p12"),
    ),
    (
        "3DES and RC2, SHA-1, 2,048 rounds",
        include_bytes!("legacy.p12"),
    ),
];

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("PKCS#12 open");
    for (name, file) in FILES {
        group.bench_function(name, |bencher| {
            bencher.iter(|| pkcs12::decode(black_box(file), "").expect("a good file"));
        });
    }
    group.finish();
}

fn order(criterion: &mut Criterion) {
    let contents = pkcs12::decode(FILES[0].1, "").expect("a good file");
    let certificates: Vec<Vec<u8>> = contents.certificates.iter().rev().cloned().collect();
    criterion.bench_function("order a chain of three", |bencher| {
        bencher.iter_with_setup(|| certificates.clone(), chain::order);
    });
}

criterion_group!(benches, open, order);
criterion_main!(benches);

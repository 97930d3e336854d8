//! `kubectl vaultbind doctor` names the right culprit: each row breaks one thing, or two, on a real API server
//! with the operator and the emulated Azure, and says which step, which reason and which command are to be
//! named. There is no kubelet: its part, pods' states and its events, is played here.

mod bench;
mod deeds;
mod rows;

use bench::{Bench, Row, told};

use crate::site::logs;

/// Rows whose faults are in their own namespace run at the same time, so many.
const AT_A_TIME: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_thing_that_is_wrong_is_named_and_its_command_mends_it() {
    let bench = Bench::start("rows-operator").await;
    let only = std::env::var("DOCTOR_ROW").ok();
    let wanted = |row: &Row| {
        only.as_ref()
            .is_none_or(|only| row.name.contains(only.as_str()))
    };
    let mut failures = Vec::new();
    let own: Vec<Row> = rows::of_namespace().into_iter().filter(wanted).collect();
    for some in own.chunks(AT_A_TIME) {
        let mut running = tokio::task::JoinSet::new();
        for row in some {
            let (bench, row) = (bench.clone(), row.clone());
            running.spawn(async move { bench.run(&row).await.err() });
        }
        while let Some(ended) = running.join_next().await {
            failures.extend(ended.unwrap());
        }
    }
    // What these break is the cluster's, so they are alone.
    for row in rows::of_cluster().into_iter().filter(wanted) {
        failures.extend(bench.run(&row).await.err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    bench.end().await;
    let findings = logs().search().unwrap();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rights_of_an_editor_are_enough_and_what_they_hide_is_said() {
    let bench = Bench::start("editor-operator").await;
    let world = bench.healthy().await;
    let editor = bench.editor(&world).await;
    let report = bench.ask_as(&world, "payments", &editor).await.unwrap();
    assert_eq!(report.exit, 0, "{}", report.text);
    assert_eq!(
        told(&report.json),
        ("Healthy".to_owned(), String::new(), String::new())
    );
    for hidden in ["you may not get csinodes node-a", "you may not get leases"] {
        assert!(report.text.contains(hidden), "{hidden}: {}", report.text);
    }
    let nobody = ["--as", "nobody"].map(str::to_owned).to_vec();
    let report = bench.ask_as(&world, "payments", &nobody).await.unwrap();
    assert_eq!(report.exit, 2, "{}", report.text);
    bench.end().await;
}

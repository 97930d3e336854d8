use super::*;

fn read(arguments: &[&str]) -> Result<Args, String> {
    let program = ["vaultbind-operator"].into_iter();
    Args::try_parse_from(program.chain(arguments.iter().copied()))
        .map_err(|error| error.to_string())
}

#[test]
fn the_defaults_go_together() {
    let args = read(&[]).unwrap();
    assert!(args.leader_elect && args.watch_namespaces.is_empty());
    args.timing().unwrap();
}

#[test]
fn a_lease_of_two_seconds_can_be_had() {
    let args = read(&[
        "--lease-duration=2s",
        "--lease-renew-deadline=1500ms",
        "--lease-retry-period=300ms",
    ]);
    args.unwrap().timing().unwrap();
    let args = read(&["--lease-duration=2s"]).unwrap();
    assert!(
        args.timing()
            .unwrap_err()
            .contains("--lease-renew-deadline")
    );
}

#[test]
fn namespaces_are_repeated_or_listed() {
    for arguments in [
        &["--watch-namespaces=a,b"][..],
        &["--watch-namespace=a", "--watch-namespaces=b"],
    ] {
        assert_eq!(read(arguments).unwrap().watch_namespaces, ["a", "b"]);
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_the_remedy() {
    for (argument, remedy) in [
        ("--workers=0", "1..=256"),
        ("--lease-duration=0s", "30s or 1m30s"),
        ("--lease-duration=2h", "at most 1h"),
        ("--leader-elect=perhaps", "true or false"),
        ("--vault-concurrency=0", "1..="),
    ] {
        let error = read(&[argument]).unwrap_err();
        assert!(error.contains(remedy), "{argument}: {error}");
    }
}

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
fn what_is_made_in_azure_is_removed_within_a_minute_to_a_day() {
    for (arguments, minutes) in [
        (&[][..], 10),
        (&["--azure-deletion-timeout=1m"], 1),
        (&["--azure-deletion-timeout=24h"], 24 * 60),
    ] {
        let timeout = read(arguments).unwrap().azure_deletion_timeout;
        assert_eq!(timeout, Duration::from_secs(minutes * 60), "{arguments:?}");
    }
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
        ("--azure-deletion-timeout=59s", "from 1m to 24h"),
        ("--azure-deletion-timeout=24h1s", "from 1m to 24h"),
        ("--azure-deletion-timeout=10", "from 1m to 24h"),
        ("--leader-elect=perhaps", "true or false"),
        ("--vault-concurrency=0", "1..="),
    ] {
        let error = read(&[argument]).unwrap_err();
        assert!(error.contains(remedy), "{argument}: {error}");
    }
}

#[test]
fn a_token_proxy_is_there_if_its_url_is_given() {
    assert!(read(&[]).unwrap().token_proxy().is_none());
    let args = read(&[
        "--token-proxy-url=https://10.0.0.1",
        "--sni-name=a.ests.aks",
        "--token-proxy-ca-file=/tmp/ca.crt",
    ]);
    let proxy = args.unwrap().token_proxy().unwrap();
    assert_eq!(proxy.url.to_string(), "https://10.0.0.1/");
    let name = proxy.server_name.map(|name| name.to_string());
    assert_eq!(name.as_deref(), Some("a.ests.aks"));
    assert_eq!(proxy.ca_file, PathBuf::from("/tmp/ca.crt"));
    for arguments in [
        &["--token-proxy-url=http://proxy.example"][..],
        &["--sni-name=a.ests.aks"],
        &["--token-proxy-ca-file=/tmp/ca.crt"],
    ] {
        let error = read(arguments).unwrap_err();
        assert!(
            error.contains("--token-proxy-url"),
            "{arguments:?}: {error}"
        );
    }
}

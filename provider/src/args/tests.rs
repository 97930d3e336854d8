use super::*;

fn read(arguments: &[&str]) -> Result<Args, String> {
    let all = std::iter::once("vaultbind-provider").chain(arguments.iter().copied());
    Args::read(all.map(OsString::from)).map_err(|error| error.to_string())
}

#[test]
fn the_go_providers_manifest_starts_this_program() {
    let args = read(&[
        "-endpoint=unix:///provider/azure.sock",
        "--construct-pem-chain=true",
        "-write-cert-and-key-in-separate-files",
        "-v=5",
        "--logtostderr",
        "--log_dir",
        "/tmp",
        "--healthz-port=8990",
        "--healthz-path=/live",
        "--healthz-timeout=10s",
        "-prometheus-port",
        "9000",
        "--metrics-backend=Prometheus",
        "--log-format-json=true",
        "--cloud-name=AzureUSGovernmentCloud",
        "--enable-pprof=false",
    ])
    .unwrap();
    assert_eq!(args.endpoint, "unix:///provider/azure.sock");
    assert!(args.construct_pem_chain && args.write_cert_and_key_in_separate_files);
    assert!(args.log_format_json);
    assert_eq!(args.verbosity, 5);
    assert_eq!((args.healthz_port, args.prometheus_port), (8990, 9000));
    assert_eq!(args.healthz_path, "/live");
    assert_eq!(args.healthz_timeout, Duration::from_secs(10));
    assert_eq!(args.cloud_name, Cloud::UsGovernment);
    let ignored: Vec<_> = args.ignored.iter().map(String::as_str).collect();
    assert_eq!(
        ignored,
        ["enable-pprof", "log_dir", "logtostderr", "metrics-backend"]
    );
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let args = read(&[]).unwrap();
    assert_eq!(args.endpoint, "unix:///provider/vaultbind.sock");
    assert!(args.construct_pem_chain);
    assert!(!args.write_cert_and_key_in_separate_files && !args.log_format_json);
    assert_eq!(args.mount_timeout, Duration::from_secs(30));
    assert_eq!(args.max_message_bytes, 4_194_304);
    assert!(args.allow_uids.is_empty());
    assert_eq!(
        (args.vault_requests_per_second, args.vault_concurrency),
        (400, 64)
    );
    assert_eq!(args.try_timeout, Duration::from_secs(5));
    assert_eq!(args.hedge_after, Duration::from_millis(300));
}

#[test]
fn mistakes_name_the_flag_and_the_remedy() {
    let cases = [
        (
            &["--cloud-name=AzureMoonCloud"][..],
            "AzurePublicCloud, AzureUSGovernmentCloud",
        ),
        (&["--mount-timeout=fast"], "use a duration such as 30s"),
        (&["--mount-timeout=0s"], "use a duration such as 30s"),
        (&["--mount-timeout=2000000000000h"], "at most 1h"),
        (&["--construct-pem-chain=yes"], "use true or false"),
        (&["--try-timeout=0s"], "use a duration such as 30s"),
        (&["--hedge-after=-1s"], "use a duration such as 0s"),
        (&["--vault-concurrency=0"], "0 is not in 1.."),
        (&["--vault-requests-per-second=0"], "0 is not in 1.."),
        (&["--allow-vault-host=kv.example:443"], "a full name in DNS"),
        (
            &["--allow-vault-host=https://kv.example"],
            "no address, port or URL",
        ),
        (
            &["--allow-vault-host=management.azure.com,10.0.0.1"],
            "no address",
        ),
        (
            &["--token-proxy-url=http://proxy.example"],
            "use an https URL",
        ),
        (
            &["--token-proxy-url=https://u@proxy.example"],
            "without user",
        ),
        (
            &[
                "--token-proxy-url=https://proxy.example",
                "--sni-name=a:443",
            ],
            "without scheme and port",
        ),
        (&["--sni-name=a.ests.aks"], "--token-proxy-url"),
        (&["--token-proxy-ca-file=/tmp/ca.crt"], "--token-proxy-url"),
        (&["--no-such-flag"], "--no-such-flag"),
    ];
    for (arguments, expected) in cases {
        let error = read(arguments).unwrap_err();
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn switches_can_be_turned_off() {
    let args = read(&[
        "--construct-pem-chain=false",
        "--allow-uid=7,8",
        "--allow-uid=9",
        "--hedge-after=0s",
        "--allow-vault-host=KV.corp.example,kv2.corp.example",
        "--allow-vault-host=kv3.corp.example",
    ])
    .unwrap();
    assert!(!args.construct_pem_chain);
    assert_eq!(args.allow_uids, [7, 8, 9]);
    assert!(args.hedge_after.is_zero());
    let hosts: Vec<_> = args.allow_vault_hosts.iter().map(|h| h.as_str()).collect();
    assert_eq!(
        hosts,
        ["kv.corp.example", "kv2.corp.example", "kv3.corp.example"]
    );
}

#[test]
fn a_token_proxy_is_there_if_its_url_is_given() {
    let args = read(&[]).unwrap();
    assert_eq!((args.token_proxy_url, args.sni_name), (None, None));
    let ca = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
    assert_eq!(args.token_proxy_ca_file, ca);
    // As the Go provider's flags are written.
    let args = read(&[
        "-sni-name",
        "a.ests.aks",
        "-token-proxy-url=https://10.0.0.1",
        "--token-proxy-ca-file=/tmp/ca.crt",
    ])
    .unwrap();
    let text = |url: TokenProxyUrl| url.to_string();
    let url = args.token_proxy_url.map(text);
    assert_eq!(url.as_deref(), Some("https://10.0.0.1/"));
    let name = args.sni_name.map(|name| name.to_string());
    assert_eq!(name.as_deref(), Some("a.ests.aks"));
    assert_eq!(args.token_proxy_ca_file, PathBuf::from("/tmp/ca.crt"));
    assert!(args.ignored.is_empty());
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}

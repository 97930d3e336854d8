//! What pods read.

use vaultbind_cluster_tests::{PodSpec, Site, within};

use crate::support::{object, objects, secret_object, site, site_with_secrets};

#[tokio::test]
async fn a_pod_reads_a_secret_a_key_and_a_certificate() {
    let value = vaultbind_e2e::stage::random("value");
    let site = site(
        "kinds",
        &format!(
            "  secrets: [{{name: db, value: {value}}}]
  keys: [{{name: sign, type: EC, curve: P-256}}]
  certificates: [{{name: web, subject: CN=web, issuer: Chain, key: {{type: EC, curve: P-256}}}}]
"
        ),
    )
    .await;
    let all = objects(&[
        object("secret", "db", &[]),
        object("key", "sign", &[]),
        object("cert", "web", &[("objectAlias", "web.crt")]),
        object("secret", "web", &[("objectAlias", "web.pem")]),
    ]);
    site.class("all", &all).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/db").await.unwrap(),
        value.as_bytes()
    );
    let text = async |file: &str| {
        String::from_utf8(site.read(&pod, &format!("/mnt/all/{file}")).await.unwrap()).unwrap()
    };
    assert!(
        text("sign")
            .await
            .starts_with("-----BEGIN PUBLIC KEY-----\n")
    );
    let leaf = text("web.crt").await;
    assert_eq!(leaf.matches("-----BEGIN CERTIFICATE-----").count(), 1);
    let pem = text("web.pem").await;
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert_eq!(pem.matches("-----BEGIN CERTIFICATE-----").count(), 3);
    assert!(pem.contains(&leaf), "the leaf is the certificate's");

    let recorded = site.recorded(&pod, "all").await.unwrap();
    let ids: Vec<_> = recorded.keys().map(String::as_str).collect();
    assert_eq!(ids, ["cert/web", "key/sign", "secret/db", "secret/web"]);
    assert!(
        recorded.values().all(|version| version.len() == 32),
        "{recorded:?}"
    );
}

#[tokio::test]
async fn files_have_the_mode_asked_for_and_non_root_readers_need_the_world_bit() {
    let (site, [open, closed]) = site_with_secrets("modes", ["open", "closed"]).await;
    let all = objects(&[
        object("secret", "open", &[("filePermission", "0644")]),
        object("secret", "closed", &[("filePermission", "0400")]),
    ]);
    site.class("all", &all).await.unwrap();
    let pod = site
        .run(&PodSpec::new("user", "all").as_user(1000))
        .await
        .unwrap();
    let stat = [
        "/bin/busybox",
        "stat",
        "-L",
        "-c",
        "%a %u %g",
        "/mnt/all/open",
        "/mnt/all/closed",
    ];
    let modes = site.exec(&pod, &stat).await.unwrap();
    assert_eq!(String::from_utf8(modes).unwrap(), "644 0 0\n400 0 0\n");
    assert_eq!(
        site.read(&pod, "/mnt/all/open").await.unwrap(),
        open.as_bytes()
    );
    assert!(site.read(&pod, "/mnt/all/closed").await.is_err());

    let root = site.run(&PodSpec::new("root", "all")).await.unwrap();
    assert_eq!(
        site.read(&root, "/mnt/all/closed").await.unwrap(),
        closed.as_bytes()
    );
}

#[tokio::test]
async fn aliases_name_files_and_folders() {
    let (site, [value]) = site_with_secrets("aliases", ["db"]).await;
    let all = objects(&[
        object("secret", "db", &[("objectAlias", "app/config/db.password")]),
        object("secret", "db", &[("objectAlias", "DB_PASSWORD")]),
    ]);
    site.class("all", &all).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    for file in ["app/config/db.password", "DB_PASSWORD"] {
        let path = format!("/mnt/all/{file}");
        assert_eq!(
            site.read(&pod, &path).await.unwrap(),
            value.as_bytes(),
            "{file}"
        );
    }
    let list = site
        .exec(&pod, &["/bin/busybox", "ls", "/mnt/all"])
        .await
        .unwrap();
    assert_eq!(String::from_utf8(list).unwrap(), "DB_PASSWORD\napp\n");
}

#[tokio::test]
async fn one_pod_mounts_two_classes() {
    let (site, [one, two]) = site_with_secrets("two-classes", ["one", "two"]).await;
    site.class("first", &secret_object("one")).await.unwrap();
    site.class("second", &secret_object("two")).await.unwrap();
    let pod = PodSpec::new("reader", "first").and_class("second");
    let pod = site.run(&pod).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/first/one").await.unwrap(),
        one.as_bytes()
    );
    assert_eq!(
        site.read(&pod, "/mnt/second/two").await.unwrap(),
        two.as_bytes()
    );
    for class in ["first", "second"] {
        assert_eq!(site.recorded(&pod, class).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn classes_of_one_name_in_two_namespaces_are_two_classes() {
    let (here, [mine]) = site_with_secrets("same-name", ["db"]).await;
    let (there, [theirs]) = site_with_secrets("same-name", ["db"]).await;
    for (site, value) in [(&here, mine), (&there, theirs)] {
        site.class("same", &secret_object("db")).await.unwrap();
        let pod = site.run(&PodSpec::new("reader", "same")).await.unwrap();
        assert_eq!(
            site.read(&pod, "/mnt/same/db").await.unwrap(),
            value.as_bytes()
        );
    }
}

#[tokio::test]
async fn a_deleted_pod_goes_in_time_and_leaves_no_mount() {
    let (site, [_]) = site_with_secrets("deleted", ["db"]).await;
    site.class("all", &secret_object("db")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let uid = site.pods().get(&pod).await.unwrap().metadata.uid.unwrap();
    assert!(mounts_of(&uid) > 0, "the scenario looks in the right place");
    site.delete(&pod).await.unwrap();
    let gone = || async { Ok((mounts_of(&uid) == 0).then_some(())) };
    within(std::time::Duration::from_secs(60), "no mount is left", gone)
        .await
        .unwrap();
    no_status_is_left(&site, &pod).await;
}

fn mounts_of(uid: &str) -> usize {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    mounts
        .lines()
        .filter(|line| line.contains(uid) && line.contains("kubernetes.io~csi"))
        .count()
}

async fn no_status_is_left(site: &Site, pod: &str) {
    let gone = || async { Ok(site.recorded(pod, "all").await.is_err().then_some(())) };
    within(
        std::time::Duration::from_secs(60),
        "the pod status is gone",
        gone,
    )
    .await
    .unwrap();
}

//! Large, many, binary, long.

use vaultbind_cluster_tests::PodSpec;
use vaultbind_e2e::stage::random;

use crate::support::{object, objects, secret_object, site, site_with_secrets};

#[tokio::test]
async fn a_secret_of_25_kilobytes_is_whole() {
    let (site, [_]) = site_with_secrets("big", ["small"]).await;
    let value: String = random("big").repeat(700).chars().take(25_000).collect();
    site.set_secret("big", &value).await.unwrap();
    site.class("all", &secret_object("big")).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    assert_eq!(
        site.read(&pod, "/mnt/all/big").await.unwrap(),
        value.as_bytes()
    );
}

#[tokio::test]
async fn two_hundred_objects_are_all_there() {
    let values: Vec<String> = (0..200).map(|n| random(&format!("v{n}"))).collect();
    let vault: String = values
        .iter()
        .enumerate()
        .map(|(n, value)| format!("  - {{name: s{n}, value: {value}}}\n"))
        .collect();
    let site = site("many", &format!("  secrets:\n{vault}")).await;
    let entries: Vec<_> = (0..200)
        .map(|n| object("secret", &format!("s{n}"), &[]))
        .collect();
    site.class("all", &objects(&entries)).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let all = site
        .exec(
            &pod,
            &["/bin/busybox", "sh", "-c", "cd /mnt/all && grep '' s*"],
        )
        .await;
    let text = String::from_utf8(all.unwrap()).unwrap();
    let read: std::collections::BTreeMap<_, _> = text
        .lines()
        .map(|line| line.split_once(':').unwrap())
        .collect();
    assert_eq!(read.len(), 200);
    for (n, value) in values.iter().enumerate() {
        assert_eq!(read[format!("s{n}").as_str()], value);
    }
}

#[tokio::test]
async fn more_than_the_driver_takes_is_told() {
    let (site, [_]) = site_with_secrets("too-big", ["small"]).await;
    site.set_secret("big", &"x".repeat(25_000)).await.unwrap();
    let entries: Vec<_> = (0..170)
        .map(|n| object("secret", "big", &[("objectAlias", &format!("f{n}"))]))
        .collect();
    site.class("all", &objects(&entries)).await.unwrap();
    let pod = site.create(&PodSpec::new("reader", "all")).await.unwrap();
    let event = site
        .event(&pod, "split the SecretProviderClass")
        .await
        .unwrap();
    assert!(event.contains("code = InvalidArgument"), "{event}");
}

#[tokio::test]
async fn binary_content_is_decoded_from_base64() {
    let (site, [_]) = site_with_secrets("binary", ["small"]).await;
    // Bytes 0 to 251.
    let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0\
                +P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3\
                x9fn+AgYKDhIWGh4iJiouMjY6PkJGSk5SVlpeYmZqbnJ2en6ChoqOkpaanqKmqq6ytrq+wsbKztLW2t7i5u\
                ru8vb6/wMHCw8TFxsfIycrLzM3Oz9DR0tPU1dbX2Nna29zd3t/g4eLj5OXm5+jp6uvs7e7v8PHy8/T19vf4\
                +fr7";
    site.set_secret("binary", text).await.unwrap();
    let entries = objects(&[object("secret", "binary", &[("objectEncoding", "base64")])]);
    site.class("all", &entries).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    let expected: Vec<u8> = (0..=251).collect();
    assert_eq!(site.read(&pod, "/mnt/all/binary").await.unwrap(), expected);
}

#[tokio::test]
async fn names_at_their_limits_are_taken() {
    let long = "n".repeat(127);
    let (site, [_]) = site_with_secrets("names", ["small"]).await;
    let value = random("value");
    site.set_secret(&long, &value).await.unwrap();
    let alias = format!("{}/{}", "d".repeat(255), "f".repeat(255));
    let entries = objects(&[
        object("secret", &long, &[]),
        object("secret", &long, &[("objectAlias", &alias)]),
    ]);
    site.class("all", &entries).await.unwrap();
    let pod = site.run(&PodSpec::new("reader", "all")).await.unwrap();
    for file in [long, alias] {
        let path = format!("/mnt/all/{file}");
        assert_eq!(
            site.read(&pod, &path).await.unwrap(),
            value.as_bytes(),
            "{file}"
        );
    }
}

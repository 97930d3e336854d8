//! Pages of lists.

use proptest::prelude::*;

use super::*;
use crate::vault::SetSecret;
use crate::vault::query::Query;

#[test]
fn pages_are_followed_to_the_end_over_sixty_secrets() {
    let vaults = vault("");
    for number in 0..60 {
        let name = format!("item-{number}");
        vaults
            .set_secret("kv-one", &name, SetSecret::new("v"), NOW)
            .unwrap();
    }
    for (first, sizes) in [
        ("/secrets?api-version=7.4", vec![25, 25, 10]),
        (
            "/secrets?api-version=7.4&maxresults=7",
            vec![7, 7, 7, 7, 7, 7, 7, 7, 4],
        ),
    ] {
        let mut next = Some(first.to_owned());
        let mut names = Vec::new();
        let mut seen = Vec::new();
        while let Some(target) = next {
            let page = get(&vaults, &target);
            let items = page.body["value"].as_array().unwrap();
            seen.push(items.len());
            names.extend(
                items
                    .iter()
                    .map(|item| item["id"].as_str().unwrap().to_owned()),
            );
            let link = page.body.get("nextLink").unwrap();
            next = link.as_str().map(|link| {
                let start =
                    "https://kv-one.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=";
                assert!(link.starts_with(start), "{link}");
                assert_eq!(
                    link.ends_with("&maxresults=7"),
                    first.ends_with("=7"),
                    "{link}"
                );
                link.split_once(":443").unwrap().1.to_owned()
            });
        }
        assert_eq!(seen, sizes);
        assert_eq!(names.len(), 60);
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}

#[test]
fn versions_are_paged_by_their_ids() {
    let vaults = vault("");
    for _ in 0..30 {
        vaults
            .set_secret("kv-one", "many", SetSecret::new("v"), NOW)
            .unwrap();
    }
    let first = get(&vaults, "/secrets/many/versions");
    let link = first.body["nextLink"]
        .as_str()
        .unwrap()
        .split_once(":443")
        .unwrap()
        .1
        .to_owned();
    let second = get(&vaults, &link);
    let ids: Vec<&str> = [&first, &second]
        .into_iter()
        .flat_map(|page| page.body["value"].as_array().unwrap())
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 30);
    assert!(ids.is_sorted());
    assert!(second.body["nextLink"].is_null());
}

proptest! {
    #[test]
    fn any_path_and_query_get_an_answer_that_is_json(
        method in "GET|PUT|POST|PATCH|DELETE|HEAD",
        path in "/(deleted)?(secrets|keys|certificates)?(/[a-zA-Z0-9_%-]{0,8}){0,3}/?|\\PC*",
        query in "(api-version=7.4)?(&[$a-z]{1,10}=\\PC{0,12}){0,2}|\\PC*",
        body in "(\\{\"[a-z]{1,8}\":[0-9\"{}\\[\\]]{0,5}\\})|\\PC{0,20}",
    ) {
        let vaults = vault("");
        let mut any = request(&method, "", &body);
        any.path = path;
        any.query = query;
        let answer = send(&vaults, &any, NOW);
        prop_assert!(answer.status < 500, "{answer:?}");
        prop_assert!(answer.status < 400 || !answer.code().is_empty(), "{answer:?}");
    }

    #[test]
    fn a_page_token_leads_back_to_its_entry(name in "[a-zA-Z0-9-]{1,127}") {
        let query = Query::parse("api-version=7.4").unwrap();
        let next = query.next("secret", &name);
        let read = Query::parse(&next).unwrap();
        prop_assert_eq!(read.start, Some(name.to_ascii_uppercase()));
        prop_assert!(!next.contains('%'));
    }
}

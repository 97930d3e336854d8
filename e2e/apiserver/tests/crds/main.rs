//! What a real API server makes of the custom resources.

#[tokio::test]
async fn definitions_install() {
    let t = std::time::Instant::now();
    let server = vaultbind_apiserver::ApiServer::start().await.unwrap();
    println!("{:?}", t.elapsed());
    vaultbind_apiserver::install(&server, &vaultbind_apiserver::folder())
        .await
        .unwrap();
    println!("{:?}", t.elapsed());
}

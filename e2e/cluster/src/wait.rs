use std::time::Duration;

use anyhow::{Context as _, bail};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(200);

/// Asks until there is an answer, for a minute.
///
/// # Errors
/// The last error, when the time is over.
pub async fn eventually<T, F>(what: &str, ask: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    within(Duration::from_secs(60), what, ask).await
}

/// Asks until there is an answer, within a time. `None` is "not yet"; an error is remembered and told
/// if there never is an answer.
///
/// # Errors
/// The last error, when the time is over.
pub async fn within<T, F>(
    limit: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let mut last = None;
    let asking = async {
        loop {
            match ask().await {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(POLL).await;
        }
    };
    if let Ok(answer) = tokio::time::timeout(limit, asking).await {
        return Ok(answer);
    }
    let seconds = limit.as_secs();
    match last {
        Some(error) => Err(error).with_context(|| format!("not within {seconds} s: {what}")),
        None => bail!("not within {seconds} s: {what}"),
    }
}

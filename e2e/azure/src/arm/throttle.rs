//! Buckets of requests: each takes one out, and they fill again with time.

use std::collections::HashMap;
use std::time::Duration;

use crate::seed::BucketSettings;

/// What a bucket counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Reads,
    Writes,
    Deletes,
    CredentialReads,
    CredentialLists,
    CredentialWrites,
}

/// All buckets, by what they count and for whom.
#[derive(Debug, Default)]
pub(super) struct Buckets(HashMap<(Class, String), Bucket>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    filled: Duration,
}

impl Buckets {
    /// Takes a request out of a bucket and tells how many are left, or after how many seconds there
    /// will be one.
    pub(super) fn take(
        &mut self,
        class: Class,
        whose: String,
        settings: BucketSettings,
        now: Duration,
    ) -> Result<u32, u64> {
        let size = f64::from(settings.size);
        let bucket = self.0.entry((class, whose)).or_insert(Bucket {
            left: size,
            filled: now,
        });
        let passed = now.saturating_sub(bucket.filled).as_secs_f64();
        bucket.left = (bucket.left + passed * settings.per_second).min(size);
        bucket.filled = now;
        // Both are small and not negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        if bucket.left < 1.0 {
            let seconds = (1.0 - bucket.left) / settings.per_second.max(0.001);
            Err(seconds.ceil().max(1.0) as u64)
        } else {
            bucket.left -= 1.0;
            Ok(bucket.left as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_to_its_size() {
        let settings = BucketSettings {
            size: 2,
            per_second: 0.5,
        };
        let mut buckets = Buckets::default();
        let mut take = |who: &str, millis| {
            let now = Duration::from_millis(millis);
            buckets.take(Class::Reads, who.to_owned(), settings, now)
        };
        assert_eq!(take("a", 0), Ok(1));
        assert_eq!(take("a", 0), Ok(0));
        assert_eq!(take("a", 0), Err(2));
        assert_eq!(take("a", 1500), Err(1));
        assert_eq!(take("b", 1500), Ok(1));
        assert_eq!(take("a", 2000), Ok(0));
        // However long nobody comes.
        assert_eq!(take("a", 60_000), Ok(1));
    }
}

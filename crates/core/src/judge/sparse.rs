//! Counts over fixed buckets, of which only those with a count are kept, ascending by bucket.

/// Adds `count` to `bucket`.
pub(super) fn add(buckets: &mut Vec<(u16, u32)>, bucket: u16, count: u32) {
    match buckets.binary_search_by_key(&bucket, |b| b.0) {
        Ok(i) => buckets[i].1 = buckets[i].1.saturating_add(count),
        Err(i) => buckets.insert(i, (bucket, count)),
    }
}

/// All counts together.
pub(super) fn total(buckets: &[(u16, u32)]) -> u64 {
    buckets.iter().map(|b| u64::from(b.1)).sum()
}

/// Counts of the buckets above `bucket`.
pub(super) fn above(buckets: &[(u16, u32)], bucket: u16) -> u64 {
    buckets.iter().filter(|b| b.0 > bucket).map(|b| u64::from(b.1)).sum()
}

//! Near misses: which known name somebody may have meant.

/// The known name nearest to `name`, when it is near enough to be meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase().replace('-', "_");
    known
        .into_iter()
        .map(|k| {
            let candidate = k.to_lowercase().replace('-', "_");
            let distance = strsim::damerau_levenshtein(&wanted, &candidate);
            let likeness = strsim::jaro_winkler(&wanted, &candidate);
            (k, distance, likeness)
        })
        .filter(|(k, distance, likeness)| *distance <= (k.chars().count().max(3) / 3).min(3) || *likeness > 0.92)
        .min_by_key(|(_, distance, _)| *distance)
        .map(|(k, ..)| k)
}

/// What to say about an unknown name: the nearest known one, or all of them when they are few.
pub(crate) fn help<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LISTED_MAX: usize = 24;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match known.len() {
        0 => None,
        n if n <= LISTED_MAX => Some(format!("known: {}", known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))),
        n => Some(format!("none of the {n} known ones is near")),
    }
}

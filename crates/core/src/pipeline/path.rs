//! Paths of a pipeline: relative to the workspace, `/` between parts, normalised as text.

/// `path`, as written in a stage that works in `wdir`, seen from the workspace. An absolute path stays as it is;
/// one that leaves the workspace starts with `..`; the workspace itself is the empty text.
#[must_use]
pub fn join_path(wdir: &str, path: &str) -> String {
    if path.starts_with('/') {
        return format!("/{}", normalise(path));
    }
    if wdir.starts_with('/') {
        return format!("/{}", normalise(&format!("{wdir}/{path}")));
    }
    normalise(&format!("{wdir}/{path}"))
}

/// The parts without `.`, empty ones, and `..` where there is a part to take back.
fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

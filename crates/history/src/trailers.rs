//! Who reviewed a change, and who wrote it together, as far as its message says: trailers, found as git finds them.
//!
//! Trailers are lines `Key: value` in the last paragraph, which is not the first. All of its lines are such, or one of them is one that git
//! writes itself and a quarter of them are. A line that begins with a space goes on with the one before it; lines with `#` are nothing.
//! People are compared by the digest of their address, as authors are, and counted.

use crate::parse::{AuthorKey, author};
use std::collections::BTreeSet;

/// Trailers that name somebody who looked at a change and let it pass.
const REVIEWED: &[&str] = &["reviewed-by", "acked-by"];
/// Trailers that say that reviews are written down here, though they name nobody: Gerrit's, on every change that it lets in.
const REVIEWED_ELSEWHERE: &[&str] = &["reviewed-on"];
/// Trailers that name somebody who wrote a change, too.
const COAUTHORED: &[&str] = &["co-authored-by"];
/// Beginnings of lines that git writes itself.
const OF_GIT: &[&[u8]] = &[b"Signed-off-by: ", b"(cherry picked from commit "];

/// People other than the author, by what a message says; none where it has no trailer of the kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct People {
    pub reviewers: Option<u32>,
    pub coauthors: Option<u32>,
}

/// Reads a message of an author.
pub(crate) fn people(message: &[u8], by: &AuthorKey) -> People {
    let trailers = trailers(message);
    let of = |keys: &[&str], silent: &[&str]| {
        let is = |trailer: &&Trailer, keys: &[&str]| keys.iter().any(|key| trailer.key.eq_ignore_ascii_case(key.as_bytes()));
        let named = trailers.iter().filter(|trailer| is(trailer, keys));
        let people: BTreeSet<AuthorKey> = named.filter_map(|trailer| person(&trailer.value)).filter(|key| key != by).collect();
        let said = trailers.iter().any(|trailer| is(&trailer, keys) || is(&trailer, silent));
        said.then(|| u32::try_from(people.len()).unwrap_or(u32::MAX))
    };
    People { reviewers: of(REVIEWED, REVIEWED_ELSEWHERE), coauthors: of(COAUTHORED, &[]) }
}

/// `Name <address>`; an address or a name alone is one, too.
fn person(value: &[u8]) -> Option<AuthorKey> {
    let open = value.iter().rposition(|byte| *byte == b'<');
    let address = open.and_then(|open| value.get(open + 1..)?.split(|byte| *byte == b'>').next());
    let name = value.get(..open.unwrap_or(value.len())).unwrap_or_default();
    let address = address.unwrap_or(if name.contains(&b'@') { name } else { b"" });
    (!address.trim_ascii().is_empty() || !name.trim_ascii().is_empty()).then(|| author(address, name))
}

struct Trailer<'m> {
    key: &'m [u8],
    value: Vec<u8>,
}

/// What a line of the last paragraph is.
enum Line<'m> {
    Comment,
    /// It goes on with the one before it.
    More(&'m [u8]),
    /// Git writes it, and it is no `Key: value`.
    OfGit,
    Trailer(Trailer<'m>, bool),
    Other,
}

fn trailers(message: &[u8]) -> Vec<Trailer<'_>> {
    let lines: Vec<Line<'_>> = last_paragraph(message).iter().map(|line| read(line)).collect();
    if !is_block(&lines) {
        return Vec::new();
    }
    let (mut trailers, mut open): (Vec<Trailer<'_>>, bool) = (Vec::new(), false);
    for line in lines {
        match line {
            Line::More(more) => {
                if let Some(last) = trailers.last_mut().filter(|_| open) {
                    last.value.push(b' ');
                    last.value.extend_from_slice(more);
                }
            }
            Line::Trailer(trailer, _) => {
                trailers.push(trailer);
                open = true;
            }
            Line::Comment | Line::OfGit | Line::Other => open = false,
        }
    }
    trailers
}

/// The lines of the last paragraph, where it is not the first; comments behind it are not looked at.
fn last_paragraph(message: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = message.split(|byte| *byte == b'\n').collect();
    let blank = |line: &&[u8]| line.trim_ascii().is_empty();
    let first = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    lines.drain(..first);
    while lines.last().is_some_and(|line| blank(line) || line.starts_with(b"#")) {
        lines.pop();
    }
    match lines.iter().rposition(blank) {
        Some(above) => lines.split_off(above + 1),
        None => Vec::new(),
    }
}

fn read(line: &[u8]) -> Line<'_> {
    if line.starts_with(b"#") {
        return Line::Comment;
    }
    if line.first().is_some_and(u8::is_ascii_whitespace) {
        return Line::More(line.trim_ascii());
    }
    let of_git = OF_GIT.iter().any(|begin| line.starts_with(begin));
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return if of_git { Line::OfGit } else { Line::Other } };
    let (key, rest) = line.split_at(colon);
    // Spaces may stand before the colon, and nowhere else in the key.
    let key = key.trim_ascii_end();
    let value = rest.get(1..).unwrap_or_default().trim_ascii().to_vec();
    match !key.is_empty() && key.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        true => Line::Trailer(Trailer { key, value }, of_git),
        false if of_git => Line::OfGit,
        false => Line::Other,
    }
}

/// Whether a paragraph is one of trailers.
fn is_block(lines: &[Line<'_>]) -> bool {
    let (mut trailers, mut others, mut of_git, mut follows) = (0_usize, 0_usize, false, false);
    for line in lines {
        match line {
            Line::Comment => follows = false,
            // What goes on with something that is no trailer is none either.
            Line::More(_) => others += usize::from(!follows),
            Line::OfGit | Line::Trailer(..) => {
                trailers += 1;
                of_git = of_git || !matches!(line, Line::Trailer(_, false));
                follows = true;
            }
            Line::Other => {
                others += 1;
                follows = false;
            }
        }
    }
    trailers > 0 && (others == 0 || of_git && trailers * 3 >= others)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> (Option<u32>, Option<u32>) {
        let people = people(message.as_bytes(), &author(b"ann@example.com", b"Ann"));
        (people.reviewers, people.coauthors)
    }

    #[test]
    fn people_other_than_the_author_are_counted_once() {
        for (message, wanted) in [
            ("x\n\nReviewed-by: Bob <bob@example.com>\n", (Some(1), None)),
            (
                "x\n\nreviewed-BY : Bob <BOB@example.com>\nAcked-by: B. <bob@example.com>\nAcked-by: Cid <cid@example.com> # twice\n",
                (Some(2), None),
            ),
            ("x\n\nReviewed-by: Ann <ann@example.com>\n", (Some(0), None)),
            ("x\n\nCo-authored-by: Bob <bob@example.com>\nCo-Authored-By: Cid\n", (None, Some(2))),
            // Gerrit writes where it was reviewed, and of whom only where somebody was.
            ("x\n\nChange-Id: I0123\nReviewed-on: https://review.example.com/c/1\n", (Some(0), None)),
            ("x\n\nChange-Id: I0123\n", (None, None)),
            ("x\n\nReviewed-by:\n", (Some(0), None)),
            ("x\n\nReviewed-by: Bob\n  <bob@example.com>\n", (Some(1), None)),
        ] {
            assert_eq!(told(message), wanted, "{message}");
        }
    }

    #[test]
    fn what_stands_elsewhere_is_no_trailer() {
        let by = "Reviewed-by: Bob <bob@example.com>";
        for (message, found) in [
            (by.to_owned(), false),
            (format!("\n\n{by}\n"), false),
            (format!("x\n{by}\n"), false),
            (format!("x\n\n{by}\n\nand then\n"), false),
            (format!("x\n\nit was so that\n{by}\n"), false),
            (format!("x\n\n{by}\n\n# a comment\n\n"), true),
            (format!("x\n\n{by}\n# a comment\nTested-by: Cid\n"), true),
            (format!("x\n \n{by}\n \n"), true),
            // A quarter is enough where git wrote one of them.
            (format!("x\n\na\nb\nSigned-off-by: Cid <cid@example.com>\n{by}\nc\n"), true),
            (format!("x\n\na\n(cherry picked from commit 0123)\n{by}\n"), true),
            (format!("x\n\na\nb\nc\nd\ne\nf\ng\nSigned-off-by: Cid <cid@example.com>\n{by}\n"), false),
            (format!("x\n\n goes on with nothing\n{by}\n"), false),
        ] {
            assert_eq!(told(&message).0.is_some(), found, "{message}");
        }
    }
}

//! A line of `--raw`: modes, ids, what became of a file, and its paths, of one parent or of several.

use crate::change::Id;

/// Most parents of a commit. Git's own octopus merges had 66 at most, in Linux.
pub(crate) const PARENTS_MAX: usize = 128;

/// One file that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raw {
    /// Whether the file is there after the change.
    pub there: bool,
    /// Of each parent, and of the result.
    pub ids: Vec<Id>,
    /// As git writes it: `A`, `D`, `M`, `R`, `T`, one letter for each parent.
    pub status: Vec<u8>,
    /// Of each parent, and of the result.
    pub paths: Vec<Vec<u8>>,
}

impl Raw {
    /// `:100644 100644 <id> <id> M<tab>path`, with a colon more for each further parent.
    pub(crate) fn read(line: &[u8]) -> Option<Raw> {
        let parents = line.iter().take_while(|byte| **byte == b':').count();
        if parents == 0 || parents > PARENTS_MAX {
            return None;
        }
        let mut fields = line.get(parents..)?.split(|byte| *byte == b'\t');
        let words: Vec<&[u8]> = fields.next()?.split(|byte| *byte == b' ').collect();
        let modes = words.get(..=parents)?;
        let ids: Option<Vec<Id>> = words.get(parents + 1..2 * parents + 2)?.iter().map(|hex| Id::read(hex)).collect();
        let status = words.get(2 * parents + 2)?;
        // Behind `R` comes how alike, of a single parent.
        let status: Vec<u8> = status.iter().copied().filter(u8::is_ascii_uppercase).collect();
        let mut paths: Vec<Vec<u8>> = fields.map(unquoted).collect::<Option<_>>()?;
        if paths.is_empty() || status.len() != parents {
            return None;
        }
        // One path stands for all, unless the file had others.
        while paths.len() < parents + 1 {
            paths.push(paths.last()?.clone());
        }
        let there = modes.last()?.iter().any(|digit| *digit != b'0');
        (paths.len() == parents + 1).then_some(Raw { there, ids: ids?, status, paths })
    }

    pub(crate) fn path(&self) -> &[u8] {
        self.paths.last().map(Vec::as_slice).unwrap_or_default()
    }
}

/// A path as git writes it: as it is, or in quotes with the escapes of C.
fn unquoted(path: &[u8]) -> Option<Vec<u8>> {
    let Some(inner) = path.strip_prefix(b"\"") else { return (!path.is_empty()).then(|| path.to_vec()) };
    let inner = inner.strip_suffix(b"\"")?;
    let (mut out, mut bytes) = (Vec::with_capacity(inner.len()), inner.iter().copied());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'a' => 7,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 11,
            b'f' => 12,
            b'r' => b'\r',
            other @ (b'"' | b'\\') => other,
            first @ b'0'..=b'3' => {
                let mut value = first - b'0';
                for _ in 0..2 {
                    let digit = bytes.next().filter(|digit| (b'0'..=b'7').contains(digit))?;
                    value = value << 3 | (digit - b'0');
                }
                value
            }
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(modes: &str, parents: usize, rest: &str) -> Option<Raw> {
        let ids = vec!["0123456789012345678901234567890123456789"; parents + 1].join(" ");
        Raw::read(format!("{}{modes} {ids} {rest}", ":".repeat(parents)).as_bytes())
    }

    #[test]
    fn paths_are_unquoted_and_stand_for_each_parent() {
        let raw = line("100644 100644", 1, "R083\ta\t\"b \\303\\274\\t\\\"\"").unwrap();
        assert_eq!((raw.paths.clone(), raw.status.as_slice(), raw.there), (vec![b"a".to_vec(), "b ü\t\"".into()], &b"R"[..], true));
        let raw = line("100644 100644 100644", 2, "MR\tb\ta\tb").unwrap();
        assert_eq!(raw.paths, [b"b", b"a", b"b"]);
        let raw = line("100644 100644 000000", 2, "DD\tb").unwrap();
        assert_eq!((raw.paths.len(), raw.there), (3, false));
        for bad in ["M\t", "M", "MM\ta", "M\t\"a", "M\t\"\\9\"", "M\ta\tb\tc"] {
            assert_eq!(line("100644 100644", 1, bad), None, "{bad}");
        }
    }
}

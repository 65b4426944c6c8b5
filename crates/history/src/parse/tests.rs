//! What is read of a history that is right, and that nothing panics on one that is not.

use super::*;
use crate::fold::Fold;
use crate::log::Log;
use crate::settings::Settings;
use expect::commits;
use proptest::prelude::*;

/// A root, a change with a rename and a binary, a branch, the merge of both.
pub(crate) fn sample() -> Vec<u8> {
    let id = |digit: &str| digit.repeat(40);
    let zero = id("0");
    let (r, c, b, m) = (id("1"), id("2"), id("3"), id("4"));
    let (x, y, z, w) = (id("a"), id("b"), id("c"), id("d"));
    let head = |ids: &str, message: &str| format!("\0{ids}\0001700000000 1700000000 +0130\0A@example.com\0a\0{message}\n\0\n\n");
    [
        head(&format!("{r} "), "first"),
        format!(":000000 100644 {zero} {x} A\ta.rs\n\ndiff --git a/a.rs b/a.rs\nnew file mode 100644\nindex {zero}..{x}\n--- /dev/null\n+++ b/a.rs\n@@ -0,0 +1,3 @@\n+one();\n+two();\n+three();\n"),
        head(&format!("{c} {r}"), "fix it"),
        format!(":100644 100644 {x} {y} R090\ta.rs\t\"b\\\"\\303\\274.rs\"\n:000000 100644 {zero} {z} A\tpicture\n\n"),
        format!("diff --git a/a.rs \"b/b\\\"\"\nsimilarity index 90%\nrename from a.rs\nrename to x\nindex {x}..{y} 100644\n--- a/a.rs\n+++ b/x\n@@ -1,3 +1,3 @@ one\n one();\n-two();\n+@@ -1 +1 @@\n three();\n\\ No newline at end of file\n"),
        format!("diff --git a/picture b/picture\nnew file mode 100644\nindex {zero}..{z}\nBinary files /dev/null and b/picture differ\n"),
        head(&format!("{b} {r}"), "side"),
        format!(":100644 100644 {x} {w} M\ta.rs\n\ndiff --git a/a.rs b/a.rs\nindex {x}..{w} 100644\n--- a/a.rs\n+++ b/a.rs\n@@ -3 +3 @@ two();\n-three();\n+3();\n"),
        head(&format!("{m} {c} {b}"), "merge"),
        format!("::100644 100644 100644 {y} {w} {z} MR\tb.rs\ta.rs\tb.rs\n\ndiff --combined b.rs\nindex {y},{w}..{z}\n--- a/b.rs\n--- a/a.rs\n+++ b/b.rs\n@@@ -1,3 -1,3 +1,4 @@@\n  one();\n- @@ -1 +1 @@\n -two();\n+ 3();\n++4();\n"),
    ]
    .concat()
    .into_bytes()
}

mod expect {
    use super::{Commit, Malformed, Parser};

    pub(super) fn commits(bytes: &[u8]) -> Result<Vec<Commit>, Malformed> {
        let mut parser = Parser::new(bytes);
        std::iter::from_fn(|| parser.commit().transpose()).collect()
    }
}

#[test]
fn commits_files_and_lines_are_read() {
    let commits = commits(&sample()).unwrap();
    let told: Vec<_> = commits.iter().map(|commit| (commit.parents.len(), commit.files.len(), commit.message.as_slice())).collect();
    assert_eq!(told, [(0, 1, &b"first\n"[..]), (1, 2, b"fix it\n"), (1, 1, b"side\n"), (2, 1, b"merge\n")]);
    let (renamed, picture) = (&commits[1].files[0], &commits[1].files[1]);
    assert_eq!(renamed.raw.paths, [b"a.rs".to_vec(), "b\"ü.rs".as_bytes().to_vec()]);
    assert_eq!((renamed.hunks.as_slice(), renamed.added, renamed.deleted), (&[Hunk { old: 1, old_lines: 1, new_lines: 1 }][..], 1, 1));
    assert_eq!((picture.binary, picture.hunks.len(), commits[1].added.as_slice()), (true, 0, &b"@@ -1 +1 @@\n"[..]));
    let merge = &commits[3].files[0];
    assert_eq!((merge.added, merge.combined[0].new, merge.combined[0].lines.len()), (1, 0, 5));
    assert_eq!((commits[0].at_s, commits[0].written_local_s), (1_700_000_000, 1_700_005_400));
}

#[test]
fn limits_cut_and_do_not_break() {
    let long = format!("\0{} \0001 1 +0000\0a\0a\0{}\0\n", "1".repeat(40), "m".repeat(MESSAGE_BYTES_MAX * 2));
    assert_eq!(commits(long.as_bytes()).unwrap()[0].message.len(), MESSAGE_BYTES_MAX);
    let many = format!("\0{}\0001 1 +0000\0a\0a\0m\0\n", vec!["1".repeat(40); PARENTS_MAX + 2].join(" "));
    assert!(commits(many.as_bytes()).unwrap_err().to_string().contains("PARENTS_MAX"));
    let cut = sample();
    assert!(commits(cut.strip_suffix(b"\n3();\n").unwrap_or(&cut)).is_ok());
    let within = memchr::memmem::find(&cut, b"+two();").unwrap();
    assert!(commits(&cut[..within]).unwrap_err().to_string().contains("within a hunk"));
}

fn fold(bytes: &[u8]) -> usize {
    let settings = Settings::default();
    let mut fold = Fold::new(Log::default(), &settings);
    let mut parser = Parser::new(bytes);
    while let Ok(Some(commit)) = parser.commit() {
        // A parent that was never read is refused in words.
        let _ = fold.take(&commit, &[], &|_| false);
    }
    let mut merges = Parser::new(bytes);
    while let Ok(Some(_)) = merges.merge() {}
    fold.log.changes.len()
}

#[test]
fn the_sample_is_folded() {
    assert_eq!(fold(&sample()), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_comes_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        fold(&bytes);
    }

    #[test]
    fn whatever_is_wrong_in_it_it_ends(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4, any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, other, what, byte) in changes {
            let (at, other) = (at.index(bytes.len()), other.index(bytes.len()));
            match what {
                0 => bytes[at] = byte,
                1 => bytes[at] = bytes[other],
                2 => { bytes.drain(at..(at + usize::from(byte)).min(bytes.len())); }
                _ => {
                    let part: Vec<u8> = bytes[other..(other + usize::from(byte)).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        fold(&bytes);
    }
}

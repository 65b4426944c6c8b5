//! Which files are tests, locks or prose, and which lines of a file do nothing.

/// What a file is to the tracing of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Code whose comment lines begin with one of these.
    Code(&'static [&'static str]),
    /// For people: no line of it does anything.
    Prose,
    /// Written by a package manager.
    Lock,
}

const SLASHES: &[&str] = &["//", "/*", "*/", "* ", "*\t"];
const SLASHES_AND_HASH: &[&str] = &["//", "/*", "*/", "* ", "#"];
const HASH: &[&str] = &["#"];
const DASHES: &[&str] = &["--", "{-", "-}"];
const SEMICOLON: &[&str] = &[";"];
const PERCENT: &[&str] = &["%"];
const MARKUP: &[&str] = &["<!--", "-->"];

/// Families by the end of a file's name.
const BY_EXTENSION: &[(&[&str], Family)] = &[
    (
        &[
            "rs", "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "java", "js", "jsx", "mjs", "ts", "tsx", "go", "swift", "kt", "kts", "scala",
            "cs", "css", "scss", "less", "proto", "dart", "groovy", "gradle", "m", "mm", "zig", "v", "sv", "cu",
        ],
        Family::Code(SLASHES),
    ),
    (&["php", "tf", "hcl"], Family::Code(SLASHES_AND_HASH)),
    (
        &[
            "py", "pyi", "rb", "sh", "bash", "zsh", "yml", "yaml", "toml", "pl", "pm", "r", "cmake", "ex", "exs", "jl", "nix", "mk", "cfg",
            "conf",
        ],
        Family::Code(HASH),
    ),
    (&["sql", "lua", "hs", "elm", "adb", "ads", "vhd"], Family::Code(DASHES)),
    (&["lisp", "clj", "cljs", "el", "scm", "asm", "ini"], Family::Code(SEMICOLON)),
    (&["tex", "erl", "hrl"], Family::Code(PERCENT)),
    (&["html", "htm", "xml", "vue", "svg"], Family::Code(MARKUP)),
    (&["md", "markdown", "rst", "txt", "adoc"], Family::Prose),
];

const LOCKS: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "deno.lock",
    "poetry.lock",
    "Pipfile.lock",
    "uv.lock",
    "pdm.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
    "mix.lock",
    "flake.lock",
    "packages.lock.json",
    "Podfile.lock",
    "pubspec.lock",
    "gradle.lockfile",
    "conda-lock.yml",
];

const TEST_FOLDERS: &[&str] = &["test", "tests", "testing", "spec", "specs", "__tests__", "e2e", "testdata"];

fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

pub(crate) fn family(path: &[u8]) -> Family {
    let name = name(path);
    if lock(path) {
        return Family::Lock;
    }
    if [&b"Makefile"[..], b"Dockerfile", b"Rakefile", b"Gemfile", b"Jenkinsfile"].contains(&name) {
        return Family::Code(if name == b"Jenkinsfile" { SLASHES } else { HASH });
    }
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.') else { return Family::Code(&[]) };
    let extension = name.get(dot + 1..).unwrap_or_default();
    let known = BY_EXTENSION.iter().find(|(ends, _)| ends.iter().any(|end| extension.eq_ignore_ascii_case(end.as_bytes())));
    known.map_or(Family::Code(&[]), |(_, family)| *family)
}

pub(crate) fn lock(path: &[u8]) -> bool {
    LOCKS.iter().any(|lock| lock.as_bytes() == name(path))
}

/// By folder, or by name: `test_x.py`, `x_test.go`, `x.spec.ts`, `XTest.java`, `tests.rs`.
pub(crate) fn test(path: &[u8]) -> bool {
    let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let name = parts.pop().unwrap_or_default();
    if parts.iter().any(|part| TEST_FOLDERS.iter().any(|folder| part.eq_ignore_ascii_case(folder.as_bytes()))) {
        return true;
    }
    let stem = name.split(|byte| *byte == b'.').next().unwrap_or_default();
    let contains = |part: &[u8]| memchr::memmem::find(name, part).is_some();
    let ends = [&b"_test"[..], b"_tests", b"_spec", b"Test", b"Tests", b"-test"].iter().any(|end| stem.ends_with(end));
    ends || stem.starts_with(b"test_") || stem == b"tests" || stem == b"test" || contains(b".test.") || contains(b".spec.")
}

/// Whether a line of such a file does something: not blank, no comment.
pub(crate) fn does_something(family: Family, line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let Family::Code(comments) = family else { return false };
    // A mark that ends in a space wants one: `* word` is a comment, `*word = 1` is none.
    !line.is_empty() && line != b"*" && !comments.iter().any(|mark| line.starts_with(mark.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_blanks_do_nothing_in_their_language_alone() {
        for (path, line, wanted) in [
            ("a.rs", "  // x", false),
            ("a.rs", "#[test]", true),
            ("a.c", " * more", false),
            ("a.c", "*pointer = 1;", true),
            ("a.py", "# x", false),
            ("a.py", "// x", true),
            ("a.sql", "-- x", false),
            ("a.md", "words", false),
            ("Cargo.lock", "name", false),
            ("odd", "# x", true),
            ("odd", " \t\r", false),
            ("A.JAVA", "/* x", false),
        ] {
            assert_eq!(does_something(family(path.as_bytes()), line.as_bytes()), wanted, "{path} {line}");
        }
    }

    #[test]
    fn tests_are_told_by_folder_or_name() {
        for path in ["tests/a.rs", "src/test/java/A.java", "a/test_b.py", "b_test.go", "c.spec.ts", "src/x/tests.rs", "FooTest.java"] {
            assert!(test(path.as_bytes()), "{path}");
        }
        for path in ["src/contest.rs", "latest.py", "testify/a.go", "attest_b.c"] {
            assert!(!test(path.as_bytes()), "{path}");
        }
    }
}

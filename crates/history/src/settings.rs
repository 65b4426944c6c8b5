//! What a team may say about its history. Other settings give other labels, so a state is good for its own settings only.

use crate::change::Id;
use std::collections::BTreeSet;

const DAY_S: i64 = 86_400;

/// How a history is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Words in the first line of a message that make a change a fix. Whole words, in any case.
    pub fix_words: Vec<String>,
    /// Words in the first line that say what is fixed is no fault of the program.
    pub not_fix_words: Vec<String>,
    /// Look for the words in the whole message: finds more, and more that is wrong.
    pub whole_message: bool,
    /// Prefixes of issue keys that are faults, as `OPS-`: a first line with one is a fix.
    pub fault_keys: Vec<String>,
    /// Commits that somebody who knows calls fixes: a tracker that links them to a fault.
    pub fixes: BTreeSet<Id>,
    /// Commits that are none, whatever their message says.
    pub no_fixes: BTreeSet<Id>,
    /// A fix that touches more files is tangled: its lines say little of the fault.
    pub fix_files_max: u32,
    /// The same of lines added and deleted.
    pub fix_lines_max: u32,
    /// A change with more files is a mass change (an import, a formatter): it is not blamed, and has no label.
    pub mass_files_max: u32,
    /// The same of lines added and deleted.
    pub mass_lines_max: u32,
    /// A line whose spaces alone change stays whose it was.
    pub follow_spaces: bool,
    /// A line that a change takes away in one place and puts in another stays whose it was.
    pub follow_moves: bool,
    /// Lines of test files are traced like others.
    pub trace_tests: bool,
    /// The share of delays after which a change without a fix is called clean.
    pub maturity_quantile: f64,
    /// The age taken where too few fixes are known to tell, in seconds.
    pub maturity_default_s: i64,
    /// What counts as now, in seconds since 1970; otherwise the newest commit does.
    pub as_of_s: Option<i64>,
    /// The clock of whoever reads: a commit that says to be of a later time makes no other one old.
    pub now_s: Option<i64>,
}

impl Default for Settings {
    fn default() -> Settings {
        let words = |words: &str| words.split(' ').map(str::to_owned).collect();
        Settings {
            fix_words: words(
                "fix fixes fixed fixing bug bugs bugfix bugfixes hotfix defect defects fault faults patch patched regression revert reverts \
                 crash crashes",
            ),
            not_fix_words: words("typo typos whitespace formatting lint lints linter clippy docs changelog spelling"),
            whole_message: false,
            fault_keys: Vec::new(),
            fixes: BTreeSet::new(),
            no_fixes: BTreeSet::new(),
            fix_files_max: 20,
            fix_lines_max: 2_000,
            mass_files_max: 100,
            mass_lines_max: 10_000,
            follow_spaces: true,
            follow_moves: true,
            trace_tests: false,
            maturity_quantile: 0.9,
            maturity_default_s: 180 * DAY_S,
            as_of_s: None,
            now_s: None,
        }
    }
}

impl Settings {
    /// What must be equal for a state to be gone on with. Labels are made anew each time, so what only they use is left out.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let parts = (&self.fix_words, &self.not_fix_words, self.whole_message, &self.fault_keys, &self.fixes, &self.no_fixes);
        let sizes = (self.fix_files_max, self.fix_lines_max, self.mass_files_max, self.mass_lines_max);
        let ways = (self.follow_spaces, self.follow_moves, self.trace_tests);
        *blake3::hash(format!("{parts:?}{sizes:?}{ways:?}").as_bytes()).as_bytes()
    }
}

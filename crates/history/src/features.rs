//! What is measured of a change: numbers from values, with the definition and source of each.
//!
//! Everything is as of the moment before the change: of earlier changes its ancestors alone count, and no merge among them. A file's
//! earlier changes are those of its path and of every path that it was renamed from. Authors are compared and never named.

/// Declares the features once: the struct, their names, their definitions, their values in order.
macro_rules! features {
    ($($name:ident: $meaning:literal,)*) => {
        /// The features of a change.
        #[derive(Clone, Copy, Debug, Default)]
        pub struct Features {
            $(#[doc = $meaning] pub $name: f64,)*
        }

        impl Features {
            /// Their names, in order.
            pub const NAMES: &[&str] = &[$(stringify!($name)),*];
            /// Their definitions, in order.
            pub const MEANINGS: &[&str] = &[$($meaning),*];

            /// Their values, in order.
            #[must_use]
            pub fn values(&self) -> Vec<f64> {
                vec![$(self.$name),*]
            }

            /// From values in order; missing ones are 0.
            pub(crate) fn of(values: &[f64]) -> Features {
                let mut values = values.iter().copied();
                Features { $($name: values.next().unwrap_or(0.0)),* }
            }
        }
    };
}

/// What is not known of two changes is the same of both.
impl PartialEq for Features {
    fn eq(&self, other: &Features) -> bool {
        self.values().iter().zip(other.values()).all(|(a, b)| *a == b || a.is_nan() && b.is_nan())
    }
}

impl Features {
    /// Those that are not known of every change: not a number where they are not.
    pub const NOT_ALWAYS_KNOWN: &[&str] = &["reviewers", "coauthors"];
}

features! {
    ns: "Subsystems touched: first parts of the paths (Kamei et al. 2013, NS).",
    nd: "Directories touched (Kamei, ND).",
    nf: "Files touched (Kamei, NF).",
    entropy: "How evenly the lines are spread over the files: Shannon's entropy in bits (Kamei, Entropy; Hassan 2009).",
    la: "Lines added (Kamei, LA).",
    ld: "Lines deleted (Kamei, LD).",
    lt: "Lines of the files before the change, mean over the files (Kamei, LT).",
    fix: "1 where the message or a link makes it a fix (Kamei, FIX).",
    ndev: "Authors of earlier changes of these files (Kamei, NDEV).",
    age: "Days since these files were last changed, mean over those that were (Kamei, AGE).",
    nuc: "Distinct earlier changes of these files (Kamei, NUC, over the whole history of the files).",
    exp: "Earlier changes of the author (Kamei, EXP).",
    rexp: "The same, each weighed 1/(1+n), where n is its age in whole years (Kamei, REXP).",
    sexp: "Earlier changes of the author in these subsystems (Kamei, SEXP).",
    last_changes: "Distinct changes that were the last of one of these files (Kamei, NUC, read strictly).",
    own_share: "The author's share of the earlier changes of these files (Bird et al. 2011, ownership).",
    top_share: "The share of whoever has the most of them (Bird, ownership).",
    minor: "Authors with less than 5 % of them (Bird, minor contributors).",
    major: "Authors with 5 % of them or more (Bird, major contributors).",
    own_recency: "1/(1+days) since the author last changed one of these files; 0 where never.",
    file_fixes: "Distinct earlier fixes of these files.",
    file_faults: "Distinct earlier changes whose faults in these files a fix was traced to.",
    folder_changes: "Distinct earlier changes in the directories touched.",
    folder_fixes: "Distinct earlier fixes in the directories touched.",
    churn: "Lines added and deleted by lines there before, plus 1 (Meta's diff risk score, relative size).",
    test_files: "Share of test files among the files.",
    test_lines: "Share of lines in test files among lines added and deleted.",
    lock_lines: "Lines of lock files added and deleted: dependencies that change.",
    lock_age: "Age in days of the lock file lines that go away, mean: how long the dependencies had stood.",
    new_files: "Files that are new (Meta, new-file flag).",
    deleted_files: "Files that are gone.",
    renamed_files: "Files that have another path.",
    binary_files: "Files of which git shows no lines.",
    hour: "Hour of the day on the author's clock, 0 to 23.",
    weekday: "Day of the week on the author's clock, Monday is 0 (Sliwerski et al. 2005).",
    message_bytes: "Length of the message in bytes.",
    reviewers: "People other than the author who reviewed it, by its trailers (McIntosh et al. 2014, Thongtanunam et al. 2015); not known before the first such trailer.",
    coauthors: "People who wrote it with the author, by its trailers; not known before the first such trailer.",
}

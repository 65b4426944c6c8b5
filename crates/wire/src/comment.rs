//! A comment that is found again: its body with a watermark, its limit of length, and which of many comments it is.
//!
//! The watermark is CML's, so that a comment that CML left is taken over. Not here: the services' calls.

/// Longest body, in bytes, that every service takes: GitHub's limit is 65,536 characters, counted by some paths in bytes.
pub const GITHUB_BYTES_MAX: usize = 65_536;
/// Longest body on GitLab.
pub const GITLAB_BYTES_MAX: usize = 1_000_000;
/// Longest body on Bitbucket.
pub const BITBUCKET_BYTES_MAX: usize = 32_768;

/// A comment to be posted or updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The report in Markdown.
    pub report: String,
    /// Title in the watermark; empty for the one that CML writes by itself.
    pub title: String,
    /// Revision in the watermark.
    pub revision: String,
    /// Where the whole report is, told where the body had to be cut.
    pub link: Option<String>,
}

/// Marks that would end the title in Markdown, escaped as CML does.
fn escaped(title: &str) -> String {
    title.chars().flat_map(|c| if "_*[<".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

const HEAD: &str = "![](https://cml.dev/watermark.png#";
const NAME: &str = " \"CML watermark";

impl Comment {
    fn watermark(&self) -> String {
        format!("{HEAD}{}{NAME} {}\")", self.revision, escaped(&self.title))
    }

    /// The body, cut at a line where it would be longer than `bytes_max`; what was cut is told, with the link.
    #[must_use]
    pub fn body(&self, bytes_max: usize) -> String {
        let mark = self.watermark();
        let whole = format!("{}\n\n{mark}", self.report.trim_end());
        if whole.len() <= bytes_max {
            return whole;
        }
        let place = self.link.as_ref().map_or(String::new(), |l| format!(": [the whole report]({l})"));
        let told = format!("\n\n_Cut: the report is longer than a comment may be{place}._\n\n{mark}");
        let room = bytes_max.saturating_sub(told.len());
        let mut kept = String::new();
        for line in self.report.split_inclusive('\n') {
            if kept.len() + line.len() > room {
                break;
            }
            kept.push_str(line);
        }
        // An element that was opened must not swallow the rest of the page.
        let open = kept.matches("<details>").count().saturating_sub(kept.matches("</details>").count());
        let closing = "\n</details>".repeat(open);
        while kept.len() + closing.len() > room && kept.pop().is_some() {}
        format!("{}{closing}{told}", kept.trim_end())
    }

    /// Whether a body carries this comment's watermark, whatever its revision.
    #[must_use]
    pub fn is_in(&self, body: &str) -> bool {
        let title = escaped(&self.title);
        let wanted = format!("{NAME} {title}\")");
        body.match_indices(HEAD).any(|(at, head)| {
            let rest = body.get(at + head.len()..).unwrap_or("");
            let revision = rest.chars().take_while(|c| c.is_ascii_alphanumeric()).count();
            let rest = rest.get(revision..).unwrap_or("");
            rest.starts_with(&wanted) || (title.is_empty() && rest.starts_with(&format!("{NAME}\")")))
        })
    }

    /// The last of these comments that is this one.
    #[must_use]
    pub fn among<'a, T>(&self, comments: &'a [(T, String)]) -> Option<&'a T> {
        comments.iter().rev().find(|(_, body)| self.is_in(body)).map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comment(report: &str, title: &str) -> Comment {
        Comment { report: report.into(), title: title.into(), revision: "0a1b".into(), link: Some("L".into()) }
    }

    #[test]
    fn a_comment_is_found_again_by_its_title_and_not_by_its_revision() {
        let one = comment("text", "a_b");
        assert_eq!(one.body(1_000), "text\n\n![](https://cml.dev/watermark.png#0a1b \"CML watermark a\\_b\")");
        let later = Comment { revision: "ffff".into(), ..one.clone() };
        let other = comment("text", "c");
        let all = [(1, one.body(1_000)), (2, other.body(1_000)), (3, later.body(1_000)), (4, "text".to_owned())];
        assert_eq!((one.among(&all), other.among(&all), comment("", "").among(&all)), (Some(&3), Some(&2), None));
        assert_eq!(
            comment("", "").among(&[(9, "x\n\n![](https://cml.dev/watermark.png#0a1b \"CML watermark \")".to_owned())]),
            Some(&9),
            "CML's own"
        );
    }

    #[test]
    fn a_long_report_is_cut_at_a_line_and_says_so() {
        let long = format!("<details>\n{}", "a line of é\n".repeat(10_000));
        for limit in [200, 1_000, GITHUB_BYTES_MAX] {
            let body = comment(&long, "t").body(limit);
            assert!(body.len() <= limit && body.contains("</details>") && body.contains("[the whole report](L)"), "{}", body.len());
            assert!(comment("", "t").is_in(&body));
        }
    }
}

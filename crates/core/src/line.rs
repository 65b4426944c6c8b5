//! What people write, as it is kept.

/// One line of at most `bytes_max` bytes, cut between characters.
pub(crate) fn line(text: &str, bytes_max: usize) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let end = (0..=bytes_max.min(line.len())).rev().find(|i| line.is_char_boundary(*i)).unwrap_or(0);
    line.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(line(" a\nb\tc ", 100), "a b c");
        assert_eq!(line("é".repeat(10).as_str(), 7), "ééé");
        assert_eq!((line("é", 1), line("", 9)), (String::new(), String::new()));
    }
}

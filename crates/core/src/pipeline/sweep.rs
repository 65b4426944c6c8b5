//! `key=value` with several values at once: `lr=0.1,0.01`, `depth=range(2,6)`, `kind=choice(tree,linear)`.
//!
//! The spellings are those of Hydra's basic sweeper, which DVC uses too. Commas inside quotes, brackets and braces are
//! part of one value.

/// Most experiments of one sweep.
pub const EXPERIMENTS_MAX: usize = 1_000;

/// Why a sweep is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SweepError {
    /// There is no `=`.
    #[error("set a parameter: `{0}` has no `=`: write it as `train.lr=0.1`")]
    NoValue(String),
    /// A range has no values.
    #[error("set a parameter: `{0}` is no range with values: write `range(FROM,TO)` or `range(FROM,TO,STEP)`, TO not included")]
    Range(String),
    /// A list has an empty value.
    #[error("set a parameter: `{0}` has an empty value between its commas: quote it, or leave the comma out")]
    Empty(String),
    /// There are too many.
    #[error("set parameters: these make more than {EXPERIMENTS_MAX} experiments: leave some values out, or sweep in parts")]
    TooMany,
}

/// All combinations of the values of `overrides`, the last one changing fastest; each with one value a key. One
/// combination when nothing has several.
///
/// # Errors
/// When an override cannot be read, or there are too many combinations.
pub fn combinations(overrides: &[String]) -> Result<Vec<Vec<String>>, SweepError> {
    let mut all: Vec<Vec<String>> = vec![vec![]];
    for text in overrides {
        let (key, value) = text.split_once('=').ok_or_else(|| SweepError::NoValue(text.clone()))?;
        let values = values(text, value)?;
        if all.len().saturating_mul(values.len()) > EXPERIMENTS_MAX {
            return Err(SweepError::TooMany);
        }
        all = all
            .iter()
            .flat_map(|before| values.iter().map(move |value| before.iter().cloned().chain([format!("{key}={value}")]).collect()))
            .collect();
    }
    Ok(all)
}

/// The values that an override asks for.
fn values(text: &str, value: &str) -> Result<Vec<String>, SweepError> {
    let inside = |name: &str| value.trim().strip_prefix(name)?.trim_start().strip_prefix('(')?.strip_suffix(')');
    if let Some(parts) = inside("range") {
        return range(&split(parts)).ok_or_else(|| SweepError::Range(text.to_owned()));
    }
    let parts = split(inside("choice").unwrap_or(value));
    if parts.len() > 1 && parts.iter().any(String::is_empty) {
        return Err(SweepError::Empty(text.to_owned()));
    }
    Ok(parts)
}

/// Splits at commas that stand outside quotes and brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quote) = (0_usize, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            (None, _) => {}
        }
        part.push(c);
    }
    parts.push(part.trim().to_owned());
    parts
}

/// From the first up to and without the second, by the third. Whole numbers stay whole.
fn range(parts: &[String]) -> Option<Vec<String>> {
    let whole: Option<Vec<i64>> = parts.iter().map(|p| p.parse().ok()).collect();
    let numbers: Vec<f64> = parts.iter().map(|p| p.parse().ok().filter(|v: &f64| v.is_finite())).collect::<Option<_>>()?;
    let (from, to, step) = match numbers[..] {
        [to] => (0.0, to, 1.0),
        [from, to] => (from, to, 1.0),
        [from, to, step] => (from, to, step),
        _ => return None,
    };
    // A step that is a rounding error short of the end does not make one more value.
    let steps = libm::ceil((to - from) / step - 1e-9);
    if step == 0.0 || steps < 1.0 || steps > EXPERIMENTS_MAX as f64 + 1.0 {
        return None;
    }
    let digits = parts.iter().map(|p| p.split_once('.').map_or(0, |(_, after)| after.len())).max().unwrap_or(0);
    let at = |i: usize| from + i as f64 * step;
    let shown = |v: f64| if whole.is_some() { format!("{v:.0}") } else { format!("{v:.digits$}") };
    Some((0..steps as usize).map(|i| shown(at(i))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(overrides: &[&str]) -> Result<Vec<String>, SweepError> {
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        Ok(combinations(&overrides)?.into_iter().map(|c| c.join(" ")).collect())
    }

    #[test]
    fn one_value_each_is_one_experiment() {
        assert_eq!(of(&[]).unwrap(), [""]);
        assert_eq!(of(&["lr=0.1", "conf.toml:a.b=x"]).unwrap(), ["lr=0.1 conf.toml:a.b=x"]);
        assert_eq!(of(&["layers=[1,2]", "name='a,b'", "map={a: 1, b: 2}"]).unwrap(), ["layers=[1,2] name='a,b' map={a: 1, b: 2}"]);
        assert_eq!(of(&["empty="]).unwrap(), ["empty="]);
    }

    #[test]
    fn several_values_are_all_combined() {
        assert_eq!(of(&["a=1,2", "b=x,y"]).unwrap(), ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"]);
        assert_eq!(of(&["a=choice(x, 'y,z')"]).unwrap(), ["a=x", "a='y,z'"]);
        assert_eq!(of(&["a=[1,2],[3]"]).unwrap(), ["a=[1,2]", "a=[3]"]);
    }

    #[test]
    fn ranges_leave_their_end_out() {
        assert_eq!(of(&["n=range(2,5)"]).unwrap(), ["n=2", "n=3", "n=4"]);
        assert_eq!(of(&["n=range(9,2,-3)"]).unwrap(), ["n=9", "n=6", "n=3"]);
        assert_eq!(of(&["n=range(0.1,0.4,0.1)"]).unwrap(), ["n=0.1", "n=0.2", "n=0.3"]);
        for wrong in ["n=range(5,2)", "n=range(1,2,0)", "n=range(a,b)", "n=range()", "n=range(1,nan)", "n=range(0,1e12)"] {
            assert_eq!(of(&[wrong]).unwrap_err(), SweepError::Range(wrong.into()));
        }
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        assert_eq!(of(&["lr"]).unwrap_err(), SweepError::NoValue("lr".into()));
        assert_eq!(of(&["lr=1,,2"]).unwrap_err(), SweepError::Empty("lr=1,,2".into()));
        assert_eq!(of(&["a=range(0,100)", "b=range(0,100)"]).unwrap_err(), SweepError::TooMany);
    }
}

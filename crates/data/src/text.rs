//! Values as text: instants for samples, numbers as Python writes them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// An instant of microseconds since 1970 as `2013-01-01T05:00:00Z`, or a date where it is midnight of one.
pub(crate) fn instant(micros: i64, date: bool) -> String {
    match Timestamp::from_microsecond(micros) {
        Ok(at) if date => at.to_zoned(TimeZone::UTC).date().to_string(),
        Ok(at) => at.to_string(),
        Err(_) => format!("{micros} us"),
    }
}

/// As pandas writes an instant in a text: `2013-01-01 05:00:00`, with a fraction where there is one.
pub(crate) fn pandas_instant(micros: i64, date: bool) -> String {
    let Ok(at) = Timestamp::from_microsecond(micros) else { return format!("{micros}") };
    let zoned = at.to_zoned(TimeZone::UTC);
    if date {
        return zoned.date().to_string();
    }
    let fraction = micros.rem_euclid(1_000_000);
    let point = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
    format!("{}{point}", zoned.strftime("%Y-%m-%d %H:%M:%S"))
}

/// A float as Python's `str` writes it.
pub(crate) fn python_float(x: f64) -> String {
    if x.is_nan() {
        return "nan".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let magnitude = x.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let text = format!("{x:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, power) = match exponent.strip_prefix('-') {
            Some(power) => ('-', power),
            None => ('+', exponent),
        };
        return format!("{digits}e{sign}{power:0>2}");
    }
    let text = x.to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// A float of 32 bits as Python's `str` writes it: as few digits as tell it from its neighbours.
pub(crate) fn python_float32(x: f32) -> String {
    // The shortest digits of the narrow float are those of a wide one that is written the same.
    x.to_string().parse::<f64>().map_or_else(|_| x.to_string(), python_float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let written: Vec<String> = [0.0, -0.0, 1.0, 0.1, 1e15, 1e16, 1.5e300, 1e-4, 1e-5, 12345.678, -2.5e-7, f64::INFINITY]
            .into_iter()
            .map(python_float)
            .collect();
        let python =
            ["0.0", "-0.0", "1.0", "0.1", "1000000000000000.0", "1e+16", "1.5e+300", "0.0001", "1e-05", "12345.678", "-2.5e-07", "inf"];
        assert_eq!(written, python);
    }

    #[test]
    fn instants() {
        assert_eq!(pandas_instant(1_500_000, false), "1970-01-01 00:00:01.500000");
        assert_eq!(instant(0, true), "1970-01-01");
    }
}

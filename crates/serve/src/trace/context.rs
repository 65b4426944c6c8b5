//! W3C trace context: who a request belongs to, as `traceparent` and `tracestate` say it. Strictly read; what is wrong is as if it were
//! not there. Not here: whether a trace is recorded.

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt;

/// The request's trace and the caller's span.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// What tracing systems add to it.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Members of `tracestate`, at most, by the specification.
const MEMBERS_MAX: usize = 32;
/// Bytes of `tracestate` that are passed on; the specification asks for at least 512.
const STATE_BYTES_MAX: usize = 4_096;
/// Bytes of a key or a value in it, at most, by the specification.
const MEMBER_BYTES_MAX: usize = 256;
/// Bytes of `traceparent` in the version that is written here.
const PARENT_BYTES: usize = 55;

/// The caller records the trace.
const SAMPLED: u8 = 1;
/// The trace's identifier is random.
const RANDOM: u8 = 2;

/// A trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

/// A span of a trace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId(pub [u8; 8]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A span, as others are told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    pub trace: TraceId,
    pub span: SpanId,
    flags: u8,
}

impl fmt::Display for Context {
    /// As `traceparent` has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, self.flags)
    }
}

impl Context {
    /// The first span of a new trace, whose identifier is random.
    pub fn new(trace: TraceId, span: SpanId, sampled: bool) -> Context {
        Context { trace, span, flags: RANDOM | if sampled { SAMPLED } else { 0 } }
    }

    /// Another span of the same trace.
    pub fn with(self, span: SpanId) -> Context {
        Context { span, ..self }
    }

    /// Whether the trace is recorded.
    pub fn sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// As one byte.
    pub fn flags(self) -> u8 {
        self.flags
    }

    /// Reads a `traceparent`. Of a version to come the part is read that this one has too.
    pub fn parse(value: &[u8]) -> Option<Context> {
        let (head, rest) = value.split_at_checked(PARENT_BYTES)?;
        let [a, b, b'-', head @ ..] = head else { return None };
        let version = byte(*a, *b)?;
        let longer = rest.first().is_some_and(|next| *next == b'-');
        if version == 0xff || !rest.is_empty() && (version == 0 || !longer) {
            return None;
        }
        let (trace, head) = hex::<16>(head)?;
        let (span, head) = hex::<8>(head.strip_prefix(b"-")?)?;
        let ([flags], []) = hex::<1>(head.strip_prefix(b"-")?)? else { return None };
        let known = trace != [0; 16] && span != [0; 8];
        // Flags that this version does not know must not be passed on.
        known.then_some(Context { trace: TraceId(trace), span: SpanId(span), flags: flags & (SAMPLED | RANDOM) })
    }
}

/// What a caller says of its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub context: Context,
    /// As it came; none where it is wrong.
    pub state: Option<HeaderValue>,
}

/// The trace that a request belongs to; none where its headers do not say, or not rightly.
pub fn read(headers: &HeaderMap) -> Option<Said> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    // Of two nobody can tell which is meant.
    let (Some(one), None) = (all.next(), all.next()) else { return None };
    Some(Said { context: Context::parse(one.as_bytes())?, state: state(headers) })
}

/// `tracestate`, where all of it is right.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(TRACESTATE).iter();
    let first = all.next()?;
    let value = match all.next() {
        None => first.clone(),
        Some(second) => {
            let each: Vec<&[u8]> = [first, second].into_iter().chain(all).map(HeaderValue::as_bytes).collect();
            HeaderValue::from_bytes(&each.join(&b","[..])).ok()?
        }
    };
    is_state(value.as_bytes()).then_some(value)
}

fn is_state(value: &[u8]) -> bool {
    if value.len() > STATE_BYTES_MAX {
        return false;
    }
    let mut keys: [&[u8]; MEMBERS_MAX] = [b""; MEMBERS_MAX];
    let mut count = 0;
    for member in value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty()) {
        let Some(at) = member.iter().position(|b| *b == b'=') else { return false };
        let (key, value) = (member.get(..at).unwrap_or_default(), member.get(at + 1..).unwrap_or_default());
        let known = keys.get(..count).unwrap_or_default().contains(&key);
        let Some(place) = keys.get_mut(count).filter(|_| !known && is_key(key) && is_value(value)) else { return false };
        *place = key;
        count += 1;
    }
    count > 0
}

fn is_key(key: &[u8]) -> bool {
    let small = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    key.len() <= MEMBER_BYTES_MAX && key.first().is_some_and(small) && key.iter().all(|b| small(b) || b"_-*/@".contains(b))
}

fn is_value(value: &[u8]) -> bool {
    let printable = |b: &u8| matches!(b, 0x20..=0x7e) && !b",=".contains(b);
    value.len() <= MEMBER_BYTES_MAX && value.iter().all(printable) && value.last().is_some_and(|b| *b != b' ')
}

/// So many bytes, written as small hexadecimal digits, and what follows.
fn hex<const N: usize>(text: &[u8]) -> Option<([u8; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let mut bytes = [0; N];
    for (place, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [a, b] = pair else { return None };
        *place = byte(*a, *b)?;
    }
    Some((bytes, rest))
}

fn byte(a: u8, b: u8) -> Option<u8> {
    let digit = |d: u8| match d {
        b'0'..=b'9' => Some(d - b'0'),
        b'a'..=b'f' => Some(d - b'a' + 10),
        _ => None,
    };
    Some(digit(a)? << 4 | digit(b)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_parent_is_read_and_written_alike() {
        let read = Context::parse(GOOD.as_bytes()).unwrap();
        assert_eq!((read.to_string().as_str(), read.sampled()), (GOOD, true));
        let of = |text: &str| Context::parse(text.as_bytes()).map(|c| c.to_string());
        assert_eq!(of(&GOOD.replace("-01", "-00")), Some(GOOD.replace("-01", "-00")));
        assert_eq!(of(&GOOD.replace("-01", "-ff")), Some(GOOD.replace("-01", "-03")), "flags that nobody knows are not passed on");
        for later in
            [GOOD.replacen("00", "01", 1), format!("{}-what-comes", GOOD.replacen("00", "cc", 1)), GOOD.replacen("00", "fe", 1) + "-"]
        {
            assert_eq!(of(&later), Some(GOOD.to_owned()), "{later}");
        }
    }

    #[test]
    fn a_wrong_parent_is_none() {
        let bad = [
            String::new(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0", 1),
            GOOD.replacen("00", "0x", 1),
            GOOD.replacen("00", "0A", 1),
            format!("{GOOD}-more"),
            format!("{GOOD}-"),
            format!("{}.more", GOOD.replacen("00", "01", 1)),
            GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            GOOD.replace("b7ad6b7169203331", &"0".repeat(16)),
            GOOD.replace("0af", "0AF"),
            GOOD.replace("b7ad", "b7xd"),
            GOOD.replace('-', "_"),
            GOOD.replace("-01", "-1"),
            GOOD.replace("-01", "-0g"),
            format!(" {GOOD}"),
            GOOD[..GOOD.len() - 1].to_owned(),
        ];
        for bad in bad {
            assert_eq!(Context::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    fn headers(parents: &[&str], states: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, values) in [(TRACEPARENT, parents), (TRACESTATE, states)] {
            for value in values {
                headers.append(name.clone(), HeaderValue::from_str(value).unwrap());
            }
        }
        headers
    }

    #[test]
    fn a_state_that_is_wrong_costs_itself_and_not_the_trace() {
        let of = |states: &[&str]| read(&headers(&[GOOD], states)).map(|said| said.state.map(|v| v.to_str().unwrap().to_owned()));
        let kept = |text: &str| Some(Some(text.to_owned()));
        assert_eq!(of(&["congo=t61rcWkgMzE"]), kept("congo=t61rcWkgMzE"));
        assert_eq!(of(&["a=1, ,b@c= 2", "0d/e*_-=3"]), kept("a=1, ,b@c= 2,0d/e*_-=3"));
        let most = (0..32).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(of(&[&most]), kept(&most));
        let long = format!("{}={}", "k".repeat(256), "v".repeat(256));
        assert_eq!(of(&[&long]), kept(&long));
        let (many, key, value, all) =
            (format!("{most},x=1"), format!("{}=v", "k".repeat(257)), format!("k={}", "v".repeat(257)), format!("{long},").repeat(9));
        for bad in
            [&["a"][..], &["=1"], &["a="], &["A=1"], &["a=1=2"], &["a=1", "a=2"], &["_a=1"], &[""], &[&many], &[&key], &[&value], &[&all]]
        {
            assert_eq!(of(bad), Some(None), "{bad:?}");
        }
        assert_eq!(read(&headers(&[GOOD, GOOD], &[])), None);
        assert_eq!(read(&headers(&[], &["a=1"])), None);
    }
}

//! Bodies packed as gzip or zlib, by `content-encoding` and `accept-encoding`. What comes out has a bound.

use flate2::Compression;
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use std::io::{Read, Write};

/// What `accept-encoding` of an answer says of requests.
pub const ACCEPTED: &str = "gzip, deflate";

/// How a body is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// What HTTP calls `deflate`: zlib, RFC 1950.
    Deflate,
}

/// Why a body cannot be unpacked.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is longer than allowed when unpacked.
    Long,
    /// It is not what its header says.
    Broken(String),
}

impl Coding {
    fn parse(name: &str) -> Option<Coding> {
        match name {
            _ if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Some(Coding::Gzip),
            _ if name.eq_ignore_ascii_case("deflate") => Some(Coding::Deflate),
            _ => None,
        }
    }

    /// As headers spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Deflate => "deflate",
        }
    }

    /// What was packed, at most `most` bytes of it.
    pub fn unpack(self, packed: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
        let mut plain = Vec::new();
        // One byte more than allowed tells that there is more.
        let bound = (most as u64).saturating_add(1);
        let (read, left) = match self {
            Coding::Gzip => (MultiGzDecoder::new(packed).take(bound).read_to_end(&mut plain), 0),
            Coding::Deflate => {
                let mut decoder = ZlibDecoder::new(packed);
                let read = decoder.by_ref().take(bound).read_to_end(&mut plain);
                (read, decoder.into_inner().len())
            }
        };
        match read {
            Err(error) => Err(Fault::Broken(error.to_string())),
            Ok(_) if plain.len() > most => Err(Fault::Long),
            Ok(_) if left > 0 => Err(Fault::Broken(format!("{left} bytes stand behind its end"))),
            Ok(_) => Ok(plain),
        }
    }

    /// Packs a body; none where that would not make it shorter.
    pub fn pack(self, plain: &[u8]) -> Option<Vec<u8>> {
        let out = Vec::with_capacity(plain.len() / 2);
        let packed = match self {
            Coding::Gzip => {
                let mut encoder = GzEncoder::new(out, Compression::fast());
                encoder.write_all(plain).and_then(|()| encoder.finish())
            }
            Coding::Deflate => {
                let mut encoder = ZlibEncoder::new(out, Compression::fast());
                encoder.write_all(plain).and_then(|()| encoder.finish())
            }
        };
        // Writing into memory does not fail.
        packed.ok().filter(|packed| packed.len() < plain.len())
    }
}

/// How a request's body is packed; the error is a coding that is none of ours.
pub fn of_body(headers: &HeaderMap) -> Result<Option<Coding>, String> {
    let mut found = None;
    for value in headers.get_all(CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("identity")) {
            match Coding::parse(name) {
                Some(coding) if found.is_none() => found = Some(coding),
                _ => return Err(text.into_owned()),
            }
        }
    }
    Ok(found)
}

/// How an answer may be packed: the coding that the client likes best, gzip of two alike.
pub fn of_answer(headers: &HeaderMap) -> Option<Coding> {
    let texts = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    let (mut gzip, mut deflate, mut any) = (None, None, None);
    for (name, quality) in texts.flat_map(|text| text.split(',')).map(quality) {
        match Coding::parse(name) {
            Some(Coding::Gzip) => gzip = Some(quality),
            Some(Coding::Deflate) => deflate = Some(quality),
            None if name == "*" => any = Some(quality),
            None => {}
        }
    }
    let of = |named: Option<f32>| named.or(any).unwrap_or(0.0);
    match (of(gzip), of(deflate)) {
        (gzip, deflate) if gzip <= 0.0 && deflate <= 0.0 => None,
        (gzip, deflate) if gzip >= deflate => Some(Coding::Gzip),
        _ => Some(Coding::Deflate),
    }
}

/// A coding and how much it is liked, from 0 to 1; what cannot be read is not liked.
fn quality(item: &str) -> (&str, f32) {
    let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
    let said = parameters.split(';').find_map(|p| p.trim().strip_prefix("q="));
    let quality = said.map_or(1.0, |q| q.trim().parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0));
    (name.trim(), quality)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const BOTH: [Coding; 2] = [Coding::Gzip, Coding::Deflate];

    fn headers(name: HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn codings_of_requests() {
        let of = |values: &[&str]| of_body(&headers(CONTENT_ENCODING, values));
        assert_eq!((of(&[]), of(&["identity"]), of(&["GZIP"])), (Ok(None), Ok(None), Ok(Some(Coding::Gzip))));
        assert_eq!(of(&["identity, deflate"]), Ok(Some(Coding::Deflate)));
        for wrong in [&["br"][..], &["gzip, gzip"], &["gzip", "deflate"], &["zstd"], &["gzip;q=1"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn codings_of_answers() {
        let of = |values: &[&str]| of_answer(&headers(ACCEPT_ENCODING, values));
        assert_eq!((of(&[]), of(&["br, identity"]), of(&["gzip;q=0"])), (None, None, None));
        assert_eq!(
            (of(&["gzip, deflate"]), of(&["*"]), of(&["br", "x-gzip"])),
            (Some(Coding::Gzip), Some(Coding::Gzip), Some(Coding::Gzip))
        );
        assert_eq!((of(&["deflate"]), of(&["gzip;q=0.2, deflate; q=0.5"])), (Some(Coding::Deflate), Some(Coding::Deflate)));
        assert_eq!((of(&["gzip;q=0, *"]), of(&["gzip;q=wrong"]), of(&["gzip;q=NaN"])), (Some(Coding::Deflate), None, None));
    }

    #[test]
    fn a_bomb_is_seen_before_it_is_whole_and_broken_bodies_are_told() {
        for coding in BOTH {
            let zeros = vec![0; 10_000_000];
            let packed = coding.pack(&zeros).unwrap();
            assert!(packed.len() < 200_000, "{}", packed.len());
            assert_eq!(coding.unpack(&packed, 1_000), Err(Fault::Long));
            assert_eq!(coding.unpack(&packed, 9_999_999), Err(Fault::Long));
            assert_eq!(coding.unpack(&packed, 10_000_000).map(|plain| plain.len()), Ok(10_000_000));
            let broken = |bytes: &[u8]| matches!(coding.unpack(bytes, 20_000_000), Err(Fault::Broken(_)));
            assert!(broken(&packed[..packed.len() - 1]) && broken(b"{}") && broken(b""), "{coding:?}");
            assert!(broken(&[&packed[..], b"more"].concat()), "{coding:?}");
            let mut flipped = packed.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert!(broken(&flipped), "{coding:?}: its sum");
            assert_eq!(coding.pack(b"x"), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(plain in prop::collection::vec(0..4_u8, 500..2_000)) {
            for coding in BOTH {
                let packed = coding.pack(&plain).unwrap();
                prop_assert_eq!(coding.unpack(&packed, plain.len()), Ok(plain.clone()));
            }
        }

        #[test]
        fn any_bytes_are_unpacked_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for coding in BOTH {
                if let Ok(plain) = coding.unpack(&bytes, 5_000) {
                    prop_assert!(plain.len() <= 5_000);
                }
            }
        }
    }
}

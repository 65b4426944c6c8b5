//! Answers and batches as brokers send them, cut off and damaged ones too.

use super::bytes::Writer;
use super::records::{Codec, Entry, crc32c, entries};
use super::*;
use proptest::prelude::*;

fn varint(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = vec![];
    loop {
        let low = u8::try_from(left & 0x7f).unwrap();
        left >>= 7;
        bytes.push(if left == 0 { low } else { low | 0x80 });
        if left == 0 {
            return bytes;
        }
    }
}

fn short(bytes: Option<&[u8]>) -> Vec<u8> {
    bytes.map_or_else(|| varint(-1), |bytes| [varint(i64::try_from(bytes.len()).unwrap()), bytes.to_vec()].concat())
}

fn record(delta: i64, value: Option<&[u8]>) -> Vec<u8> {
    let inner = [vec![0], varint(7), varint(delta), short(Some(b"key")), short(value), varint(1), short(Some(b"ce_id")), short(Some(b"7"))]
        .concat();
    short(Some(&inner))
}

/// A batch of records from `base` on, whose last one is `last` behind it.
fn batch(base: i64, last: i32, attributes: i16, producer: i64, records: &[Vec<u8>]) -> Vec<u8> {
    let mut inner = Writer::default();
    inner.i16(attributes).i32(last).i64(1).i64(2).i64(producer).i16(0).i32(0).i32(i32::try_from(records.len()).unwrap());
    inner.0.extend(records.concat());
    let mut body = Writer::default();
    body.i32(0).i8(2);
    body.0.extend(crc32c(&inner.0).to_be_bytes());
    body.0.extend(&inner.0);
    let mut whole = Writer::default();
    whole.i64(base).bytes(&body.0);
    whole.0
}

fn read(records: &[u8], from: i64) -> Vec<Entry> {
    entries(&Fetched { given_up: vec![], records }, from, &|_, bytes| Ok(bytes.to_vec()))
}

fn told(at: i64, value: Option<&[u8]>) -> Entry {
    Entry::Record { at, headers: vec![("ce_id".to_owned(), "7".to_owned())], value: value.map(<[u8]>::to_vec) }
}

#[test]
fn the_checksum_is_castagnolis() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn records_come_in_order_from_a_position_on() {
    let two = batch(10, 1, 0, -1, &[record(0, Some(b"a")), record(1, None)]);
    let all = [two.clone(), batch(12, 0, 0, -1, &[record(0, Some(b"c"))])].concat();
    assert_eq!(read(&all, 10), [told(10, Some(b"a")), told(11, None), told(12, Some(b"c"))]);
    assert_eq!(read(&all, 11), [told(11, None), told(12, Some(b"c"))], "a batch is given whole, and read from the middle");
    assert_eq!(read(&all[..all.len() - 1], 10), [told(10, Some(b"a")), told(11, None)], "the rest comes with the next question");
    assert_eq!(read(&batch(10, 4, 0, -1, &[record(1, None)]), 10), [told(11, None), Entry::Nothing { next: 15 }], "cleaned away");
    assert_eq!(read(&batch(10, 4, 0, -1, &[]), 12), [Entry::Nothing { next: 15 }]);
}

#[test]
fn what_cannot_be_read_says_what_is_behind_it() {
    let good = batch(12, 0, 0, -1, &[record(0, None)]);
    let mut damaged = batch(10, 1, 0, -1, &[record(0, Some(b"a"))]);
    *damaged.last_mut().unwrap() ^= 1;
    let outside = batch(10, 1, 0, -1, &[record(7, None)]);
    let packed = batch(10, 1, 5, -1, &[record(0, None)]);
    for (bad, why) in [(damaged, "checksum"), (outside, "outside its batch"), (packed, "packed in a way")] {
        let read = read(&[bad, good.clone()].concat(), 10);
        assert!(matches!(&read[0], Entry::Unread { at: 10, next: 12, why: said } if said.contains(why)), "{read:?}");
        assert_eq!(read[1], told(12, None));
    }
    let mut old = Writer::default();
    old.i64(3).bytes(&[0, 0, 0, 0, 1, 0, 0, 0, 0]);
    assert!(matches!(read(&old.0, 3)[..], [Entry::Unread { at: 3, next: 4, .. }]));
    // Of one that is too long its beginning is there.
    let long = batch(10, 3, 0, -1, &[record(0, Some(&[b'x'; 500]))]);
    assert!(matches!(read(&long[..100], 10)[..], [Entry::Unread { at: 10, next: 14, .. }]));
    assert_eq!(read(&long[..20], 10), [], "not even its beginning");
}

#[test]
fn what_a_transaction_gave_up_is_nothing() {
    let told_by = |base, producer| batch(base, 0, 0x10, producer, &[record(0, Some(b"a"))]);
    let mark = |base, producer| batch(base, 0, 0x30, producer, &[record(0, None)]);
    let all = [told_by(0, 5), told_by(1, 6), mark(2, 5), told_by(3, 5), mark(4, 6)].concat();
    let read = entries(&Fetched { given_up: vec![(5, 0)], records: &all }, 0, &|_, _| Err(Damaged("packed")));
    let nothing = |next| Entry::Nothing { next };
    assert_eq!(read, [nothing(1), told(1, Some(b"a")), nothing(3), told(3, Some(b"a")), nothing(5)]);
}

#[test]
fn packed_batches_are_unpacked_by_the_caller() {
    let inner = [record(0, Some(b"a"))];
    let packed = batch(0, 0, 4, -1, &inner);
    let fetched = Fetched { given_up: vec![], records: &packed };
    let unpack = |codec: Codec, bytes: &[u8]| if codec == Codec::Zstd { Ok(bytes.to_vec()) } else { Err(Damaged("another")) };
    assert_eq!(entries(&fetched, 0, &unpack), [told(0, Some(b"a"))]);
    let refused = entries(&fetched, 0, &|_, _| Err(Damaged("too much")));
    assert_eq!(refused, [Entry::Unread { at: 0, next: 1, why: "too much" }]);
}

#[test]
fn frames_of_lz4_are_unpacked_up_to_a_limit() {
    // Blocks of at most 64 KiB, no checksums: five literals, then nine more from five back; a block that is not packed.
    let head = [4, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
    let packed = [10_u32.to_le_bytes().as_slice(), &[0x55], b"abcde", &[5, 0], &[0x10, b'!']].concat();
    let plain = [(0x8000_0002_u32).to_le_bytes().as_slice(), b"xy"].concat();
    let frame = [&head[..], &packed, &plain, &[0; 4]].concat();
    assert_eq!(lz4(&frame, 100).as_deref(), Ok(&b"abcdeabcdeabcd!xy"[..]));
    assert!(lz4(&frame, 16).is_err(), "more than may be");
    for cut in 0..frame.len() {
        assert!(lz4(&frame[..cut], 100).is_err(), "{cut}");
    }
    let far = [&head[..], &4_u32.to_le_bytes(), &[0x10, b'a', 9, 0], &[0; 4]].concat();
    assert!(lz4(&far, 100).is_err(), "from before its beginning");
}

#[test]
fn requests_have_their_lengths() {
    let frame = Request::fetch("events", 3, 42, 500, 1 << 20).frame(7);
    assert_eq!(usize::try_from(i32::from_be_bytes(frame[..4].try_into().unwrap())).unwrap(), frame.len() - 4);
    assert_eq!(&frame[4..14], [0, 1, 0, 4, 0, 0, 0, 7, 0, 8]);
}

#[test]
fn answers_are_read_and_errors_say_what_to_do() {
    let mut found = Writer::default();
    found.i32(0).i32(1).i32(9).text("broker").i32(9092).i16(-1).i16(-1).i32(9).i32(1).i16(0).text("events").i8(0);
    found.i32(2).i16(0).i32(0).i32(9).i32(0).i32(0).i16(5).i32(1).i32(-1).i32(0).i32(0);
    assert_eq!(metadata(&found.0), Ok(Ok(vec![(0, Some("broker:9092".to_owned())), (1, None)])));
    let mut none = Writer::default();
    none.i32(0).i32(0).i16(-1).i32(-1).i32(1).i16(3).text("events").i8(0).i32(0);
    let code = metadata(&none.0).unwrap().unwrap_err();
    assert!(code.words().contains("no such topic"), "{}", code.words());
    let mut at = Writer::default();
    at.i32(1).text("events").i32(1).i32(0).i16(0).i64(-1).i64(42);
    assert_eq!(position(&at.0), Ok(Ok(42)));
    let mut gone = Writer::default();
    gone.i32(0).i32(1).text("events").i32(1).i32(0).i16(1).i64(-1).i64(-1).i32(-1).i32(-1);
    assert_eq!(fetched(&gone.0), Ok(Err(Code::OUT_OF_RANGE)));
    assert_eq!((handshaken(&[0, 33]), handshaken(&[0])), (Ok(Err(Code(33))), Err(Damaged("it ends too soon"))));
    let mut proof = Writer::default();
    proof.i16(0).i16(-1).bytes(b"v=");
    assert_eq!(authenticated(&proof.0), Ok(Ok(&b"v="[..])));
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0_usize..120, with in any::<u8>()) {
        let _ = (metadata(&bytes), position(&bytes), fetched(&bytes), authenticated(&bytes), lz4(&bytes, 1_000));
        let _ = read(&bytes, 0);
        let mut changed = [batch(0, 1, 0, -1, &[record(0, Some(b"abc")), record(1, None)]), batch(2, 0, 0, -1, &[record(0, None)])].concat();
        let at = at % changed.len();
        changed[at] = with;
        let mut before = 0;
        for entry in read(&changed, 0) {
            prop_assert!(entry.next() > 0);
            before = before.max(entry.next());
        }
    }
}

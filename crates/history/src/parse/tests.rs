use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn whatever_comes_it_ends(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        fuzzing_parse(&bytes);
    }
}

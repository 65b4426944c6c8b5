//! A state whose digest is right and whose bytes are not is refused or read, and never breaks the reader.

use super::*;
use crate::settings::Settings;
use proptest::prelude::*;

fn sample() -> State {
    let settings = Settings::default();
    let mut fold = crate::fold::Fold::new(Log::default(), &settings);
    let bytes = crate::parse::sample();
    let mut parser = crate::parse::Parser::new(bytes.as_slice());
    while let Some(commit) = parser.commit().unwrap() {
        fold.take(&commit, &[], &|_| false).unwrap();
    }
    let kept: Vec<(u32, Tree)> = (0..4).map(|number| (number, fold.live(number).unwrap().tree.clone())).collect();
    State { tip: Id::read(&[b'4'; 40]).unwrap(), shallow: false, settings: settings.digest(), log: fold.log, kept }
}

#[test]
fn what_is_written_is_read_again() {
    let state = sample();
    let again = State::from_bytes(&state.to_bytes()).unwrap();
    assert_eq!((again.to_bytes(), again.log.changes.as_slice()), (state.to_bytes(), state.log.changes.as_slice()));
    for (number, tree) in &state.kept {
        let other = again.live(*number).unwrap().tree;
        assert!((0..8).all(|path| tree.get(path) == other.get(path)));
    }
}

proptest! {
    #[test]
    fn a_wrong_byte_under_a_right_digest_breaks_nothing(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut bytes = sample().to_bytes();
        bytes.truncate(bytes.len() - DIGEST_BYTES);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let digest = *blake3::hash(&bytes).as_bytes();
        bytes.extend_from_slice(&digest);
        if let Ok(state) = State::from_bytes(&bytes) {
            let _ = state.live(0);
            let _ = state.to_bytes();
        }
    }
}

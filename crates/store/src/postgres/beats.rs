//! Beats of replicas in a table beside the journal: one row a session, overwritten.

use super::link::Link;
use postgres::Config;
use tidegate_core::lease::{Beat, Session};
use tidegate_port::{Beats, Failure};

/// Beats in the database of a journal, on a connection of their own: an append that waits holds up no beat.
pub struct PostgresBeats {
    link: Link,
}

impl std::fmt::Debug for PostgresBeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresBeats({})", self.link.place())
    }
}

impl PostgresBeats {
    /// The beats in the database of `config`, whose tables `PostgresJournal::open` has made.
    #[must_use]
    pub fn new(config: Config) -> PostgresBeats {
        PostgresBeats { link: Link::new(config) }
    }
}

impl Beats for PostgresBeats {
    fn beat(&mut self, beat: &Beat) -> Result<(), Failure> {
        let Beat { session, count, ready } = beat;
        let newest = "INSERT INTO tidegate_beats (replica, number, count, ready) VALUES ($1, $2, $3, $4)
             ON CONFLICT (replica, number) DO UPDATE SET count = excluded.count, ready = excluded.ready
             WHERE tidegate_beats.count < excluded.count";
        let (number, count) = (session.number.cast_signed(), count.cast_signed());
        self.link.run("beat", |client| client.execute(newest, &[&session.replica, &number, &count, ready])).map(|_| ())
    }

    fn all(&mut self) -> Result<Vec<Beat>, Failure> {
        let one = |row: &postgres::Row| -> Result<Beat, postgres::Error> {
            let (number, count): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            let session = Session { replica: row.try_get(0)?, number: number.cast_unsigned() };
            Ok(Beat { session, count: count.cast_unsigned(), ready: row.try_get(3)? })
        };
        let asked = "SELECT replica, number, count, ready FROM tidegate_beats";
        let mut beats: Vec<Beat> = self.link.run("read beats", |client| client.query(asked, &[])?.iter().map(one).collect())?;
        beats.sort_by(|a, b| a.session.cmp(&b.session));
        Ok(beats)
    }

    fn forget(&mut self, session: &Session) -> Result<(), Failure> {
        let (query, number) = ("DELETE FROM tidegate_beats WHERE replica = $1 AND number = $2", session.number.cast_signed());
        self.link.run("forget a beat", |client| client.execute(query, &[&session.replica, &number])).map(|_| ())
    }
}

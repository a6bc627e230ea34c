//! What expires, at times of a test's choice: what is told of it, what it holds, and when it goes.

use super::*;

/// A file, as the thread that writes has it, at times of a test's choice.
struct Tables {
    database: Database,
    bounds: Bounds,
    total: Total,
    now: u64,
}

impl Tables {
    fn open(folder: &Folder, bounds: Bounds) -> Self {
        let (database, total) = open(&folder.file(), true).unwrap();
        Self { database, bounds, total, now: now() }
    }

    fn write(&mut self, changes: Vec<Change>) -> Vec<Result<Put, StoreError>> {
        let (results, total) = Table::write(&self.database, changes, self.total, self.bounds, self.now).unwrap();
        self.total = total;
        results
    }

    fn put(&mut self, number: usize, stored: Stored) -> Result<Put, StoreError> {
        self.write(vec![Change::Put(key(number), stored)]).pop().unwrap()
    }

    /// By the version that is found, those that are kept and those that are told to have expired.
    fn found(&self, numbers: std::ops::Range<usize>) -> [Vec<usize>; 2] {
        let get = |number| Table::get(&self.database, &key(number), self.bounds.expires, self.now).unwrap();
        let of = |is_kept| move |number: &usize| get(*number).is_some_and(|found| (found.version > 0) == is_kept);
        [true, false].map(|is_kept| numbers.clone().filter(of(is_kept)).collect())
    }
}

#[test]
fn that_it_has_expired_is_told_for_as_long_again_swept_or_not_and_holds_nothing() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    for is_swept in [false, true] {
        let folder = Folder::new();
        let mut tables = Tables::open(&folder, BOUNDS);
        for number in 0..10 {
            assert_eq!(tables.put(number, first("s3cret")), Ok(Put::Done));
        }
        let [all, none]: [Vec<usize>; 2] = [(0..10).collect(), Vec::new()];
        tables.now += hour - 1;
        assert_eq!(tables.found(0..10), [all.clone(), none.clone()]);
        // The last changed some microseconds after the first.
        tables.now += 100;
        if is_swept {
            tables.write(Vec::new());
            let expected = Total { conversations: 0, ended: 10, bytes: 10 * 127, swept: tables.total.swept };
            assert_eq!(tables.total, expected);
            // As it is found by the next who opens it.
            drop(tables.database);
            let (database, total) = open(&folder.file(), true).unwrap();
            assert_eq!(total, Total { swept: 0, ..expected });
            (tables.database, tables.total) = (database, total);
        }
        assert_eq!(tables.found(0..10), [none.clone(), all]);
        let listed = Table::page(&tables.database, None, 100, HOUR, tables.now).unwrap();
        assert_eq!(listed, Page { found: Vec::new(), next: None });
        // Writers of the life before come too late, with its first turn, too.
        for version in [1, 2] {
            assert_eq!(tables.put(1, Stored { version, ..first("b") }), Ok(Put::Conflict));
        }
        assert_eq!(tables.put(1, Stored { life: 2, ..first("b") }), Ok(Put::Done), "it begins anew");
        assert_eq!(tables.write(vec![Change::Delete(key(2))]), [Ok(Put::Conflict)], "it isn't told any more");
        assert_eq!(tables.found(0..10), [vec![1], vec![0, 3, 4, 5, 6, 7, 8, 9]]);
        tables.now += hour;
        assert_eq!(tables.found(0..10), [none.clone(), vec![1]]);
        tables.write(Vec::new());
        assert_eq!((tables.total.conversations, tables.total.ended, tables.total.bytes), (0, 1, 127));
        tables.now += hour;
        tables.write(Vec::new());
        assert_eq!((tables.total.ended, tables.total.bytes), (0, 0));
        assert_eq!(tables.put(1, first("b")), Ok(Put::Done), "nothing is known of it");
    }
}

#[test]
fn what_was_forgotten_expires_without_a_trace() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    let folder = Folder::new();
    let mut tables = Tables::open(&folder, BOUNDS);
    tables.put(0, crate::conversation::record::tests::blank(1)).unwrap();
    tables.now += hour;
    assert_eq!(tables.found(0..1), [[0; 0], [0; 0]]);
    tables.write(Vec::new());
    assert_eq!((tables.total.conversations, tables.total.ended, tables.total.bytes), (0, 0, 0));
}

#[test]
fn what_has_expired_makes_room_before_a_conversation_does() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    // 127 bytes each of what has expired, and 129 of the others.
    for bounds in [Bounds { most: 10, ..BOUNDS }, Bounds { bytes: 1_290, ..BOUNDS }] {
        let folder = Folder::new();
        let mut tables = Tables::open(&folder, bounds);
        for number in 0..6 {
            tables.put(number, first("a")).unwrap();
        }
        tables.now += hour + 100;
        for number in 6..14 {
            tables.put(number, first("a")).unwrap();
        }
        assert_eq!(tables.found(0..14), [(6..14).collect(), vec![4, 5]], "{bounds:?}");
        // One that was dropped as there were too many says nothing.
        for number in 14..20 {
            tables.put(number, first("a")).unwrap();
        }
        assert_eq!(tables.found(0..20), [(10..20).collect(), vec![]], "{bounds:?}");
    }
}

/// As many expire at once as several commits sweep; and a clock that is put back leaves nothing behind.
#[test]
fn all_that_has_expired_is_swept_in_the_course_of_things() {
    let hour = u64::try_from(HOUR.as_micros()).unwrap();
    let folder = Folder::new();
    let mut tables = Tables::open(&folder, BOUNDS);
    let puts = (0..600).map(|number| Change::Put(key(number), first("a")));
    tables.write(puts.collect());
    tables.now += hour + 1_000;
    for ended in [256, 512, 600, 600] {
        tables.write(Vec::new());
        assert_eq!((tables.total.ended, tables.total.conversations), (ended, 600 - ended));
    }
    tables.now -= 3 * hour;
    tables.put(700, first("a")).unwrap();
    tables.now += hour;
    tables.write(Vec::new());
    assert_eq!((tables.total.ended, tables.total.conversations), (601, 0));
    tables.now += 3 * hour;
    for ended in [345, 89, 0] {
        tables.write(Vec::new());
        assert_eq!(tables.total.ended, ended);
    }
    assert_eq!(tables.total.bytes, 0);
}

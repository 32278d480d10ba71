//! Pages of lists, by the Relay cursor specification: `first`/`after` forwards, `last`/`before` backwards.
//! A cursor is a position in an order (time and id), never an authority: it says where to go on, not what one may see.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Datelike, Utc};

use crate::kernel::failure::Refusal;

/// Rows a page holds when the client names no number.
pub const DEFAULT_SIZE: usize = 20;
/// Rows a page holds at the most.
pub const MAX_SIZE: usize = 100;

/// The four arguments of a connection field, as the client gave them.
#[derive(Debug, Default, Clone)]
pub struct PageArgs {
    /// At most this many, from the front.
    pub first: Option<i32>,
    /// Behind this cursor.
    pub after: Option<String>,
    /// At most this many, from the back.
    pub last: Option<i32>,
    /// Before this cursor.
    pub before: Option<String>,
}

/// A place in a list ordered by time and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// The row's time.
    pub at: DateTime<Utc>,
    /// The row's id, which breaks ties.
    pub id: i64,
}

impl Position {
    /// The cursor that a client sees.
    #[must_use]
    pub fn encode(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}.{}", self.at.timestamp_micros(), self.id))
    }

    /// Reads a cursor back.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `field` for anything that [`Position::encode`] did not write.
    pub fn decode(field: &'static str, cursor: &str) -> Result<Self, Refusal> {
        let broken = || Refusal::input(field, format!("`{field}` is not a cursor that this list gave out."));
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| broken())?;
        let text = String::from_utf8(bytes).map_err(|_| broken())?;
        let (at, id) = text.split_once('.').ok_or_else(broken)?;
        let at = at
            .parse()
            .ok()
            .and_then(DateTime::from_timestamp_micros)
            // What chrono can hold is more than PostgreSQL takes.
            .filter(|at| (1970..=9999).contains(&at.year()))
            .ok_or_else(broken)?;
        let id = id.parse().map_err(|_| broken())?;
        Ok(Self { at, id })
    }
}

/// A checked request for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Page {
    /// Rows wanted, 0 to [`MAX_SIZE`].
    pub size: usize,
    /// Walk from the back of the list.
    pub backwards: bool,
    /// Only rows behind this place.
    pub after: Option<Position>,
    /// Only rows before this place.
    pub before: Option<Position>,
}

impl Page {
    /// Checks the arguments of a connection field.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a negative or too large size, for `first` together with `last`, and for a broken cursor.
    pub fn read(args: &PageArgs) -> Result<Self, Refusal> {
        if args.first.is_some() && args.last.is_some() {
            return Err(Refusal::input("last", "Give `first` or `last`, not both: a page is read from one end."));
        }
        let backwards = args.last.is_some();
        let size = match (args.first, args.last) {
            (Some(size), _) => sized("first", size)?,
            (None, Some(size)) => sized("last", size)?,
            (None, None) => DEFAULT_SIZE,
        };
        Ok(Self {
            size,
            backwards,
            after: args.after.as_deref().map(|c| Position::decode("after", c)).transpose()?,
            before: args.before.as_deref().map(|c| Position::decode("before", c)).transpose()?,
        })
    }

    /// How many rows to ask the database for: one more than wanted tells whether the list goes on.
    #[must_use]
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size + 1).unwrap_or(i64::MAX)
    }

    /// Makes a slice of what the database gave for [`Page::limit`], which came in walking order.
    #[must_use]
    pub fn cut<T>(&self, mut rows: Vec<T>) -> Slice<T> {
        let more = rows.len() > self.size;
        rows.truncate(self.size);
        if self.backwards {
            rows.reverse();
        }
        Slice {
            rows,
            has_next: if self.backwards { self.before.is_some() } else { more },
            has_previous: if self.backwards { more } else { self.after.is_some() },
        }
    }
}

fn sized(field: &'static str, size: i32) -> Result<usize, Refusal> {
    usize::try_from(size)
        .ok()
        .filter(|size| *size <= MAX_SIZE)
        .ok_or_else(|| Refusal::input(field, format!("`{field}` must be from 0 to {MAX_SIZE}.")))
}

/// Rows of one page in the list's own order, and whether the list goes on at either end.
#[derive(Debug, Clone)]
pub struct Slice<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// There are rows behind the last.
    pub has_next: bool,
    /// There are rows before the first.
    pub has_previous: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_written_and_nothing_else_does() {
        let place = Position { at: DateTime::from_timestamp_micros(1_763_700_000_123_456).unwrap_or_default(), id: 42 };
        assert_eq!(Position::decode("after", &place.encode()), Ok(place));
        for broken in ["LTgwMDAwMDAwMDAwMDAwMDAwMDAuMQ", "", "!", "AAAA", "MS4y=", "MS4=", "' OR 1=1"] {
            assert!(Position::decode("after", broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn sizes_are_bounded_and_one_sided() {
        let read = |first, last| Page::read(&PageArgs { first, last, ..PageArgs::default() });
        assert!(read(Some(-1), None).is_err());
        assert!(read(Some(101), None).is_err());
        assert!(read(Some(1), Some(1)).is_err());
        assert_eq!(read(None, None).map(|p| p.size), Ok(20));
        assert_eq!(read(Some(0), None).map(|p| p.limit()), Ok(1));
    }

    #[test]
    fn one_row_more_than_wanted_means_the_list_goes_on() {
        let back = Page { size: 2, backwards: true, after: None, before: None };
        let slice = back.cut(vec![3, 2, 1]);
        assert_eq!((slice.rows, slice.has_previous, slice.has_next), (vec![2, 3], true, false));
    }
}

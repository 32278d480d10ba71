//! Pages of lists, by the Relay cursor specification: `first`/`after` forwards, `last`/`before` backwards.
//! A cursor is a position in a list and its order (what it is sorted by, and the id), never an authority: it says where to go
//! on, not what one may see.

use std::hash::{Hash, Hasher};

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

/// What a list is of: a place in one is none in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum List {
    AuditEntries,
    Conversations,
    Deliveries,
    Documents,
    Impersonations,
    Leads,
    Meetings,
    Messages,
    Prompts,
    Tenants,
    Users,
}

impl List {
    /// How a cursor names it.
    fn mark(self) -> char {
        match self {
            Self::AuditEntries => 'a',
            Self::Conversations => 'c',
            Self::Deliveries => 'w',
            Self::Documents => 'd',
            Self::Impersonations => 'i',
            Self::Leads => 'l',
            Self::Meetings => 'b',
            Self::Messages => 'm',
            Self::Prompts => 'p',
            Self::Tenants => 't',
            Self::Users => 'u',
        }
    }
}

/// What a list is ordered by; the id breaks ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderBy {
    /// When a row was made.
    CreatedAt,
    /// When a row was last changed. A row that changes moves, so it may be met twice or missed by who pages meanwhile.
    UpdatedAt,
    /// A name, without regard to case.
    Name,
}

/// A list in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order {
    /// Of what.
    pub list: List,
    /// By what.
    pub by: OrderBy,
    /// The least first.
    pub ascending: bool,
}

impl Order {
    /// The newest first: the order of most lists unless another is asked for.
    #[must_use]
    pub const fn newest(list: List) -> Self {
        Self { list, by: OrderBy::CreatedAt, ascending: false }
    }

    /// The oldest first; of what is still to come, the next.
    #[must_use]
    pub const fn oldest(list: List) -> Self {
        Self { list, by: OrderBy::CreatedAt, ascending: true }
    }

    /// How a cursor names it: by what, in a capital where the greatest is first.
    fn mark(self) -> char {
        let mark = match self.by {
            OrderBy::CreatedAt => 'c',
            OrderBy::UpdatedAt => 'u',
            OrderBy::Name => 'n',
        };
        if self.ascending { mark } else { mark.to_ascii_uppercase() }
    }
}

/// What a row is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SortKey {
    /// When it was made.
    CreatedAt(DateTime<Utc>),
    /// When it was last changed.
    UpdatedAt(DateTime<Utc>),
    /// Its name, as the database folds it.
    Name(String),
}

/// A place in an ordered list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// What the row is sorted by.
    pub key: SortKey,
    /// The row's id, which breaks ties.
    pub id: i64,
}

impl Position {
    /// A place in a list by the time of making.
    #[must_use]
    pub fn created(at: DateTime<Utc>, id: i64) -> Self {
        Self { key: SortKey::CreatedAt(at), id }
    }

    /// The time of a place in a list by time; the beginning of time in one by name, which the order of a checked page
    /// rules out.
    #[must_use]
    pub fn at(&self) -> DateTime<Utc> {
        match self.key {
            SortKey::CreatedAt(at) | SortKey::UpdatedAt(at) => at,
            SortKey::Name(_) => DateTime::UNIX_EPOCH,
        }
    }

    /// The name of a place in a list by name, as [`Position::at`].
    #[must_use]
    pub fn name(&self) -> String {
        match &self.key {
            SortKey::Name(name) => name.clone(),
            SortKey::CreatedAt(_) | SortKey::UpdatedAt(_) => String::new(),
        }
    }

    /// The cursor that a client sees.
    #[must_use]
    pub fn encode(&self, order: Order) -> String {
        let (list, by, id) = (order.list.mark(), order.mark(), self.id);
        URL_SAFE_NO_PAD.encode(match &self.key {
            SortKey::CreatedAt(at) | SortKey::UpdatedAt(at) => format!("{list}{by}{id}.{}", at.timestamp_micros()),
            SortKey::Name(name) => format!("{list}{by}{id}.{name}"),
        })
    }

    /// Reads a cursor of a list in its order.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` naming `field` for anything that [`Position::encode`] did not write for this list in this order.
    pub fn decode(field: &'static str, cursor: &str, order: Order) -> Result<Self, Refusal> {
        Self::read(cursor, order).ok_or_else(|| {
            Refusal::input(field, format!("`{field}` is not a cursor that this list gave out in this order."))
        })
    }

    fn read(cursor: &str, order: Order) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let place = text.strip_prefix(order.list.mark())?.strip_prefix(order.mark())?;
        let (id, value) = place.split_once('.')?;
        let time = || {
            DateTime::from_timestamp_micros(value.parse().ok()?)
                // What chrono can hold is more than PostgreSQL takes.
                .filter(|at| (1970..=9999).contains(&at.year()))
        };
        let key = match order.by {
            OrderBy::CreatedAt => SortKey::CreatedAt(time()?),
            OrderBy::UpdatedAt => SortKey::UpdatedAt(time()?),
            // A NUL can be in no name, and PostgreSQL would not take it as text.
            OrderBy::Name => SortKey::Name(Some(value).filter(|value| !value.contains('\0'))?.to_owned()),
        };
        Some(Self { key, id: id.parse().ok()? })
    }
}

/// A checked request for a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Rows wanted, 0 to [`MAX_SIZE`].
    pub size: usize,
    /// Walk from the back of the list.
    pub backwards: bool,
    /// Only rows behind this place.
    pub after: Option<Position>,
    /// Only rows before this place.
    pub before: Option<Position>,
    /// The list's order.
    pub order: Order,
}

/// By what most pages of one operation differ in, since each key of a loader is looked up several times.
impl Hash for Page {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.size.hash(state);
        self.after.as_ref().or(self.before.as_ref()).map_or(0, |place| place.id).hash(state);
    }
}

impl Page {
    /// Checks the arguments of a connection field.
    ///
    /// # Errors
    /// `BAD_USER_INPUT` for a negative or too large size, for `first` together with `last`, and for a broken cursor.
    pub fn read(args: &PageArgs, order: Order) -> Result<Self, Refusal> {
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
            after: args.after.as_deref().map(|c| Position::decode("after", c, order)).transpose()?,
            before: args.before.as_deref().map(|c| Position::decode("before", c, order)).transpose()?,
            order,
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
        // Whichever way it is read, what a cursor stands for is not on the page, but beyond it.
        Slice {
            rows,
            has_next: (more && !self.backwards) || self.before.is_some(),
            has_previous: (more && self.backwards) || self.after.is_some(),
            order: self.order,
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
    /// The list's order.
    pub order: Order,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_written_and_nothing_else_does() {
        let at = DateTime::from_timestamp_micros(1_763_700_000_123_456).unwrap_or_default();
        let orders: Vec<_> = [List::Leads, List::Conversations]
            .into_iter()
            .flat_map(|list| [OrderBy::CreatedAt, OrderBy::UpdatedAt, OrderBy::Name].map(|by| (list, by)))
            .flat_map(|(list, by)| [false, true].map(|ascending| Order { list, by, ascending }))
            .collect();
        for order in &orders {
            let keys = match order.by {
                OrderBy::CreatedAt => vec![SortKey::CreatedAt(at)],
                OrderBy::UpdatedAt => vec![SortKey::UpdatedAt(at)],
                OrderBy::Name => vec![SortKey::Name("ann. b".to_owned()), SortKey::Name(String::new())],
            };
            for key in keys {
                let place = Position { key, id: 42 };
                let cursor = place.encode(*order);
                assert_eq!(Position::decode("after", &cursor, *order), Ok(place));
                assert!(cursor.len() < 30, "{cursor}");
                for other in &orders {
                    assert_eq!(Position::decode("after", &cursor, *other).is_ok(), other == order);
                }
            }
            for broken in [
                "",
                "!",
                "lc",
                "lc1",
                "lc1.",
                "lc1.x",
                "ln1.\0",
                "lcx.1",
                "lc1.-80000000000000000000.",
                "' OR 1=1",
                // Such were given out once.
                "c42.1763700000123456",
                "u42.1763700000123456",
                "n42.ann",
            ] {
                let text = URL_SAFE_NO_PAD.encode(broken);
                for broken in [broken, text.as_str()] {
                    assert!(Position::decode("after", broken, *order).is_err(), "{broken:?} in {order:?}");
                }
            }
        }
    }

    #[test]
    fn sizes_are_bounded_and_one_sided() {
        let read =
            |first, last| Page::read(&PageArgs { first, last, ..PageArgs::default() }, Order::newest(List::Leads));
        assert!(read(Some(-1), None).is_err());
        assert!(read(Some(101), None).is_err());
        assert!(read(Some(1), Some(1)).is_err());
        assert_eq!(read(None, None).map(|p| p.size), Ok(20));
        assert_eq!(read(Some(0), None).map(|p| p.limit()), Ok(1));
    }

    #[test]
    fn one_row_more_than_wanted_means_the_list_goes_on() {
        let back = Page { size: 2, backwards: true, after: None, before: None, order: Order::newest(List::Leads) };
        let slice = back.cut(vec![3, 2, 1]);
        assert_eq!((slice.rows, slice.has_previous, slice.has_next), (vec![2, 3], true, false));
    }

    #[test]
    fn beyond_a_cursor_the_list_goes_on_whichever_way_it_is_read() {
        let place = || Some(Position::created(DateTime::UNIX_EPOCH, 7));
        // Read, after, before, rows that there are: whether it goes on before the page, and behind it.
        for (backwards, after, before, rows, ends) in [
            (false, None, None, 2, (false, false)),
            (false, None, place(), 2, (false, true)),
            (false, place(), None, 2, (true, false)),
            (false, place(), place(), 2, (true, true)),
            (false, place(), None, 3, (true, true)),
            (true, None, None, 2, (false, false)),
            (true, None, place(), 2, (false, true)),
            (true, place(), None, 2, (true, false)),
            (true, place(), place(), 2, (true, true)),
            (true, None, place(), 3, (true, true)),
            // An empty page too lies beside its cursor.
            (false, None, place(), 0, (false, true)),
            (true, place(), None, 0, (true, false)),
        ] {
            let page = Page { size: 2, backwards, after, before, order: Order::newest(List::Leads) };
            let slice = page.cut(vec![(); rows]);
            assert_eq!((slice.has_previous, slice.has_next), ends, "{page:?} of {rows}");
        }
    }
}

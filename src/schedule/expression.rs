//! Cron expressions, read the familiar way and evaluated so that a change of clocks loses nothing. Pure.
//!
//! Five fields (minute, hour, day of month, month, weekday), or six with seconds first, or `@daily` and its
//! kin. Weekdays are 0 to 7 with Sunday as 0 and 7, or names. As in every cron, when day of month and
//! weekday are both given, either is enough.
//!
//! The `cron` crate reads the fields and finds the next local time; it is asked in naive local time, because
//! with a time zone it skips a day whose hour does not exist and loses the hour that comes twice. Which
//! instants a local time means is decided here:
//!
//! | | hours are given (`30 2 * * *`) | hours are a wildcard (`*/15 * * * *`, `0 */2 * * *`) |
//! |---|---|---|
//! | the local time does not exist | the first minute after the gap | none: the clock never shows it |
//! | the local time comes twice | the first time | both times |

use crate::domain::Timestamp;
use chrono::{DateTime, LocalResult, NaiveDateTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use cron::{Schedule, TimeUnitSpec};
use std::{fmt, str::FromStr, time::Duration};
use thiserror::Error;

/// Characters of an expression; a list of all minutes has 169.
pub const LONGEST: usize = 200;
/// Longest stretch of local time that a zone ever skipped: Samoa left out a day.
const LONGEST_GAP_MINUTES: usize = 25 * 60;
/// Fires that are looked at to see how far apart they are.
const LOOKED_AT: usize = 25;
/// Further apart makes no difference.
const LONGEST_INTERVAL: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is wrong with an expression, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    #[error("the expression has {0} characters; at most {LONGEST} are allowed")]
    TooLong(usize),
    #[error(
        "the expression has {0} fields; write five (minute, hour, day of month, month, weekday), six with \
         seconds first, or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Fields(usize),
    #[error("`{0}` is not known; allowed are @hourly, @daily, @weekly, @monthly, @yearly")]
    Nickname(String),
    #[error(
        "the {field} `{text}` is not understood; allowed are {allowed}, lists `a,b`, ranges `a-b` with the \
         smaller first, `*`, and steps such as `*/5`"
    )]
    Field {
        field: &'static str,
        text: String,
        allowed: &'static str,
    },
    #[error("`{0}` names a date that does not exist, so it would never fire")]
    Never(String),
}

/// A cron expression that fires.
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    /// Two when day of month and weekday are both given: either is enough.
    schedules: Vec<Schedule>,
    wildcard_hours: bool,
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    /// Reads an expression; spaces around and between fields do not matter.
    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let n_chars = text.chars().count();
        if n_chars > LONGEST {
            return Err(ExpressionError::TooLong(n_chars));
        }
        let fields = Fields::read(text)?;
        let expression = Self {
            text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            schedules: fields.schedules()?,
            wildcard_hours: fields.0[HOUR].contains('*'),
        };
        if expression.local_after(NaiveDateTime::default()).is_none() {
            return Err(ExpressionError::Never(expression.text));
        }
        Ok(expression)
    }
}

impl Expression {
    /// The first fire strictly after `now` on clocks in `zone`; `None` when there is none before the year 2101.
    pub fn next_after(&self, now: Timestamp, zone: Tz) -> Option<Timestamp> {
        let clock = DateTime::from_timestamp(now.secs(), 0)?.with_timezone(&zone);
        let mut local = clock.naive_local() - self.repeated(&clock) - TimeDelta::seconds(1);
        let mut next: Option<Timestamp> = None;
        loop {
            let Some(following) = self.local_after(local) else {
                return next;
            };
            local = following;
            let instants = self.instants(local, zone);
            for instant in instants.into_iter().flatten().filter(|at| *at > now) {
                next = Some(next.map_or(instant, |best| best.min(instant)));
            }
            // First passes are in the order of local times: nothing earlier can follow.
            if instants[0].is_some_and(|first| first > now) {
                return next;
            }
        }
    }

    /// The shortest time between two fires, as far as the seconds field tells; a minute at most.
    pub fn shortest_interval(&self) -> Duration {
        let seconds: Vec<u32> = self.schedules[0].seconds().iter().collect();
        let next = seconds.iter().skip(1).copied();
        // After the last second of a minute comes the first of the next.
        let wrapped = seconds.first().map(|first| first + 60);
        let gaps = seconds
            .iter()
            .zip(next.chain(wrapped))
            .map(|(one, other)| other - one);
        Duration::from_secs(gaps.min().unwrap_or(60).into())
    }

    /// The shortest time between a few fires in a row, on clocks that nobody changes. A week for what fires once.
    pub fn usual_interval(&self) -> Duration {
        let mut at = NaiveDateTime::default();
        let mut shortest = LONGEST_INTERVAL;
        for n in 0..LOOKED_AT {
            let Some(next) = self.local_after(at) else {
                break;
            };
            let gap = (next - at).to_std().unwrap_or_default();
            // Before the first there is none: what lies between it and the start says nothing.
            if n > 0 {
                shortest = shortest.min(gap);
            }
            at = next;
        }
        shortest
    }

    /// Whether it names this local time.
    pub(super) fn is_local_time(&self, local: NaiveDateTime) -> bool {
        self.local_after(local - TimeDelta::seconds(1)) == Some(local)
    }

    /// How much local time will be repeated, when `clock` is in the first pass of it: wildcard hours that
    /// have passed once come again.
    fn repeated(&self, clock: &DateTime<Tz>) -> TimeDelta {
        match clock.timezone().from_local_datetime(&clock.naive_local()) {
            LocalResult::Ambiguous(first, second) if self.wildcard_hours && first == *clock => {
                second - first
            }
            _ => TimeDelta::zero(),
        }
    }

    fn local_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let after = local.and_utc();
        let nexts = self.schedules.iter().filter_map(|s| s.after(&after).next());
        nexts.min().map(|next| next.naive_utc())
    }

    /// When clocks in `zone` show `local`, earliest first; see the table above.
    fn instants(&self, local: NaiveDateTime, zone: Tz) -> [Option<Timestamp>; 2] {
        let instant = |at: DateTime<Tz>| Some(at.with_timezone(&Utc).into());
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) => [instant(at), None],
            LocalResult::Ambiguous(first, second) if self.wildcard_hours => {
                [instant(first), instant(second)]
            }
            LocalResult::Ambiguous(first, _) => [instant(first), None],
            LocalResult::None if self.wildcard_hours => [None, None],
            LocalResult::None => [end_of_gap(local, zone).and_then(instant), None],
        }
    }
}

fn end_of_gap(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Tz>> {
    let minute = local.with_second(0)?;
    (1..LONGEST_GAP_MINUTES)
        .filter_map(|n| minute.checked_add_signed(TimeDelta::minutes(n as i64)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
}

const HOUR: usize = 2;
const DAY: usize = 3;
const WEEKDAY: usize = 5;
/// Name and range of each field.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0 to 59"),
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of month", "1 to 31"),
    ("month", "1 to 12 or jan to dec"),
    ("weekday", "0 to 7 (0 and 7 are Sunday) or sun to sat"),
];

/// Seconds first, weekdays as the `cron` crate counts them.
struct Fields([String; 6]);

impl Fields {
    fn read(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim();
        let text = if text.starts_with('@') {
            meaning_of(text).ok_or_else(|| ExpressionError::Nickname(text.to_owned()))?
        } else {
            text
        };
        let mut fields: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let n_fields = fields.len();
        if n_fields == 5 {
            fields.insert(0, "0".to_owned());
        }
        let fields =
            <[String; 6]>::try_from(fields).map_err(|_| ExpressionError::Fields(n_fields))?;
        Self(fields).translated()
    }

    /// Reads each field alone, to be able to say which one is wrong.
    fn translated(mut self) -> Result<Self, ExpressionError> {
        for (index, (field, allowed)) in FIELDS.iter().enumerate() {
            let text = self.0[index].clone();
            let translated = match index {
                WEEKDAY => weekdays(&text),
                DAY if text == "?" => Some("*".to_owned()),
                _ => Some(text.clone()),
            };
            let Some(translated) = translated.filter(|value| stands_alone(index, value)) else {
                return Err(ExpressionError::Field {
                    field,
                    text,
                    allowed,
                });
            };
            self.0[index] = translated;
        }
        Ok(self)
    }

    /// The `cron` crate wants both, day of month and weekday; every other cron is content with one.
    fn schedules(&self) -> Result<Vec<Schedule>, ExpressionError> {
        let either = self.0[DAY] != "*" && self.0[WEEKDAY] != "*";
        let without: &[Option<usize>] = if either {
            &[Some(WEEKDAY), Some(DAY)]
        } else {
            &[None]
        };
        let of = |without: &Option<usize>| {
            let mut fields = self.0.clone();
            if let Some(index) = without {
                fields[*index] = String::from("*");
            }
            let text = fields.join(" ");
            Schedule::from_str(&text).map_err(|_| ExpressionError::Never(text))
        };
        without.iter().map(of).collect()
    }
}

fn stands_alone(index: usize, value: &str) -> bool {
    let mut fields = ["0", "0", "0", "*", "*", "*"];
    fields[index] = value;
    Schedule::from_str(&fields.join(" ")).is_ok()
}

fn meaning_of(nickname: &str) -> Option<&'static str> {
    Some(match nickname.to_lowercase().as_str() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        _ => return None,
    })
}

/// Weekdays written out as a list of 1 (Sunday) to 7, because a range that ends with Sunday is one for us
/// and none for the `cron` crate.
fn weekdays(text: &str) -> Option<String> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (0, 6),
            Some((from, to)) => (weekday(from)?, weekday(to)?),
            None if part.contains('/') => (weekday(range)?, 6),
            None => (weekday(range)?, weekday(range)?),
        };
        // A range may end with the Sunday that follows Saturday, by number or by name.
        let to = if to == 0 && from > 0 { 7 } else { to };
        if from > to {
            return None;
        }
        for day in (from..=to).step_by(step) {
            days[day % 7] = true;
        }
    }
    if days.iter().all(|day| *day) {
        return Some("*".to_owned());
    }
    let numbers = (1..=7).filter(|number| days[number - 1]);
    Some(numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(","))
}

/// 0 to 7; names by their first three letters or in full.
fn weekday(text: &str) -> Option<usize> {
    const NAMES: [&str; 7] = [
        "sunday",
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
    ];
    if text.len() == 1 {
        return text.parse().ok().filter(|day| *day <= 7);
    }
    NAMES
        .iter()
        .position(|name| *name == text || &name[..3] == text)
}

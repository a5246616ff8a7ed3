//! Following scans to their ends: one bar for each.

use super::words::progress;
use crate::channels;
use crate::cli::{context::Session, follow::why_not, output::tell, serve::told_to_stop};
use crate::domain::{ChannelId, ScanId, ScanState};
use crate::reports::ScanView;
use crate::sync::{self, Requested};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{collections::BTreeMap, pin::pin, time::Duration};

/// How often the rows are looked at.
const LOOK: Duration = Duration::from_millis(150);

/// How following ended.
pub struct Followed {
    pub scans: Vec<ScanView>,
    /// Why scans are not done, for people.
    pub troubles: Vec<String>,
    /// Ctrl-C.
    pub is_interrupted: bool,
}

impl Followed {
    /// The same with the rows as they are now.
    pub async fn again(mut self, session: &Session) -> anyhow::Result<Self> {
        for scan in &mut self.scans {
            let id = ScanId(scan.id);
            if let Some(row) = sync::scan(&session.app.db, session.merchant, id).await? {
                *scan = ScanView::of(&row, session.now());
            }
        }
        Ok(self)
    }
}

/// Until every scan has ended, or nothing can be expected of it soon.
pub async fn follow(
    session: &Session,
    asked: &[Requested],
    is_hidden: bool,
) -> anyhow::Result<Followed> {
    let mut interrupted = pin!(told_to_stop());
    let bars = Bars::new(is_hidden);
    let mut told: BTreeMap<i64, Option<String>> = BTreeMap::new();
    loop {
        let (mut scans, mut troubles, mut are_going) = (Vec::new(), Vec::new(), false);
        for requested in asked {
            let row = sync::scan(&session.app.db, session.merchant, requested.scan).await?;
            let Some(row) = row else { continue };
            let scan = ScanView::of(&row, session.now());
            bars.show(&scan);
            let before = told.insert(scan.id, scan.error.clone()).flatten();
            match trouble(session, &scan).await? {
                Some(trouble) => troubles.push(trouble),
                None if scan.has_ended() => {}
                None => {
                    are_going = true;
                    if let Some(error) = scan.error.as_ref().filter(|e| before.as_ref() != Some(e))
                    {
                        tell(format!("scan {} failed, trying again: {error}", scan.id));
                    }
                }
            }
            scans.push(scan);
        }
        let mut followed = Followed {
            scans,
            troubles,
            is_interrupted: false,
        };
        if !are_going {
            bars.clear();
            return Ok(followed);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            told = &mut interrupted => {
                told?;
                tell("ending what is in hand; Ctrl-C again to end at once");
                bars.clear();
                followed.troubles.clear();
                followed.is_interrupted = true;
                return Ok(followed);
            }
        }
    }
}

/// Why this scan will not end well soon; none while it goes, and when it is done.
async fn trouble(session: &Session, scan: &ScanView) -> anyhow::Result<Option<String>> {
    let what = format!("the {} scan of channel {}", scan.kind, scan.channel);
    let error = scan.error.as_deref().unwrap_or("no reason is known");
    Ok(match ScanState::parse(&scan.state) {
        Some(ScanState::Done) => None,
        Some(ScanState::Failed) => Some(format!("{what} was given up: {error}")),
        Some(ScanState::Suspicious) => Some(format!("{what} is not believed: {error}")),
        Some(ScanState::Cancelled) => Some(format!("{what} was cancelled")),
        Some(ScanState::Paused) => Some(format!(
            "{what} was paused; `marketsink scans resume {}` lets it go on",
            scan.id
        )),
        Some(ScanState::Waiting | ScanState::Running) | None => waits(session, scan, &what).await?,
    })
}

async fn waits(session: &Session, scan: &ScanView, what: &str) -> anyhow::Result<Option<String>> {
    let id = ChannelId(scan.channel);
    let db = session.app.db.read();
    if let Some(reason) = why_not(&channels::load(db, id).await?) {
        return Ok(Some(format!("{what} waits: {reason}")));
    }
    let row = sync::scan(&session.app.db, session.merchant, ScanId(scan.id)).await?;
    let rests = match row {
        Some(row) => session.app.sync.scan_rests_until(&row).await?,
        None => None,
    };
    Ok(rests.map(|(until, error)| {
        format!("{what} keeps failing and is tried again at {until} by `marketsink serve`: {error}")
    }))
}

/// The bars on standard error; nothing, when that is no terminal.
struct Bars {
    all: MultiProgress,
    of: std::cell::RefCell<BTreeMap<i64, ProgressBar>>,
}

impl Bars {
    fn new(is_hidden: bool) -> Self {
        let target = if is_hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            of: std::cell::RefCell::default(),
        }
    }

    fn show(&self, scan: &ScanView) {
        let mut of = self.of.borrow_mut();
        let bar = of.entry(scan.id).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style("{spinner} {prefix} {msg}"));
            bar.set_prefix(format!("channel {} {}:", scan.channel, scan.kind));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if let Some(expected) = scan.progress.expected {
            if bar.length().is_none() {
                bar.set_style(style("{bar:30} {prefix} {msg}"));
            }
            bar.set_length(expected.cast_unsigned());
            bar.set_position(scan.products.min(expected).cast_unsigned());
        }
        bar.set_message(progress(scan));
        if scan.has_ended() {
            bar.finish_with_message(scan.state.clone());
        }
    }

    fn clear(&self) {
        // A terminal that is gone needs no clearing.
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are well formed")
}

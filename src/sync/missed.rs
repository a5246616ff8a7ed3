//! Webhooks that a marketplace gave up on and kept for us.
//!
//! 1. Ask for the oldest that are not confirmed; they are those of all shops of our app.
//! 2. Store every one of them, with its events and what follows from them, and commit.
//! 3. Only then confirm them, and go on while there are more.
//!
//! A crash between 2 and 3 loses nothing and doubles nothing: the same ones come again, and are known. One
//! consumer per app: the job's key is the marketplace. An empty page is never confirmed, because a
//! confirmation is a mark, and what lies before it is gone.

use super::{Sync, SyncError};
use crate::inbox::{self, Kept};
use crate::marketplaces::{self, MarketplaceError, Secrets};

impl Sync {
    /// Fetches, stores and confirms what a marketplace has kept for us.
    ///
    /// # Errors
    /// When the marketplace cannot be asked, or the database does not store. What was confirmed is stored.
    pub async fn fetch_missed(&self, slug: &str) -> Result<Kept, SyncError> {
        let Some(marketplace) = marketplaces::find(slug) else {
            return Err(SyncError::Unknown(format!("a marketplace `{slug}`")));
        };
        // The app asks, not a shop: a locked channel must not keep back the webhooks of the others.
        let access = self.access_with(marketplace, None, &Secrets::default())?;
        let mut kept = Kept::default();
        let mut last_mark = None;
        loop {
            let page = marketplace.missed(&access).await;
            let page = page.map_err(SyncError::NotConnected)?;
            let Some(mark) = page.mark.filter(|_| !page.bodies.is_empty()) else {
                break;
            };
            if last_mark.as_ref() == Some(&mark) {
                let reason = "what was confirmed came again".to_owned();
                return Err(SyncError::NotConnected(MarketplaceError::Unavailable {
                    marketplace: marketplace.name(),
                    reason,
                }));
            }
            let now = self.shared.clock.now();
            let stored =
                inbox::keep_fetched(&self.shared.queue, marketplace, page.bodies, now).await?;
            kept.new += stored.new;
            kept.known += stored.known;
            let confirmed = marketplace.confirm_missed(&access, &mark).await;
            confirmed.map_err(SyncError::NotConnected)?;
            last_mark = Some(mark);
            if !page.more {
                break;
            }
        }
        if kept.new > 0 {
            tracing::info!(
                marketplace = slug,
                new = kept.new,
                known = kept.known,
                "webhooks that had not reached us were fetched"
            );
        }
        Ok(kept)
    }
}

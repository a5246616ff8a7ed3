//! What every command begins with: the settings, the merchant, the opened app.

use super::Global;
use crate::accounts::{self, Acting, Actor, Deed};
use crate::app::App;
use crate::channels::{self, Channel, ChannelError};
use crate::clock::Clock;
use crate::config::{self, Effective, Provenance, Settings, Source};
use crate::db::Tx;
use crate::domain::{ChannelId, MerchantId, Timestamp};
use crate::telemetry;
use anyhow::{Context as _, bail};
use sea_orm::DbErr;

/// Settings, and the options that every command takes.
#[derive(Debug)]
pub struct Context {
    pub settings: Settings,
    provenance: Provenance,
    pub merchant: String,
    pub json: bool,
    /// Who runs the command, and why.
    pub acting: Acting,
}

/// An app that is opened and works nothing off, for one merchant.
#[derive(Debug)]
pub struct Session {
    pub app: App,
    pub merchant: MerchantId,
    acting: Acting,
}

impl Context {
    /// # Errors
    /// Every problem of the settings at once.
    pub fn load(global: &Global) -> anyhow::Result<Self> {
        let (settings, provenance) =
            Settings::load(global.config.as_deref(), config::environment())?;
        Ok(Self {
            settings,
            provenance,
            merchant: global.merchant.clone(),
            json: global.json,
            acting: acting(global)?,
        })
    }

    /// Who runs the command.
    pub fn by(&self) -> &str {
        &self.acting.actor.name
    }

    pub fn why(&self) -> Option<&str> {
        self.acting.why.as_deref()
    }

    /// Writes to the audit trail what the command does, in the transaction in which it does it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(
        &self,
        tx: &Tx,
        merchant: Option<MerchantId>,
        deed: Deed,
        now: Timestamp,
    ) -> Result<(), DbErr> {
        self.acting.record(tx, merchant, deed, now).await
    }

    /// Every setting with where it comes from; secrets are hidden.
    pub fn effective(&self) -> Vec<Effective> {
        self.provenance.effective()
    }

    /// Logs as the settings say: for commands that run until they are told to stop.
    pub fn log(&self) {
        telemetry::start(&self.settings.log);
    }

    /// Logs errors only, unless the settings say otherwise: for commands that answer for themselves.
    pub fn log_quietly(&self) {
        let mut log = self.settings.log.clone();
        let is_default =
            |setting: &Effective| setting.key == "log.filter" && setting.source == Source::Default;
        if self.effective().iter().any(is_default) {
            "error".clone_into(&mut log.filter);
        }
        telemetry::start(&log);
    }

    /// Opens everything and starts nothing.
    ///
    /// # Errors
    /// When a setting does not work in practice.
    pub async fn open(&self) -> anyhow::Result<App> {
        self.log_quietly();
        let mut app = App::build(self.settings.clone(), Clock::system()).await?;
        app.sync = app.sync.acting(self.acting.clone());
        Ok(app)
    }

    /// The same for a merchant that is known already.
    ///
    /// # Errors
    /// When there is no such merchant.
    pub async fn session(&self) -> anyhow::Result<Session> {
        let app = self.open().await?;
        let merchant = accounts::merchant_named(&app.db, &self.merchant).await?;
        let acting = self.acting.clone();
        Ok(Session {
            app,
            merchant,
            acting,
        })
    }
}

/// Who is named, or whose account it is.
fn acting(global: &Global) -> anyhow::Result<Acting> {
    let account = || {
        let known = ["USER", "LOGNAME", "USERNAME"].into_iter();
        let mut names = known.filter_map(|name| std::env::var(name).ok());
        names.find(|name| !name.trim().is_empty())
    };
    let name = match global.by.as_deref().map(str::trim) {
        Some("") => bail!("nobody is named; say who does it with --by NAME"),
        Some(name) => name.to_owned(),
        None => account().unwrap_or_else(|| "unknown".to_owned()),
    };
    let why = global.why.as_deref().map(str::trim);
    Ok(Acting {
        actor: Actor::command(name),
        why: why.filter(|why| !why.is_empty()).map(str::to_owned),
    })
}

impl Session {
    /// Writes to the audit trail what the command does, in the transaction in which it does it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record(&self, tx: &Tx, deed: Deed) -> Result<(), DbErr> {
        let merchant = Some(self.merchant);
        self.acting.record(tx, merchant, deed, self.now()).await
    }

    /// The same for what is done in transactions of its own, or elsewhere: that it was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_asked(&self, deed: Deed) -> Result<(), DbErr> {
        let tx = self.app.db.write_tx().await?;
        self.record(&tx, deed).await?;
        tx.commit().await
    }

    pub fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// A channel of the merchant, removed ones included.
    ///
    /// # Errors
    /// When the merchant has no such channel.
    pub async fn channel(&self, id: i64) -> anyhow::Result<Channel> {
        match channels::load(self.app.db.read(), ChannelId(id)).await {
            Ok(channel) if channel.merchant == self.merchant => Ok(channel),
            Ok(_) | Err(ChannelError::Unknown(_)) => {
                bail!("there is no channel {id}; `marketsink channel list` shows those there are")
            }
            Err(error) => Err(error).with_context(|| format!("channel {id} could not be read")),
        }
    }

    /// # Errors
    /// When the database does not close.
    pub async fn close(self) -> anyhow::Result<()> {
        self.app.close().await
    }
}

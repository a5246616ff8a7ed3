//! Checks of the place where the program runs: address, app, database.

use crate::cli::finding::Finding;
use crate::config::Settings;
use crate::db::{self, Db};
use crate::marketplaces::{self, Marketplace, http::check_address};
use url::Url;

/// Whether marketplaces can reach us: they call public `https` addresses only.
pub fn public_url(settings: &Settings) -> Finding {
    let text = &settings.http.public_url;
    let to_do =
        "set http.public_url to the https address under which the internet reaches this server";
    let Ok(url) = Url::parse(text) else {
        return Finding::fail("public address", format!("{text} is no address"), to_do);
    };
    match check_address(&url, false) {
        Err(error) => Finding::warn(
            "public address",
            format!("no marketplace can reach {text}: {error}"),
            to_do,
        ),
        Ok(()) if url.scheme() != "https" => Finding::warn(
            "public address",
            format!(
                "{text} is not https; TikTok Shop calls https only, and bodies hold buyers' data"
            ),
            to_do,
        ),
        Ok(()) => Finding::ok("public address", text),
    }
}

/// Marketplaces with an app of ours: whether its keys are set.
pub fn apps(settings: &Settings) -> Vec<Finding> {
    let with_app = |m: &&&dyn Marketplace| !m.connecting().app.is_empty();
    let all = marketplaces::all().iter().filter(with_app);
    all.map(|marketplace| app(settings, *marketplace)).collect()
}

fn app(settings: &Settings, marketplace: &dyn Marketplace) -> Finding {
    let (slug, needed) = (marketplace.slug(), marketplace.connecting().app);
    let name = format!("{slug} app");
    let is_set = |value: &&&str| settings.apps.value(slug, value).is_some();
    let n_set = needed.iter().filter(is_set).count();
    let list = needed.join(" and ");
    if n_set == needed.len() {
        Finding::ok(name, format!("{list} are set"))
    } else if n_set == 0 {
        Finding::ok(
            name,
            format!("not set; needed for {} only", marketplace.name()),
        )
    } else {
        Finding::fail(
            name,
            format!("only one of {list} is set"),
            "set both, or neither",
        )
    }
}

/// # Errors
/// When the database cannot be asked.
pub async fn durability(db: &Db) -> anyhow::Result<Finding> {
    db.ping().await?;
    let kind = if db.is_postgres() {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    let faults = db::undurable_settings(db.read()).await?;
    Ok(if faults.is_empty() {
        Finding::ok(
            "database",
            format!("{kind} answers, and keeps what it commits"),
        )
    } else {
        Finding::warn(
            "database",
            format!(
                "{kind} may lose what it acknowledged: {}",
                faults.join(", ")
            ),
            "turn these settings on again; database.allow_undurable is for trials",
        )
    })
}

/// # Errors
/// When the database cannot be asked.
pub async fn schema(db: &Db) -> anyhow::Result<Finding> {
    let pending = db::pending_steps(db).await?;
    Ok(if pending.is_empty() {
        Finding::ok("schema", "up to date")
    } else {
        Finding::warn(
            "schema",
            format!(
                "{} steps are not applied yet; the books were not checked",
                pending.len()
            ),
            "marketsink migrate",
        )
    })
}

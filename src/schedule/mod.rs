//! To come.
use crate::{
    db::Tx,
    domain::{ChannelId, MerchantId, Timestamp},
    marketplaces::Limits,
};
#[derive(Debug, thiserror::Error)]
pub enum ScheduleError {
    #[error(transparent)]
    Db(#[from] sea_orm::DbErr),
}
pub async fn defaults_for(
    _: &Tx,
    _: MerchantId,
    _: ChannelId,
    _: &Limits,
    _: Timestamp,
) -> Result<(), ScheduleError> {
    Ok(())
}
pub async fn fire_due(_: &crate::db::Db, _: Timestamp) -> Result<Vec<()>, ScheduleError> {
    Ok(vec![])
}

//! `listings`: the merchant's views of the catalogue, links by hand, and SKUs made of listings.

mod create;
mod links;
mod missing;
mod views;

pub use views::price;

use super::context::Context;
use clap::Subcommand;
use std::process::ExitCode;

/// What is sold where: six views, links, and SKUs made of listings
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  marketsink listings not-in-pos 1
  marketsink listings suggest
  marketsink listings link 17 --sku MUG
  marketsink listings create-skus 1 --all --opening-stock")]
pub enum ListingsCommand {
    /// SKUs that are listed on a channel, or on any
    #[command(after_help = "\
Examples:
  marketsink listings sold-in-channel
  marketsink listings sold-in-channel 1 --search tea --json")]
    SoldInChannel(views::ViewArgs),
    /// Listings without a SKU: they have no seller SKU, or it is no code of ours
    #[command(after_help = "\
Examples:
  marketsink listings not-in-pos
  marketsink listings not-in-pos 1 --csv")]
    NotInPos(views::ViewArgs),
    /// SKUs that a channel does not list, or that none lists
    #[command(after_help = "\
Examples:
  marketsink listings not-in-channel 1
  marketsink listings not-in-channel --limit 200")]
    NotInChannel(views::ViewArgs),
    /// All SKUs, with where they are listed
    #[command(after_help = "\
Examples:
  marketsink listings in-pos
  marketsink listings in-pos --search kopi --csv")]
    InPos(views::ViewArgs),
    /// SKUs that one channel lists more than once
    #[command(after_help = "\
Examples:
  marketsink listings multiple
  marketsink listings multiple 1 --json")]
    Multiple(views::ViewArgs),
    /// Counts per channel: listings, links, what is missing, when it was scanned
    #[command(after_help = "\
Examples:
  marketsink listings statistic
  marketsink listings statistic --search shopee --json")]
    Statistic(views::ViewArgs),
    Suggest(links::SuggestArgs),
    Link(links::LinkArgs),
    Unlink(links::UnlinkArgs),
    CreateSkus(create::CreateArgs),
    MissingIn(missing::MissingArgs),
}

pub async fn run(context: &Context, command: ListingsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ListingsCommand::SoldInChannel(args) => {
            views::skus(context, &args, views::SkuView::Sold).await?;
        }
        ListingsCommand::NotInChannel(args) => {
            views::skus(context, &args, views::SkuView::Missing).await?;
        }
        ListingsCommand::InPos(args) => {
            views::skus(context, &args, views::SkuView::All).await?;
        }
        ListingsCommand::NotInPos(args) => views::not_in_pos(context, &args).await?,
        ListingsCommand::Multiple(args) => views::multiple(context, &args).await?,
        ListingsCommand::Statistic(args) => views::statistic(context, &args).await?,
        ListingsCommand::Suggest(args) => links::suggest(context, &args).await?,
        ListingsCommand::Link(args) => links::link(context, &args).await?,
        ListingsCommand::Unlink(args) => links::unlink(context, &args).await?,
        ListingsCommand::CreateSkus(args) => create::create(context, &args).await?,
        ListingsCommand::MissingIn(args) => missing::missing(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

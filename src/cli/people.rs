//! `people`: who may do what, for whom.

use super::{
    context::{Context, Session},
    output::{Table, say, say_json},
};
use crate::accounts::{self, Deed, Membership, NewPerson, Permission, Person, Role};
use crate::domain::ChannelId;
use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;
use std::process::ExitCode;

/// People and what they may: add, list, change, disable, roles
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  marketsink people roles\n  marketsink people add rani@example.com --name Rani --role owner"
)]
pub enum PeopleCommand {
    Add(AddArgs),
    List(ListArgs),
    Change(ChangeArgs),
    Disable(DisableArgs),
    Roles(RolesArgs),
}

/// What somebody is, and on which channels.
#[derive(Debug, Args)]
pub(super) struct RoleArgs {
    /// owner, staff, support or administrator; `marketsink people roles` tells what each may
    #[arg(long, value_parser = role)]
    role: Role,
    /// Staff: only this channel; again for others
    #[arg(long = "channel", value_name = "ID")]
    channels: Vec<i64>,
}

/// Writes a person down, with a role for the merchant (support and administrators: for every merchant)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink people add rani@example.com --name Rani --role owner
  marketsink people add budi --name Budi --role staff --channel 1 --channel 2")]
pub struct AddArgs {
    /// An e-mail address or a short name
    login: String,
    /// What people call them
    #[arg(long)]
    name: String,
    /// The language of their pages
    #[arg(long, default_value = "en")]
    language: String,
    #[command(flatten)]
    role: RoleArgs,
}

/// Lists everybody
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink people list --json")]
pub struct ListArgs {}

/// Changes a person's name, language or role for the merchant
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  marketsink people change budi --role staff --channel 3
  marketsink people change budi --end-role")]
pub struct ChangeArgs {
    login: String,
    /// What people call them
    #[arg(long)]
    name: Option<String>,
    /// The language of their pages
    #[arg(long)]
    language: Option<String>,
    /// In place of the role that they have
    #[arg(long, value_parser = role)]
    role: Option<Role>,
    /// Staff: only this channel; again for others
    #[arg(long = "channel", value_name = "ID", requires = "role")]
    channels: Vec<i64>,
    /// They are nothing to the merchant any more
    #[arg(long, conflicts_with = "role")]
    end_role: bool,
}

/// From now on a person may nothing; with --again they may what they might before
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink people disable budi --why 'left the company'")]
pub struct DisableArgs {
    login: String,
    /// They may again what they might before
    #[arg(long)]
    again: bool,
}

/// Shows what each role may
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  marketsink people roles")]
pub struct RolesArgs {}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| {
        let known: Vec<_> = Role::ALL.iter().map(|role| role.as_str()).collect();
        format!("there are {}", known.join(", "))
    })
}

pub async fn run(context: &Context, command: PeopleCommand) -> anyhow::Result<ExitCode> {
    match command {
        PeopleCommand::Roles(_) => roles(context)?,
        PeopleCommand::Add(args) => add(context, &args).await?,
        PeopleCommand::List(_) => list(context).await?,
        PeopleCommand::Change(args) => change(context, &args).await?,
        PeopleCommand::Disable(args) => disable(context, &args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

impl RoleArgs {
    /// The role at the session's merchant, on channels that the merchant has.
    pub(super) async fn membership(&self, session: &Session) -> anyhow::Result<Membership> {
        membership(session, self.role, &self.channels).await
    }
}

async fn membership(session: &Session, role: Role, channels: &[i64]) -> anyhow::Result<Membership> {
    let mut theirs: Vec<ChannelId> = Vec::new();
    for id in channels {
        theirs.push(session.channel(*id).await?.id);
    }
    let is_wide = matches!(role, Role::Support | Role::Administrator);
    let membership = Membership {
        role,
        merchant: (!is_wide).then_some(session.merchant),
        channels: (!theirs.is_empty()).then_some(theirs),
    };
    membership.check()?;
    Ok(membership)
}

async fn add(context: &Context, args: &AddArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let membership = args.role.membership(&session).await?;
    let now = session.now();
    let new = NewPerson {
        login: &args.login,
        name: &args.name,
        language: &args.language,
    };
    let tx = session.app.db.write_tx().await?;
    let id = accounts::add_person(&tx, &new, &membership, now).await?;
    let deed = Deed::new("person.added", "person", &args.login);
    let what = json!({"name": args.name, "language": args.language, "membership": membership});
    context
        .record(&tx, membership.merchant, deed.to(what), now)
        .await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"id": id, "login": args.login, "membership": membership}));
    }
    say(format!("{} is {} now", args.name, membership.role));
    Ok(())
}

async fn list(context: &Context) -> anyhow::Result<()> {
    let session = context.session().await?;
    let everybody = accounts::people(&session.app.db).await?;
    session.close().await?;
    if context.json {
        return say_json(&everybody);
    }
    let mut table = Table::new(&["login", "name", "language", "state", "role"]);
    for person in &everybody {
        table.row([
            person.login.clone(),
            person.name.clone(),
            person.language.clone(),
            if person.is_disabled {
                "disabled"
            } else {
                "active"
            }
            .to_owned(),
            roles_of(person),
        ]);
    }
    table.say("nobody is written down; `marketsink people add` does it");
    Ok(())
}

fn roles_of(person: &Person) -> String {
    let all: Vec<String> = person.memberships.iter().map(in_words).collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join("; ")
    }
}

pub(super) fn in_words(membership: &Membership) -> String {
    let of = membership.merchant.map_or_else(
        || "of every merchant".to_owned(),
        |merchant| format!("of merchant {merchant}"),
    );
    let on = membership.channels.as_ref().map(|channels| {
        let ids: Vec<String> = channels.iter().map(ToString::to_string).collect();
        format!(" on channel {}", ids.join(", "))
    });
    format!("{} {of}{}", membership.role, on.unwrap_or_default())
}

async fn change(context: &Context, args: &ChangeArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let before = accounts::person(session.app.db.read(), &args.login).await?;
    let membership = match args.role {
        Some(role) => Some(membership(&session, role, &args.channels).await?),
        None => None,
    };
    let (now, merchant) = (session.now(), Some(session.merchant));
    let tx = session.app.db.write_tx().await?;
    accounts::change_person(
        &tx,
        &args.login,
        args.name.as_deref(),
        args.language.as_deref(),
    )
    .await?;
    if let Some(membership) = &membership {
        accounts::set_membership(&tx, before.id, membership, now).await?;
    }
    if args.end_role {
        let is_ended = accounts::end_membership(&tx, before.id, merchant).await?;
        if !is_ended && !accounts::end_membership(&tx, before.id, None).await? {
            bail!("{} was nothing to this merchant", args.login);
        }
    }
    let after = accounts::person(&tx, &args.login).await?;
    let deed = Deed::new("person.changed", "person", &before.login);
    let chain = membership.map_or(merchant, |membership| membership.merchant);
    context
        .record(&tx, chain, deed.from(&before).to(&after), now)
        .await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&after);
    }
    say(format!("{}: {}", after.name, roles_of(&after)));
    Ok(())
}

async fn disable(context: &Context, args: &DisableArgs) -> anyhow::Result<()> {
    let session = context.session().await?;
    let before = accounts::person(session.app.db.read(), &args.login).await?;
    let now = session.now();
    let tx = session.app.db.write_tx().await?;
    accounts::disable_person(&tx, &args.login, !args.again, now).await?;
    let deed = Deed::new("person.disabled", "person", &before.login);
    let was = json!({"is_disabled": before.is_disabled});
    let is = json!({"is_disabled": !args.again});
    let chain = before.memberships.first();
    let chain = chain.and_then(|membership| membership.merchant);
    context
        .record(&tx, chain, deed.from(was).to(is), now)
        .await?;
    tx.commit().await?;
    session.close().await?;
    if context.json {
        return say_json(&json!({"login": before.login, "is_disabled": !args.again}));
    }
    let what = if args.again {
        "may again"
    } else {
        "may nothing now"
    };
    say(format!("{} {what}", before.name));
    Ok(())
}

fn roles(context: &Context) -> anyhow::Result<()> {
    if context.json {
        let may = |role: Role| {
            let theirs = Permission::ALL.into_iter().filter(|one| role.may(*one));
            (role.as_str(), json!(theirs.collect::<Vec<_>>()))
        };
        let table: serde_json::Map<_, _> = Role::ALL
            .into_iter()
            .map(may)
            .map(|(role, permissions)| (role.to_owned(), permissions))
            .collect();
        return say_json(&table);
    }
    let mut table = Table::new(&["may", "owner", "staff", "support", "administrator", ""]);
    for permission in Permission::ALL {
        let mark = |role: Role| if role.may(permission) { "yes" } else { "-" }.to_owned();
        let [owner, staff, support, administrator] = Role::ALL.map(mark);
        table.row([
            permission.to_string(),
            owner,
            staff,
            support,
            administrator,
            permission.about().to_owned(),
        ]);
    }
    table.say("");
    Ok(())
}

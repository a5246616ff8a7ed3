//! A short way to write tables: a 64-bit identity, columns, and their indexes.

use sea_orm_migration::prelude::*;

/// A table to be, with its indexes.
pub struct Table {
    name: &'static str,
    primary_key: &'static [&'static str],
    columns: Vec<Field>,
    indexes: Vec<Index>,
}

/// A column to be.
pub struct Field {
    column: ColumnDef,
    name: &'static str,
    references: Option<&'static str>,
    null: bool,
}

struct Index {
    name: String,
    columns: &'static [&'static str],
    unique: bool,
    condition: Option<&'static str>,
}

/// A 64-bit integer: ids, counts, microseconds, minor units.
pub fn int(name: &'static str) -> Field {
    field(name, ColumnDef::new(name).big_integer().take())
}

pub fn text(name: &'static str) -> Field {
    field(name, ColumnDef::new(name).text().take())
}

pub fn blob(name: &'static str) -> Field {
    field(name, ColumnDef::new(name).blob().take())
}

pub fn flag(name: &'static str) -> Field {
    field(name, ColumnDef::new(name).boolean().take())
}

fn field(name: &'static str, column: ColumnDef) -> Field {
    Field {
        column,
        name,
        references: None,
        null: false,
    }
}

/// What most steps are: new tables, new columns of tables that there are, and indexes.
pub struct Expansion {
    pub tables: Vec<Table>,
    /// The table, and its column.
    pub columns: Vec<(&'static str, ColumnDef)>,
    /// The name, and the rest of the statement as it is written out.
    pub indexes: &'static [(&'static str, &'static str)],
}

impl Expansion {
    pub async fn up(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        for table in &self.tables {
            table.create(manager).await?;
        }
        for (table, mut column) in self.columns {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let alter = alter.table(table).add_column(&mut column).take();
            manager.alter_table(alter).await?;
        }
        for (name, on) in self.indexes {
            let create = format!("create index {name} on {on}");
            manager.get_connection().execute_unprepared(&create).await?;
        }
        Ok(())
    }

    pub async fn down(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        for (name, _) in self.indexes.iter().rev() {
            let drop = format!("drop index {name}");
            manager.get_connection().execute_unprepared(&drop).await?;
        }
        for (table, column) in self.columns.into_iter().rev() {
            let mut alter = sea_orm_migration::prelude::Table::alter();
            let name = column.get_column_name();
            let alter = alter.table(table).drop_column(name).take();
            manager.alter_table(alter).await?;
        }
        for table in self.tables.iter().rev() {
            table.drop(manager).await?;
        }
        Ok(())
    }
}

impl Field {
    pub fn null(mut self) -> Self {
        self.null = true;
        self
    }

    /// A foreign key to `table`'s `id`.
    pub fn references(mut self, table: &'static str) -> Self {
        self.references = Some(table);
        self
    }
}

impl Table {
    /// A table with an `id` that the database counts up.
    pub fn new(name: &'static str, columns: Vec<Field>) -> Self {
        Self::keyed(name, &[], columns)
    }

    /// A table whose primary key is `primary_key`.
    pub fn keyed(
        name: &'static str,
        primary_key: &'static [&'static str],
        columns: Vec<Field>,
    ) -> Self {
        Self {
            name,
            primary_key,
            columns,
            indexes: Vec::new(),
        }
    }

    pub fn unique(self, columns: &'static [&'static str]) -> Self {
        let name = format!("uq_{}_{}", self.name, columns.join("_"));
        self.add(name, columns, true, None)
    }

    pub fn index(self, columns: &'static [&'static str]) -> Self {
        let name = format!("ix_{}_{}", self.name, columns.join("_"));
        self.add(name, columns, false, None)
    }

    pub fn unique_where(
        self,
        name: &str,
        columns: &'static [&'static str],
        condition: &'static str,
    ) -> Self {
        let name = format!("uq_{}_{name}", self.name);
        self.add(name, columns, true, Some(condition))
    }

    pub fn index_where(
        self,
        name: &str,
        columns: &'static [&'static str],
        condition: &'static str,
    ) -> Self {
        let name = format!("ix_{}_{name}", self.name);
        self.add(name, columns, false, Some(condition))
    }

    fn add(
        mut self,
        name: String,
        columns: &'static [&'static str],
        unique: bool,
        condition: Option<&'static str>,
    ) -> Self {
        self.indexes.push(Index {
            name,
            columns,
            unique,
            condition,
        });
        self
    }

    pub async fn create(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        manager.create_table(self.definition()).await?;
        for index in &self.indexes {
            manager.create_index(index.definition(self.name)).await?;
        }
        Ok(())
    }

    pub async fn drop(&self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let mut drop = sea_orm_migration::prelude::Table::drop();
        manager.drop_table(drop.table(self.name).take()).await
    }

    fn definition(&self) -> TableCreateStatement {
        let mut create = sea_orm_migration::prelude::Table::create();
        create.table(self.name);
        if self.primary_key.is_empty() {
            create.col(
                ColumnDef::new("id")
                    .big_integer()
                    .not_null()
                    .auto_increment()
                    .primary_key(),
            );
        }
        for field in &self.columns {
            let mut column = field.column.clone();
            if !field.null {
                column.not_null();
            }
            create.col(column);
            if let Some(target) = field.references {
                let mut key = ForeignKey::create();
                create.foreign_key(
                    key.name(format!("fk_{}_{}", self.name, field.name))
                        .from(self.name, field.name)
                        .to(target, "id"),
                );
            }
        }
        if !self.primary_key.is_empty() {
            let mut key = sea_orm_migration::prelude::Index::create();
            for column in self.primary_key {
                key.col(*column);
            }
            create.primary_key(&mut key);
        }
        create
    }
}

impl Index {
    fn definition(&self, table: &'static str) -> IndexCreateStatement {
        let mut create = sea_orm_migration::prelude::Index::create();
        create.name(&self.name).table(table);
        for column in self.columns {
            create.col(*column);
        }
        if self.unique {
            create.unique();
        }
        if let Some(condition) = self.condition {
            // A bound value in the condition of a partial index would not be recognised by
            // `on conflict`, so the condition is written out.
            create.cond_where(Expr::cust(condition));
        }
        create
    }
}

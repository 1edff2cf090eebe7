"""One file per revision. A fresh database is created from `shared.store.schema` and stamped with the newest."""

"""The store on SQLite: one owner of the file, one writer thread with group commits, readers beside it."""

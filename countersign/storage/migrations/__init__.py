"""Alembic runs these: one small Python file and one .sql file a migration."""

"""SQL on PostgreSQL: one module per table; nothing here knows a rule of the product."""

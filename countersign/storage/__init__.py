"""SQL on PostgreSQL: a module for each thing that is stored. Constraint violations become domain errors here."""

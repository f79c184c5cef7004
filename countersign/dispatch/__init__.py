"""Between database and Temporal: starting workflows, delivering messages, sending notices, reconciling."""

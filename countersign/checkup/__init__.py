"""What `countersign doctor` looks at: settings, and the services that they name. Nothing here changes anything."""

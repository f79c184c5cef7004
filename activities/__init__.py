"""What the journeys ask the world to do."""

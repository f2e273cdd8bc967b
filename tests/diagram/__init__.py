"""Pictures of flows, read by those who draw them."""

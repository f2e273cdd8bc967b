"""What a flow is made of, and what is refused."""

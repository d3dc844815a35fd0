"""How an approved model comes to its endpoint."""

"""Models in service: workers, the variants they make up, the router between requests and them, and endpoints' lives."""

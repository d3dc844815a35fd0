"""Feature Store: records by identifier and event time, and what becomes of them in the offline store."""

"""CloudWatch Logs: groups, streams and events, read from the files that jobs and endpoints write."""

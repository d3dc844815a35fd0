"""SQS: queues whose messages survive whatever ends the server."""

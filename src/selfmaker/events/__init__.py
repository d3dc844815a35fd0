"""EventBridge: rules that see what happens here, by pattern or by the clock, and act on it."""

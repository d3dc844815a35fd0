"""EventBridge Scheduler: targets called by the clock, as pipelines' triggers use it."""

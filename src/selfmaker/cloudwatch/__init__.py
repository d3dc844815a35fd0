"""CloudWatch: metrics, those that jobs report and those that clients put."""

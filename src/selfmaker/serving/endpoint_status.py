"""The statuses of endpoints, in AWS's words."""

CREATING, IN_SERVICE, UPDATING, RETURNING = "Creating", "InService", "Updating", "SystemUpdating"
ROLLING_BACK = "RollingBack"
DELETING, FAILED, OUT_OF_SERVICE = "Deleting", "Failed", "OutOfService"

IN_PROGRESS = (CREATING, UPDATING, RETURNING, ROLLING_BACK, DELETING)
SETTLED = (IN_SERVICE, FAILED, OUT_OF_SERVICE)
SERVING = (IN_SERVICE, UPDATING, RETURNING, ROLLING_BACK, OUT_OF_SERVICE)
"""What a server that comes back brings back."""

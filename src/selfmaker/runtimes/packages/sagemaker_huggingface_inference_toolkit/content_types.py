"""Content types by the names that the toolkit gives them."""

JSON = "application/json"
CSV = "text/csv"
OCTET_STREAM = "application/octet-stream"
ANY = "*/*"
NPY = "application/x-npy"
X_IMAGE = "image/x-image"
X_AUDIO = "audio/x-audio"
UTF8_TYPES = [JSON, CSV]

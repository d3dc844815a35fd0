"""What TensorFlow Serving does for the containers: models by name and version, answering its REST requests."""

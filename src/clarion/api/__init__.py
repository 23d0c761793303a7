"""HTTP: the app, who may call it and how often, and the faces that speak the vendors' APIs."""

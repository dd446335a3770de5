"""The page and its server: pictures in by HTTP, larger pictures out; models are reached over HTTP only."""

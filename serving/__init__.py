"""The inference servers: the embedded one (KServe's model server), TorchServe, and KServe's transformer.

Importing this package is light: kserve, torch and TorchServe are imported where a server is started.
"""
